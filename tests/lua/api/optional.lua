-- Arguments that may be left out: nil and false are what skynet (C) takes them for.
local skynet = require "skynet"
require "skynet.manager"
local check = require "check"

local role, case = {}, {}

-- A server that answers each line, and a client of it.
local function pair(socket)
	local listener, ip, port = socket.listen("127.0.0.1:0", nil, nil)
	check.eq("its address", ip, "127.0.0.1")
	socket.start(listener, function(id)
		socket.start(id, nil)
		while true do
			local line = socket.readline(id, nil)
			if not line then return socket.close(id) end
			socket.write(id, "<" .. line .. ">\n")
		end
	end)
	return port, listener
end

function case.sockets()
	local socket = require "skynet.socket"
	local driver = require "skynet.socketdriver"
	local port, listener = pair(socket)
	local id = socket.open("127.0.0.1:" .. port, nil)
	for _, none in ipairs { false, "nil" } do
		if none == "nil" then none = nil end
		local name = tostring(none)
		socket.limit(id, none)
		socket.warning(id, none)
		socket.onclose(id, none)
		check.returns("close " .. name, {}, socket.close, none)
		check.returns("shutdown " .. name, {}, socket.shutdown, none)
		check.returns("pause " .. name, {}, socket.pause, none)
		check.returns("abandon " .. name, {}, socket.abandon, none)
		check.eq("invalid " .. name, socket.invalid(none), true)
		check.eq("disconnected " .. name, socket.disconnected(none), nil)
		check.eq("block " .. name, socket.block(none), false)
		socket.write(id, "x\n")
		check.eq("readline " .. name, socket.readline(id, none), "<x>")
		local u = socket.udp(function() end, none)
		check.ok("udp " .. name, u > 0)
		socket.close(u)
		check.returns("clear " .. name, {}, driver.clear, none or nil, none)
		local buffer = driver.buffer()
		driver.push(buffer, {}, driver.str2p "a\nb")
		check.eq("is there a line " .. name, driver.readline(buffer, none, "\n"), true)
		check.eq("all of it " .. name, driver.readall(buffer, none), "a\nb")
	end
	socket.write(id, "y\n")
	check.eq("read", socket.read(id, nil), "<y>\n")
	check.fails("a number of bytes", "number expected, got boolean", driver.pop, driver.buffer(), {}, false)
	socket.close(id)
	socket.close(listener)
	local got
	local server, from = nil, socket.udp(function(data) got = data end)
	server = socket.udp(function(data, address) socket.sendto(server, address, data) end, "127.0.0.1", 0)
	local at
	for _, info in ipairs(socket.netstat()) do at = info.id == server and info.peer or info.id == server and info.sock or at end
	socket.udp_connect(from, "127.0.0.1", tonumber((at or ""):match ":(%d+)$") or 9, nil)
	if at then
		socket.write(from, "kept")
		check.ok("the callback stays", check.wait(function() return got == "kept" end))
	end
end

function case.channels()
	local socket = require "skynet.socket"
	local socketchannel = require "skynet.socketchannel"
	local port, listener = pair(socket)
	local channel = socketchannel.channel {
		host = "127.0.0.1", port = port, auth = false, response = false, backup = false, nodelay = false, overload = false,
		socket_read = false, socket_readline = false,
	}
	local function line(sock) return true, sock:readline() end
	check.eq("in order", channel:request("a\n", line, nil), "<a>")
	check.eq("without padding", channel:request("b\n", line, false), "<b>")
	check.eq("connected", channel:connect(false), true)
	channel:changebackup(nil)
	channel:changehost("127.0.0.1", false)
	check.eq("the port stays", channel:request("c\n", line), "<c>")
	channel:changehost("127.0.0.1", nil)
	channel:changebackup(false)
	check.eq("again", channel:request("d\n", line), "<d>")
	channel:close()
	channel = socketchannel.channel { host = "127.0.0.1:" .. port, port = false }
	check.eq("the port is part of the host", channel:request("e\n", line), "<e>")
	channel:close()
	socket.close(listener)
end

function role.gate()
	local netpack = require "skynet.netpack"
	local socket = require "skynet.socketdriver"
	require("snax.gateserver").start {
		connect = function(fd) require("snax.gateserver").openclient(fd) end,
		message = function(fd, msg, sz) socket.send(fd, netpack.pack("<" .. netpack.tostring(msg, sz) .. ">")) end,
		disconnect = false, error = false, warning = false, embed = false,
		open = function(_, conf) return conf.address, conf.port end,
	}
end

function case.gates()
	local socket = require "skynet.socket"
	local gate = check.spawn "gate"
	local conf = { address = false, port = 0, maxclient = false, nodelay = false }
	local ip, port = skynet.call(gate, "lua", "open", conf)
	check.eq("everywhere", ip, "0.0.0.0")
	local id = socket.open("127.0.0.1", port)
	socket.write(id, string.pack(">s2", "hello"))
	check.eq("a frame", socket.read(id, 9), string.pack(">s2", "<hello>"))
	socket.close(id)
	local native = skynet.newservice "gate"
	ip, port = skynet.call(native, "lua", "open", { port = 0, watchdog = false, address = false, maxclient = false })
	check.ok("the gate that ships", ip == "0.0.0.0" and port > 0, port)
