-- The socket engine by its native module.
local skynet = require "skynet"
require "skynet.manager"
local driver = require "skynet.socketdriver"
local check = require "check"

local case = {}
local events = {}

skynet.register_protocol {
	name = "socket",
	id = skynet.PTYPE_SOCKET,
	unpack = driver.unpack,
	dispatch = function(_, _, kind, id, n, data, address)
		if type(data) == "userdata" then
			data = skynet.tostring(data, n)
		end
		events[#events + 1] = { kind = kind, id = id, n = n, data = data, address = address }
	end,
}

-- The next event of a kind for a socket, taken out.
local function event(kind, id)
	local found
	check.wait(function()
		for i, e in ipairs(events) do
			if e.kind == kind and (e.id == id or not id) then
				found = table.remove(events, i)
				return true
			end
		end
	end)
	return found or {}
end

local DATA, OPEN, ACCEPT, UDP = 1, 2, 4, 6

-- A bound socket on some free port: its id and port.
local function bound(make)
	for _ = 1, 50 do
		local at = 0x7000 + math.random(0x3fff)
		local ok, id = pcall(make, "127.0.0.1", at)
		if ok then
			return id, at
		end
	end
	error "no free port"
end

function case.datagrams()
	local server, at = bound(driver.udp_listen)
	local client = driver.udp()
	driver.udp_connect(client, "127.0.0.1", at)
	driver.send(client, "one")
	local got = event(UDP, server)
	check.eq("data", got.data, "one")
	local ip, from = driver.udp_address(got.address)
	check.eq("its sender", { ip, math.type(from) }, { "127.0.0.1", "integer" })
	check.eq("an answer", driver.udp_send(server, got.address, "two"), true)
	check.eq("arrives", event(UDP, client).data, "two")
	local dialled = driver.udp_dial("127.0.0.1", at)
	driver.send(dialled, "three")
	check.eq("dialled", event(UDP, server).data, "three")
	check.fails("port 0 is for nobody", "udp listen host failed", driver.udp_listen, "127.0.0.1", 0)
	driver.close(server)
end

function case.streams()
	local listener = driver.listen("127.0.0.1", 0)
	local at = event(OPEN, listener).n
	driver.start(listener)
	event(OPEN, listener)
	local client = driver.connect("127.0.0.1", at)
	check.eq("open", event(OPEN, client).data, "127.0.0.1")
	driver.nodelay(client)
	local peer = event(ACCEPT, listener).n
	driver.start(peer)
	event(OPEN, peer)
	driver.send(client, "to the peer")
	check.eq("data", event(DATA, peer).data, "to the peer")
	local kinds = {}
	for _, socket in ipairs(driver.info()) do
		kinds[socket.id] = socket.type
	end
	check.eq("listed", { kinds[listener], kinds[client], kinds[peer] }, { "LISTEN", "TCP", "TCP" })
end

function case.foreign_descriptors()
	local id = driver.bind(0)
	check.eq("standard input", event(OPEN, id).data, "binding")
	driver.start(id)
	print "ready"
	check.eq("read", event(DATA, id).data, "a line\n")
end

return check.main({}, case, ...)
