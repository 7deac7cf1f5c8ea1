-- snax.gateserver and the gate service. A gate reads the engine's messages itself, so a role that is one must not load
-- skynet.socket; the cases and the agents do.
local skynet = require "skynet"
local check = require "check"

local role, case = {}, {}

local function tools()
	return require "skynet.socket", require "pair"
end

local function send(id, ...)
	local socket = tools()
	local parts = {}
	for i, text in ipairs { ... } do
		parts[i] = string.pack(">s2", text)
	end
	return socket.write(id, parts)
end

local function receive(id)
	local socket = tools()
	local header = socket.read(id, 2)
	if not header or header == "\0\0" then -- a read of 0 bytes would wait for more
		return header and ""
	end
	return socket.read(id, (">I2"):unpack(header))
end

-- A gate of its own: remembers what happened, echoes frames, and does what the words of some frames say.
function role.own()
	local gateserver = require "snax.gateserver"
	local netpack = require "skynet.netpack"
	local driver = require "skynet.socketdriver"
	local log, handler, waiting, opens = {}, {}, {}, true

	local function note(...)
		log[#log + 1] = { ... }
	end

	function handler.open(source, conf)
		return conf.address, conf.port, source
	end

	function handler.connect(fd, addr)
		note("connect", fd, addr:match "^127%.0%.0%.1:%d+$" and "local")
		if opens then
			gateserver.openclient(fd)
		end
	end

	function handler.message(fd, msg, sz)
		local text = netpack.tostring(msg, sz)
		note("message", fd, text)
		if text == "wait" then
			local token = {}
			waiting[#waiting + 1] = token
			skynet.wait(token)
			note("waited", fd)
		elseif text == "fail" then
			error "told to fail"
		elseif text == "close" then
			gateserver.closeclient(fd)
		end
		driver.send(fd, netpack.pack(text))
	end

	function handler.disconnect(fd)
		note("disconnect", fd)
	end

	function handler.error(fd, text)
		note("error", fd, text)
	end

	function handler.warning(fd, kb)
		note("warning", fd, kb)
	end

	local command = {}

	function command.log()
		return log
	end

	function command.forget()
		log = {}
	end

	function command.wake()
		for _, token in ipairs(waiting) do
			skynet.wakeup(token)
		end
		waiting = {}
	end

	function command.opens(flag)
		opens = flag
	end

	function command.openclient(fd)
		gateserver.openclient(fd)
	end

	function command.closeclient(fd)
		gateserver.closeclient(fd)
	end

	function command.write(fd, n)
		return driver.lsend(fd, ("x"):rep(n))
	end

	function handler.command(cmd, _, ...)
		return command[cmd](...)
	end

	gateserver.start(handler)
end

-- The same with `embed`: skynet.start is called by the service.
function role.embedded()
	local gateserver = require "snax.gateserver"
	local netpack = require "skynet.netpack"
	gateserver.start {
		embed = true,
		connect = function(fd)
			gateserver.openclient(fd)
		end,
		message = function(fd, msg, sz)
			require("skynet.socketdriver").send(fd, netpack.pack(netpack.tostring(msg, sz):upper()))
		end,
	}
	skynet.start(function()
		skynet.error "embedded"
	end)
end

local function own(conf)
	local gate = check.spawn "own"
	conf = conf or {}
	conf.address, conf.port = conf.address or "127.0.0.1", conf.port or 0
	local ip, port, source = skynet.call(gate, "lua", "open", conf)
	check.eq("the results of handler.open", { ip, math.type(port), source }, { "127.0.0.1", "integer", skynet.self() })
	return gate, port
end

local function events(gate)
	return skynet.call(gate, "lua", "log")
end

-- Waits until the gate has seen n events, and returns them.
local function seen(gate, n)
	local list
	check.ok(("%d events"):format(n), check.wait(function()
		list = events(gate)
		return #list >= n
	end), check.show(list))
	return list
end

function case.echo()
	local socket = tools()
	local gate, port = own { nodelay = true }
	local id = socket.open("127.0.0.1", port)
	local list = seen(gate, 1)
	local fd = list[1][2]
	check.eq("connect", list[1], { "connect", fd, "local" })
	send(id, "one", "", "two")
	check.eq("frames", { receive(id), receive(id), receive(id) }, { "one", "", "two" })
	local largest = ("z"):rep(65535)
	send(id, largest)
	check.ok("the largest frame", receive(id) == largest)
	for _, byte in ipairs { "\0", "\5", "h", "e", "l", "l", "o" } do
		socket.write(id, byte)
		skynet.sleep(1)
	end
	check.eq("byte by byte", receive(id), "hello")
	for i = 1, 100 do
		send(id, "n" .. i)
	end
	local ok = true
	for i = 1, 100 do
		ok = receive(id) == "n" .. i and ok
	end
	check.ok("many at once, in order", ok)
	skynet.call(gate, "lua", "forget")
	socket.close(id)
	check.eq("disconnect", seen(gate, 1)[1], { "disconnect", fd })
	skynet.call(gate, "lua", "closeclient", fd)
	local again = socket.open("127.0.0.1", port)
	send(again, "again")
	check.eq("the gate goes on", receive(again), "again")
	socket.close(again)
	local peer = socket.netstat()
	check.ok("freed", check.wait(function()
		for _, entry in ipairs(socket.netstat()) do
			if entry.id == fd then
				return false
			end
		end
		return true
	end), check.show(peer))
end

function case.commands()
	local socket, pair = tools()
	local gate, port = own()
	check.fails("open again", "call failed", skynet.call, gate, "lua", "open", { address = "127.0.0.1", port = 0 })
	local id = socket.open("127.0.0.1", port)
	seen(gate, 1)
	skynet.call(gate, "lua", "close")
	check.ok("no more connections", check.wait(function()
		local new = socket.open("127.0.0.1", port)
		if new then
			socket.close(new)
		end
		return not new
	end))
	send(id, "still here")
	check.eq("clients stay", receive(id), "still here")
	local _, second = skynet.call(gate, "lua", "open", { address = "127.0.0.1:" .. port })
	check.eq("open once more, with the port in the address", second, port)
	socket.close(id)

	local other = check.spawn "own"
	check.fails("a port that is taken", "call failed", skynet.call, other, "lua", "open",
		{ address = "127.0.0.1", port = port })
	local _, free = skynet.call(other, "lua", "open", { address = "127.0.0.1", port = 0 })
	check.ok("it can be opened after that", free ~= port)
	check.eq("nobody waits", pair.background(function() end).ok, nil)
end

-- One less than maxclient is served; the rest is dropped, and told of by disconnect only.
function case.maxclient()
	local socket = tools()
	local gate, port = own { maxclient = 3 }
	check.fails("open again", "call failed", skynet.call, gate, "lua", "open", { port = 0, maxclient = 99 })
	local a, b = socket.open("127.0.0.1", port), socket.open("127.0.0.1", port)
	send(a, "a")
	send(b, "b")
	check.eq("two are served", { receive(a), receive(b) }, { "a", "b" })
	skynet.call(gate, "lua", "forget")
	local c = socket.open("127.0.0.1", port)
	check.eq("the third is dropped", { socket.read(c) }, { false, "" })
	local list = seen(gate, 1)
	check.eq("only disconnect", { #list, list[1][1] }, { 1, "disconnect" })
	socket.close(c)
	socket.close(a)
	seen(gate, 2)
	local d = socket.open("127.0.0.1", port)
	send(d, "d")
	check.eq("there is room again", receive(d), "d")
	socket.close(b)
	socket.close(d)
end

-- A client that was kicked, and does not take what it was sent, counts until it has gone.
function case.kicked_and_deaf()
	local socket = tools()
	local gate, port = own { maxclient = 3 }
	local a = socket.open("127.0.0.1", port)
	send(a, "a")
	check.eq("served", receive(a), "a")
	socket.pause(a)
	local _, fd = table.unpack(seen(gate, 1)[1])
	skynet.call(gate, "lua", "write", fd, 32 << 20)
	skynet.call(gate, "lua", "closeclient", fd)
	local b = socket.open("127.0.0.1", port)
	send(b, "b")
	check.eq("there is one place", receive(b), "b")
	local c = socket.open("127.0.0.1", port)
	check.eq("and no second one", { socket.read(c) }, { false, "" })
	socket.close(c)
	check.eq("it takes all", #socket.readall(a), 32 << 20)
	check.ok("then there is", check.wait(function()
		local id = socket.open("127.0.0.1", port)
		send(id, "d")
		local served = receive(id) == "d"
		socket.close(id)
		return served
	end))
	socket.close(a)
	socket.close(b)
end

-- Nothing is read before openclient.
function case.not_opened()
	local socket = tools()
	local gate, port = own()
	skynet.call(gate, "lua", "opens", false)
	local id = socket.open("127.0.0.1", port)
	send(id, "early")
	local fd = seen(gate, 1)[1][2]
	skynet.sleep(10)
	check.eq("not read", #events(gate), 1)
	skynet.call(gate, "lua", "openclient", fd)
	check.eq("read now", receive(id), "early")
	skynet.call(gate, "lua", "openclient", 987654)
	skynet.call(gate, "lua", "closeclient", 987654)
	socket.close(id)
end

-- Frames that came together go on when the handler of one waits or fails.
function case.handler_waits()
	local socket = tools()
	local gate, port = own()
	local id = socket.open("127.0.0.1", port)
	send(id, "1", "wait", "2", "fail", "3", "wait", "4")
	check.eq("those behind are not held up", { receive(id), receive(id), receive(id), receive(id) }, { "1", "2", "3", "4" })
	skynet.call(gate, "lua", "wake")
	check.eq("the others end later", { receive(id), receive(id) }, { "wait", "wait" })
	socket.close(id)
end

function case.close_client()
	local socket = tools()
	local gate, port = own()
	local id = socket.open("127.0.0.1", port)
	send(id, "close", "after")
	check.eq("the connection ends", socket.readall(id), "")
	local names = {}
	for i, e in ipairs(seen(gate, 3)) do
		names[i] = e[1]
	end
	check.eq("the frame behind is dropped", names, { "connect", "message", "disconnect" })
	socket.close(id)
end

-- What a client sends behind the frame that closes it is told of, but not as often as it likes.
function case.many_dropped()
	local socket = tools()
	local gate, port = own()
	local id = socket.open("127.0.0.1", port)
	local frames = {}
	for i = 1, 5000 do frames[i] = string.pack(">s2", "after") end
	socket.write(id, string.pack(">s2", "close") .. table.concat(frames))
	check.eq("the connection ends", socket.readall(id), "")
	check.eq("one frame", #seen(gate, 3), 3)
	socket.close(id)
end

function case.warning()
	local socket = tools()
	local gate, port = own()
	local id = socket.open("127.0.0.1", port)
	local fd = seen(gate, 1)[1][2]
	skynet.call(gate, "lua", "write", fd, 16 * 1024 * 1024)
	local w = seen(gate, 2)[2]
	check.ok("piling up", w[1] == "warning" and w[2] == fd and w[3] >= 1024, check.show(w))
	socket.read(id, 16 * 1024 * 1024)
	local list = seen(gate, 3)
	check.eq("gone", list[#list], { "warning", fd, 0 })
	socket.close(id)
end

function case.embed()
	local socket = tools()
	local gate = check.spawn "embedded"
	skynet.call(gate, "lua", "open", { address = "127.0.0.1", port = 28000 + math.random(2000) })
	local listener
	for _, entry in ipairs(socket.netstat()) do
		listener = entry.type == "LISTEN" and entry.sock or listener
	end
	local id = socket.open(listener)
	send(id, "text")
	check.eq("it works", receive(id), "TEXT")
	socket.close(id)
end

function case.incomplete_handler()
	local gateserver = require "snax.gateserver"
	check.fails("no message", "message", gateserver.start, { connect = print })
	check.fails("no connect", "connect", gateserver.start, { message = print })
end

-- The gate service

local dog = {} -- what the watchdog (the case itself) has been told

local function open_gate(conf)
	dog = {}
	skynet.dispatch("lua", function(_, _, what, ...)
		if what == "socket" then
			dog[#dog + 1] = { ... }
		end
	end)
	local gate = skynet.newservice "gate"
	conf = conf or {}
	conf.address, conf.port = "127.0.0.1", 0
	local ip, port = skynet.call(gate, "lua", "open", conf)
	check.eq("the bound address", { ip, math.type(port) }, { "127.0.0.1", "integer" })
	return gate, port
end

local function told(n)
	check.ok(("told %d times"):format(n), check.wait(function() return #dog >= n end), check.show(dog))
	return dog[n]
end

function role.agent()
	local socket = tools()
	local log, gate = {}, nil
	skynet.register_protocol {
		name = "client",
		id = skynet.PTYPE_CLIENT,
		unpack = skynet.tostring,
		dispatch = function(session, source, text)
			skynet.ignoreret()
			log[#log + 1] = { session, source, text }
			socket.write(session, string.pack(">s2", "agent " .. text))
		end,
	}
	check.serve {
		start = function(g, fd, client)
			gate = g
			skynet.call(gate, "lua", "forward", fd, client)
		end,
		log = function()
			return log
		end,
		exit = function()
			skynet.timeout(0, skynet.exit)
		end,
	}
end

function case.watchdog()
	local socket = tools()
	local gate, port = open_gate()
	local id = socket.open("127.0.0.1", port)
	local e = told(1)
	local fd = e[2]
	check.ok("open", e[1] == "open" and e[3]:match "^127%.0%.0%.1:%d+$", check.show(e))
	send(id, "early")
	skynet.sleep(10)
	check.eq("not read yet", #dog, 1)
	skynet.call(gate, "lua", "accept", fd)
	check.eq("accept: data", told(2), { "data", fd, "early" })
	send(id, "", "binary\0\255")
	check.eq("an empty frame", told(3), { "data", fd, "" })
	check.eq("any bytes", told(4), { "data", fd, "binary\0\255" })
	socket.close(id)
	check.eq("close", told(5), { "close", fd })
	skynet.call(gate, "lua", "kick", fd)
	check.fails("forward after that", "call failed", skynet.call, gate, "lua", "forward", fd)
	check.fails("an unknown command", "call failed", skynet.call, gate, "lua", "no_such_command")

	local second = socket.open("127.0.0.1", port)
	local other = told(6)[2]
	skynet.call(gate, "lua", "kick", other)
	check.eq("kick closes", { socket.read(second) }, { false, "" })
	check.eq("and is told", told(7), { "close", other })
	socket.close(second)
	skynet.call(gate, "lua", "close")
	check.ok("closed", check.wait(function() return not socket.open("127.0.0.1", port) end))
end

function case.other_watchdog()
	local socket = tools()
	local gate, port = open_gate { watchdog = skynet.self(), nodelay = true, backlog = 5, maxclient = 2 }
	local id = socket.open("127.0.0.1", port)
	check.eq("open", told(1)[1], "open")
	local dropped = socket.open("127.0.0.1", port)
	check.eq("dropped", { socket.read(dropped) }, { false, "" })
	local e = told(2)
	check.ok("the watchdog hears of a connection that it never saw", e[1] == "close" and e[2] ~= dog[1][2], check.show(e))
	skynet.call(gate, "lua", "kick", e[2])
	socket.close(dropped)
	socket.close(id)
end

function case.agents()
	local socket = tools()
	local gate, port = open_gate()
	local agent, other = check.spawn "agent", check.spawn "agent"
	local a, b = socket.open("127.0.0.1", port), socket.open("127.0.0.1", port)
	told(2)
	local fd_a, fd_b = dog[1][2], dog[2][2]
	skynet.call(agent, "lua", "start", gate, fd_a)
	skynet.call(other, "lua", "start", gate, fd_b, skynet.self())
	send(a, "hello", "again")
	send(b, "there")
	check.eq("answers", { receive(a), receive(a), receive(b) }, { "agent hello", "agent again", "agent there" })
	check.eq("session and source", skynet.call(agent, "lua", "log"),
		{ { fd_a, gate, "hello" }, { fd_a, gate, "again" } })
	check.eq("the source may be chosen", skynet.call(other, "lua", "log"), { { fd_b, skynet.self(), "there" } })
	check.eq("the watchdog sees no data", #dog, 2)
	skynet.call(gate, "lua", "forward", fd_b, nil, agent)
	send(b, "moved")
	check.eq("forward to another address", receive(b), "agent moved")
	check.eq("it has it", skynet.call(agent, "lua", "log")[3], { fd_b, gate, "moved" })

	-- The agent dies: its frames are lost, nothing else.
	skynet.call(agent, "lua", "exit")
	check.wait(function() return check.dead(agent) end)
	send(b, "to nobody")
	skynet.sleep(5)
	skynet.call(gate, "lua", "accept", fd_b)
	send(b, "to the watchdog")
	check.eq("accept takes it back", told(3), { "data", fd_b, "to the watchdog" })
	socket.close(a)
	socket.close(b)
	told(5)
end

-- Many clients at once; at the end nothing is left.
function case.crowd()
	local socket = tools()
	local gate, port = open_gate()
	local agent = check.spawn "agent"
	local n, done = 100, 0
	for i = 1, n do
		skynet.fork(function()
			local id = assert(socket.open("127.0.0.1", port))
			for j = 1, 10 do
				local text = ("%d %d"):format(i, j)
				send(id, text)
				local got = receive(id)
				if got ~= "agent " .. text then
					check.eq("own answers", got, "agent " .. text)
				end
			end
			socket.close(id)
			done = done + 1
		end)
	end
	local at, closed = 0, 0
	check.ok("all are served", check.wait(function()
		while dog[at + 1] do
			at = at + 1
			local e = dog[at]
			if e[1] == "open" then
				skynet.call(agent, "lua", "start", gate, e[2])
			elseif e[1] == "close" then
				skynet.call(gate, "lua", "kick", e[2])
				closed = closed + 1
			end
		end
		return done == n and closed == n
	end), ("%d done, %d closed"):format(done, closed))
	check.ok("only the listener is left", check.wait(function() return #socket.netstat() == 1 end))
end

-- For the tests that speak to a gate from outside: tells its port, then what happens.
function case.outside()
	local gate, port = open_gate()
	check.emit("PORT ", tostring(port))
	local socket = tools()
	local at = 0
	while true do
		check.wait(function() return dog[at + 1] end)
		at = at + 1
		local e = dog[at]
		if not e then
			break
		elseif e[1] == "open" then
			skynet.call(gate, "lua", "accept", e[2])
			check.emit "EVENT open"
		elseif e[1] == "data" then
			check.emit("EVENT data ", tostring(#e[3]), " ", e[3]:sub(1, 20))
			send(e[2], "seen")
			if e[3] == "stop" then
				break
			end
		else
			check.emit("EVENT ", e[1], " ", tostring(e[3]))
			skynet.call(gate, "lua", "kick", e[2])
		end
	end
	local left = check.wait(function() return #socket.netstat() <= 2 end) -- the listener and who said stop
	check.ok("nothing else is left", left, check.show(socket.netstat()))
end

return check.main(role, case, ...)