end

function case.clusters()
	local cluster = require "skynet.cluster"
	local ip, port = cluster.open(0, false)
	check.ok("open", ip == "0.0.0.0" and port > 0, port)
	cluster.reload(nil)
	cluster.reload { here = "127.0.0.1:" .. port, down = false }
	local sums = check.spawn "sums"
	cluster.register("sums", nil)
	cluster.unregister "sums"
	cluster.register("sums", sums)
	check.fails("false is no handle", "", cluster.register, "more", false)
	check.returns("nil in the middle", { 4, nil, "x", nil, n = 4 }, cluster.call, "here", "@sums", nil, "x", nil)
	local proxy = cluster.proxy("here@sums", nil)
	check.returns("a proxy", { 2, false, n = 2 }, skynet.call, proxy, "lua", false)
	check.eq("the same", cluster.proxy("here", "@sums"), proxy)
	check.returns("nothing", { 1, n = 1 }, cluster.call, "here", "@sums")
	check.fails("a node that is down", "", cluster.call, "down", "@sums")
end

-- How many results it gives, and its arguments.
function role.sums()
	skynet.dispatch("lua", function(_, _, ...) skynet.retpack(select("#", ...) + 1, ...) end)
	skynet.start(function() end)
end

function case.shared()
	local sharedata = require "skynet.sharedata"
	sharedata.new("empty", nil)
	check.eq("an empty table", next(sharedata.deepcopy "empty"), nil)
	check.fails("no data", "call failed", sharedata.new, "wrong", false)
	sharedata.new("args", "local a, b, c = ... return { n = select('#', ...), a = a == nil, b = b, c = c == nil }", nil, false, nil)
	check.eq("its arguments", sharedata.deepcopy "args", { n = 3, a = true, b = false, c = true })
	sharedata.update("empty", { x = { y = false } })
	check.eq("a part of it", sharedata.deepcopy("empty", "x"), { y = false })
	check.eq("all of it", sharedata.deepcopy "empty", { x = { y = false } })
	sharedata.update("empty", nil)
	check.eq("empty again", next(sharedata.deepcopy "empty"), nil)
end

function case.channels_of_many()
	local multicast = require "skynet.multicast"
	local got
	local channel = multicast.new(false)
	check.eq("a new one", math.type(channel.channel), "integer")
	local same = multicast.new {
		channel = channel.channel, pack = false, unpack = false,
		dispatch = function(_, _, ...) got = table.pack(...) end,
	}
	same:subscribe()
	channel:publish(nil, false, nil)
	check.ok("it comes", check.wait(function() return got end))
	check.eq("with its nils", { got.n, got[1], got[2], got[3] }, { 3, nil, false, nil })
	local other = multicast.new { channel = false, dispatch = false }
	check.ok("another", other.channel ~= channel.channel)
	other:subscribe()
	other:publish()
	check.eq("without anything", math.type(multicast.new(nil).channel), "integer")
end

function case.datacenters()
	local datacenter = require "skynet.datacenter"
	check.returns("a new one", {}, datacenter.set, "a", "b", false)
	check.returns("false is a value", { false }, datacenter.get, "a", "b")
	check.returns("and there at once", { false }, datacenter.wait, "a", "b")
	check.returns("the old one", { false }, datacenter.set, "a", "b", nil)
	check.returns("nothing", { nil, n = 1 }, datacenter.get, "a", "b")
	check.returns("up to a nil", { {} }, datacenter.get, "a", nil)
	check.returns("all of it", { { a = {} } }, datacenter.get)
end

function case.launches()
	local words = {}
	local function arguments(...)
		local s = check.spawn("words", ...)
		words = skynet.call(s, "lua")
		return words
	end
	check.eq("all", arguments("a", 1, 2.5), { "a", "1", "2.5" })
	check.eq("up to a nil", arguments("a", nil, 1), { "a" })
	check.eq("none", arguments(nil, "a"), {})
	check.eq("a nil at the end", arguments("a", "b", nil), { "a", "b" })
	check.fails("no word", "call failed", check.spawn, "words", false)
	check.fails("launch", "invalid value (boolean) at index 2 in table for 'concat'", skynet.launch, "snlua", false)
end

function role.words(...)
	local words = { ... }
	skynet.dispatch("lua", function() skynet.retpack(words) end)
	skynet.start(function() end)
end

function case.snax()
	local snax = require "skynet.snax"
	local s = snax.newservice("optional", nil, false, nil)
	check.returns("of init", { 3, nil, false, nil, n = 4 }, s.req.init_arguments)
	check.returns("of a request", { 2, nil, false, n = 3 }, s.req.arguments, nil, false)
	s.post.keep(nil, nil)
	check.eq("of a post", s.req.kept(), 2)
	check.returns("of a patch", { 2 }, snax.hotfix, s, "function hotfix(...) return select('#', ...) end", nil, nil)
	snax.kill(s, nil, false)
end

return check.main(role, case, ...)
