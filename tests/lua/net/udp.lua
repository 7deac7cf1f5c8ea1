-- skynet.socket: UDP.
local skynet = require "skynet"
local socket = require "skynet.socket"
local check = require "check"
local pair = require "pair"

local role, case = {}, {}

-- A bound socket on some free port: its id and port.
local function bound(f)
	for _ = 1, 100 do
		local port = 0x7000 + math.random(0x3fff)
		local ok, id = pcall(socket.udp, f, "127.0.0.1", port)
		if ok then
			return id, port
		end
	end
	error "no free port"
end

local function collector()
	local got = {}
	return got, function(data, from)
		got[#got + 1] = { data, from }
	end
end

local function received(got, n)
	return check.ok(("%d received"):format(n), check.wait(function() return #got >= n end), #got)
end

function case.echo()
	local server, port
	server, port = bound(function(data, from)
		socket.sendto(server, from, "re: " .. data)
	end)
	local got, f = collector()
	local client = socket.udp(f)
	check.eq("no destination yet", socket.write(client, "lost"), false)
	socket.udp_connect(client, "127.0.0.1", port)
	check.eq("write", socket.write(client, "one"), true)
	received(got, 1)
	check.eq("answer", got[1][1], "re: one")
	local ip, from = socket.udp_address(got[1][2])
	check.eq("its address", { ip, from, #got[1][2] }, { "127.0.0.1", port, 7 })
	socket.sendto(client, got[1][2], "two")
	received(got, 2)
	check.eq("to a received address", got[2][1], "re: two")
	socket.close(client)
	socket.close(server)
	check.eq("gone", { pair.stat(client), pair.stat(server) }, {})
end

function case.dial_and_listen()
	local seen, f = collector()
	local server, port
	repeat
		port = 0x7000 + math.random(0x3fff)
		local ok
		ok, server = pcall(socket.udp_listen, "127.0.0.1", port, f)
	until ok
	local got, g = collector()
	local client = socket.udp_dial("127.0.0.1", port, g)
	socket.write(client, "dialled")
	received(seen, 1)
	check.eq("it came", seen[1][1], "dialled")
	socket.sendto(server, seen[1][2], "back")
	received(got, 1)
	check.eq("and back", got[1][1], "back")
	check.fails("listen needs a port", "udp listen host failed", socket.udp_listen, "127.0.0.1", 0, f)
	socket.close(client)
	socket.close(server)
end

function case.kinds_of_data()
	local seen, f = collector()
	local server, port = bound(f)
	local client = socket.udp_dial("127.0.0.1", port, print)
	socket.write(client, "")
	received(seen, 1)
	socket.write(client, { "a ", "list" })
	received(seen, 2)
	local large = ("u"):rep(60000)
	socket.write(client, large)
	received(seen, 3)
	check.eq("empty and list", { seen[1][1], seen[2][1] }, { "", "a list" })
	check.ok("60000 bytes", seen[3][1] == large)
	socket.close(client)
	socket.close(server)
end

function case.other_callback()
	local first, f = collector()
	local second, g = collector()
	local server, port = bound(f)
	local client = socket.udp_dial("127.0.0.1", port, print)
	socket.write(client, "1")
	received(first, 1)
	socket.udp_connect(server, "127.0.0.1", port, g)
	socket.write(client, "2")
	received(second, 1)
	check.eq("each got one", { #first, second[1][1] }, { 1, "2" })
	socket.close(client)
	socket.close(server)
end

function case.bad_addresses()
	check.fails("too short", "Invalid udp address", socket.udp_address, "\1\2\3")
	local id = socket.udp(print)
	check.eq("no such kind", socket.sendto(id, "\9\0\0\0\0\0\0", "x"), false)
	check.fails("no such name", "udp dial host failed", socket.udp_dial, "no-such-host.invalid", 1, print)
	check.fails("no such name either", "udp connect failed", socket.udp_connect, id, "no-such-host.invalid", 1)
	socket.close(id)
end

-- A datagram for a socket of this service without a callback.
function case.no_callback()
	local got, f = collector()
	local server, port = bound(nil)
	local client = socket.udp_dial("127.0.0.1", port, f)
	socket.write(client, "dropped")
	check.wait(function() return pair.stat(server).read > 0 end)
	skynet.sleep(2)
	socket.close(client)
	check.eq("nothing came back", #got, 0)
	socket.close(server)
end

function case.ipv6()
	local seen, f = collector()
	local port, ok, server
	for _ = 1, 20 do
		port = 0x7000 + math.random(0x3fff)
		ok, server = pcall(socket.udp_listen, "::1", port, f)
		if ok then
			break
		end
	end
	if not ok then
		check.emit "SKIPPED no IPv6 on this machine; sysctl net.ipv6.conf.lo.disable_ipv6=0, or a kernel that has it"
		return check.ok("this machine has no IPv6", true)
	end
	local client = socket.udp_dial(("[::1]:%d"):format(port), nil, print)
	socket.write(client, "six")
	received(seen, 1)
	local ip = socket.udp_address(seen[1][2])
	check.eq("its address", { ip, #seen[1][2] }, { "::1", 19 })
	socket.close(client)
	socket.close(server)
end

return check.main(role, case, ...)
