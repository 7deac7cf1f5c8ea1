-- The native gate (`skynet.launch("gate", ...)`) over real connections. The service that runs a case is the gate's
-- watchdog and holds the clients' ends as well.
local skynet = require "skynet"
require "skynet.manager"
local check = require "check"

local role, case = {}, {}

local CLIENT <const> = skynet.PTYPE_CLIENT

-- Remembers messages of one type as { session, source, text }.
local function recorder(name, id)
	local list = {}
	skynet.register_protocol {
		name = name,
		id = id,
		pack = tostring,
		unpack = skynet.tostring,
		dispatch = function(session, source, text)
			skynet.ignoreret()
			list[#list + 1] = { session, source, text }
		end,
	}
	return list
end

-- An agent, or a broker: messages of the type `id` are kept until somebody asks for them.
function role.agent(id)
	local list = recorder("frames", tonumber(id))
	check.serve {
		list = function()
			return list
		end,
	}
end

local function watch()
	local events = recorder("text", skynet.PTYPE_TEXT)
	return events, require "skynet.socket", require "pair"
end

local function wait_for(list, n)
	check.wait(function() return #list >= n end)
	return list[n]
end

local function tell(gate, ...)
	skynet.send(gate, "text", string.format(...))
end

-- A gate on a port that was free just now.
local function launch(header, watchdog, kind, most)
	local pair = require "pair"
	for _ = 1, 10 do
		local port = pair.dead_port()
		local gate = skynet.launch("gate", header, watchdog, "127.0.0.1:" .. port, kind, most)
		if gate then
			return gate, port
		end
	end
	error "no port for the gate"
end

local function self()
	return skynet.address(skynet.self())
end

-- One client of a gate whose watchdog is this service: its end, and the gate's number of it.
local function client(port, events)
	local socket = require "skynet.socket"
	local n = #events + 1
	local id = assert(socket.open("127.0.0.1", port))
	local event = wait_for(events, n)
	local fd, again, from = event[3]:match "^(%d+) open (%d+) (.*)$"
	check.eq("the number comes twice", fd, again)
	check.ok("the peer's address", from:find "^127%.0%.0%.1:%d+:0$", from)
	return id, tonumber(fd)
end

function case.watchdog()
	local events, socket = watch()
	local gate, port = launch("S", self(), 0, 10)
	local id, fd = client(port, events)
	check.eq("open has no session", { events[1][1], events[1][2] }, { 0, gate })
	socket.write(id, "\0\5hello\0\5world")
	skynet.sleep(20)
	check.eq("nothing is read before start", #events, 1)
	tell(gate, "start %d", fd)
	wait_for(events, 3)
	check.eq("frames", { events[2], events[3] }, {
		{ fd, gate, fd .. " data hello" }, { fd, gate, fd .. " data world" },
	})
	socket.close(id)
	check.eq("close", wait_for(events, 4), { 0, gate, fd .. " close" })
	check.ok("the engine's socket has gone", check.wait(function()
		for _, info in ipairs(socket.netstat()) do
			if info.id == fd then return false end
		end
		return true
	end))
	print("OPENED " .. string.format("%x", fd))
end

function case.forward()
	local events, socket = watch()
	local agent = check.spawn("agent", CLIENT)
	local gate, port = launch("S", self(), 0, 10)
	local id, fd = client(port, events)
	tell(gate, "start %d", fd)
	tell(gate, "forward %d %s %s", fd, skynet.address(agent), ":abc")
	socket.write(id, "\0\3one")
	local list
	check.wait(function()
		list = skynet.call(agent, "lua", "list")
		return #list == 1
	end)
	check.eq("the client's name, the connection's number", list, { { fd, 0xabc, "one" } })
	tell(gate, "forward %d %s :0", fd, skynet.address(agent))
	socket.write(id, "\0\4nobo")
	check.wait(function()
		list = skynet.call(agent, "lua", "list")
		return #list == 2
	end)
	check.eq("without a client, the gate's name", list[2], { fd, gate, "nobo" })
	-- An agent 0 is none.
	tell(gate, "forward %d :0 :0", fd)
	tell(gate, "forward %d %s", fd, skynet.address(agent)) -- incomplete
	tell(gate, "forward 999999 %s :1", skynet.address(agent))
	socket.write(id, "\0\3two")
	check.eq("back at the watchdog", wait_for(events, 2), { fd, gate, fd .. " data two" })
	-- An agent that has gone: frames are lost, the connection stays.
	tell(gate, "forward %d %s %s", fd, skynet.address(agent), ":abc")
	skynet.kill(agent)
	check.wait(function() return check.dead(agent) end)
	socket.write(id, "\0\5three")
	skynet.sleep(10)
	tell(gate, "forward %d :0 :0", fd)
	socket.write(id, "\0\4four")
	check.eq("still there", wait_for(events, 3), { fd, gate, fd .. " data four" })
end

function case.prefixes()
	local events, socket = watch()
	local agent = check.spawn("agent", CLIENT)
	local gate, port = launch("S", self(), 0, 10)
	local id, fd = client(port, events)
	tell(gate, "f %d %s :1", fd, skynet.address(agent))
	tell(gate, "st %d", fd)
	socket.write(id, "\0\3one")
	check.ok("forwarded", check.wait(function()
		return #skynet.call(agent, "lua", "list") == 1
	end))
	tell(gate, "nonsense %d", fd)
	tell(gate, "kicks %d", fd)
	tell(gate, "k %d", fd)
	check.eq("kicked", wait_for(events, 2), { 0, gate, fd .. " close" })
	check.eq("the client sees it", socket.read(id, 1), false)
	-- Of connections that are not there nothing is said.
	tell(gate, "kick %d", fd)
	tell(gate, "start %d", fd)
	tell(gate, "start")
	client(port, events)
	check.eq("nothing else", #events, 3)
end

function case.broker()
	local events, socket = watch()
	local broker = check.spawn("agent", CLIENT)
	skynet.name(".broker", broker)
	local agent = check.spawn("agent", CLIENT)
	local gate, port = launch("S", self(), 0, 10)
	local id, fd = client(port, events)
	tell(gate, "forward %d %s :1", fd, skynet.address(agent))
	tell(gate, "broker .broker")
	tell(gate, "start %d", fd)
	socket.write(id, "\0\3one")
	check.ok("at the broker", check.wait(function()
		return #skynet.call(broker, "lua", "list") == 1
	end))
	check.eq("from the gate", skynet.call(broker, "lua", "list"), { { fd, gate, "one" } })
	check.eq("not at the agent", skynet.call(agent, "lua", "list"), {})
	-- A name that nobody has is no broker.
	tell(gate, "broker .nobody")
	socket.write(id, "\0\3two")
	check.ok("at the agent again", check.wait(function()
		return #skynet.call(agent, "lua", "list") == 1
	end))
end

function case.message_type()
	local events, socket = watch()
	local agent = check.spawn("agent", 77)
	local gate, port = launch("S", self(), 77, 10)
	local id, fd = client(port, events)
	tell(gate, "forward %d %s :2", fd, skynet.address(agent))
	tell(gate, "start %d", fd)
	socket.write(id, "\0\3one")
	check.ok("arrived", check.wait(function()
		return #skynet.call(agent, "lua", "list") == 1
	end))
	check.eq("as it was asked for", skynet.call(agent, "lua", "list"), { { fd, 2, "one" } })
end

function case.pieces()
	local events, socket = watch()
	local gate, port = launch("S", self(), 0, 10)
	local id, fd = client(port, events)
	tell(gate, "start %d", fd)
	local large = ("x"):rep(65535)
	for c in ("\0\5hello\0\0\0\0\0\2up"):gmatch "." do
		socket.write(id, c)
		skynet.sleep(0)
	end
	socket.write(id, "\xff\xff" .. large .. "\0\3end")
	wait_for(events, 5)
	check.eq("frames, the empty ones skipped", { events[2][3], events[3][3], events[5][3] }, {
		fd .. " data hello", fd .. " data up", fd .. " data end",
	})
	check.ok("the largest", events[4][3] == fd .. " data " .. large)
	socket.write(id, "\0\5hel")
	socket.close(id)
	check.eq("what was broken off is dropped", wait_for(events, 6)[3], fd .. " close")
	check.eq("nothing else", #events, 6)
end

function case.long_header()
	local events, socket = watch()
	local gate, port = launch("L", self(), 0, 10)
	local id, fd = client(port, events)
	tell(gate, "start %d", fd)
	local long = ("y"):rep(70000)
	socket.write(id, (">s4s4"):pack(long, "short"))
	wait_for(events, 3)
	check.ok("a long frame", events[2][3] == fd .. " data " .. long)
	check.eq("and one behind it", events[3][3], fd .. " data short")
	socket.write(id, "\1\0\0\0abc")
	socket.write(id, "more of it")
	check.eq("too long", wait_for(events, 4)[3], fd .. " close")
	check.eq("it is closed", socket.read(id, 1), false)
end

function case.most_connections()
	local events, socket = watch()
	local gate, port = launch("S", self(), 0, 2)
	local first, fd = client(port, events)
	client(port, events)
	local third = assert(socket.open("127.0.0.1", port))
	check.eq("the third is closed", socket.read(third, 1), false)
	check.eq("and nobody hears of it", #events, 2)
	tell(gate, "kick %d", fd)
	wait_for(events, 3)
	check.eq("there is room again", socket.read(first, 1), false)
	client(port, events)
end

-- A client that was kicked and does not take its output keeps its place until it has gone.
function case.kicked_and_deaf()
	local events, socket = watch()
	local gate, port = launch("S", self(), 0, 2)
	skynet.register_protocol { name = "client", id = CLIENT, pack = function(...) return ... end }
	local a, fd = client(port, events)
	socket.pause(a)
	tell(gate, "start %d", fd) -- what is written to it before is lost
	local driver = require "skynet.socketdriver"
	skynet.send(gate, "client", driver.str2p(("z"):rep(32 << 20) .. ("<i4"):pack(fd)))
	tell(gate, "kick %d", fd)
	wait_for(events, 2)
	client(port, events)
	local c = assert(socket.open("127.0.0.1", port))
	check.eq("there is one place, and no second one", { socket.read(c, 1) }, { false, "" })
	socket.close(c)
	check.eq("it takes all", #socket.readall(a), 32 << 20)
	check.ok("then there is", check.wait(function()
		local before = #events
		local id = socket.open("127.0.0.1", port)
		skynet.sleep(2)
		local served = #events > before
		socket.close(id)
		return served
	end))
end

function case.output()
	local events, socket = watch()
	local gate, port = launch("S", self(), 0, 10)
	local id, fd = client(port, events)
	local driver = require "skynet.socketdriver"
	skynet.register_protocol { name = "client", id = CLIENT, pack = function(...) return ... end }
	tell(gate, "start %d", fd)
	skynet.send(gate, "client", "as it is" .. ("<i4"):pack(fd))
	check.eq("without a length", socket.read(id, 8), "as it is")
	skynet.send(gate, "client", driver.str2p(("z"):rep(100000) .. ("<i4"):pack(fd)))
	check.eq("a lot", #socket.read(id, 100000), 100000)
	skynet.send(gate, "client", "abc")
	skynet.send(gate, "client", ("<i4"):pack(fd))
	skynet.send(gate, "client", "to nobody" .. ("<i4"):pack(-2))
	skynet.send(gate, "client", "!" .. ("<i4"):pack(fd))
	check.eq("and on", socket.read(id, 1), "!")
	print("SELF " .. string.format("%x", skynet.self()))
end

-- No descriptor is left for a connection that comes in.
function case.starved()
	local events, socket = watch()
	local gate, port = launch("S", self(), 0, 10)
	client(port, events)
	local pid = io.open "/proc/self/stat":read "n"
	check.ok("the limit is lowered", os.execute(("prlimit --pid %d --nofile=200:"):format(pid)))
	local files = {}
	repeat
		local file = io.open "/dev/null"
		files[#files + 1] = file
	until not file
	files[1]:close()
	local id = assert(socket.open("127.0.0.1", port))
	skynet.sleep(20)
	check.eq("it waits", #events, 1)
	socket.write(id, "\0\5hello")
	for i = 2, #files do
		files[i]:close()
	end
	local event = wait_for(events, 2)
	check.eq("and is accepted", event[3]:match "^%d+ (%a+) ", "open")
	tell(gate, "start %d", tonumber(event[3]:match "^%d+"))
	check.eq("nothing is lost", wait_for(events, 3)[3]:match "data hello$", "data hello")
end

function case.close()
	local events, socket, pair = watch()
	local gate, port = launch("S", self(), 0, 10)
	local id, fd = client(port, events)
	tell(gate, "start %d", fd)
	tell(gate, "close")
	tell(gate, "close")
	check.ok("nobody listens", check.wait(function()
		local other = socket.open("127.0.0.1", port)
		if other then socket.close(other) end
		return not other
	end))
	socket.write(id, "\0\5hello")
	check.ok("its connections stay", check.wait(function()
		return events[#events][3] == fd .. " data hello"
	end))
	skynet.kill(gate)
	check.eq("until it ends", socket.read(id, 1), false)
	check.ok("nothing is left behind", pair and check.wait(function()
		for _, info in ipairs(socket.netstat()) do
			if info.address == gate then return false end
		end
		return true
	end))
end

function case.no_watchdog()
	local _, socket = watch()
	local agent = check.spawn("agent", CLIENT)
	local gate, port = launch("S", "!", 0, 10)
	local id = assert(socket.open("127.0.0.1", port))
	-- Nobody is told, so the number has to be found: the connections that the gate has started are listed.
	local function started()
		for _, info in ipairs(socket.netstat()) do
			if info.address == gate and info.type == "TCP" then return info end
		end
		for fd = id - 4, id + 4 do
			tell(gate, "start %d", fd)
		end
	end
	check.ok("it can be started", check.wait(started))
	socket.write(id, "\0\4lost")
	check.ok("it is read", check.wait(function() return started().read == 6 end))
	skynet.sleep(2)
	tell(gate, "broker %s", skynet.address(agent))
	socket.write(id, "\0\4kept")
	check.ok("it works", check.wait(function()
		local list = skynet.call(agent, "lua", "list")
		return #list > 0 and list[#list][3] == "kept"
	end))
	check.eq("who has nobody to go to is lost", #skynet.call(agent, "lua", "list"), 1)
end

function case.refused()
	local _, _, pair = watch()
	local port = pair.server(function() end)
	for _, args in ipairs {
		"", "S", "S !", "S ! 8001", "S ! 8001 x 4", "S ! 8001 0 0", "S ! 8001 0 -1", "X ! 8001 0 1",
		"S .nobody 8001 0 1", "S ! nowhere 0 1", "S ! :x 0 1", "S ! 127.0.0.1:" .. port .. " 0 1",
		"S ! 256.256.256.256:8001 0 1",
	} do
		check.eq("gate " .. args, skynet.launch("gate", args), nil)
	end
end

-- For peers outside: says what happens, and ends by the word `stop`.
function case.outside()
	local events = watch()
	local gate, port = launch("S", self(), 0, 100)
	print("PORT " .. port)
	io.stdout:flush()
	local seen = 0
	while true do
		check.wait(function() return #events > seen end)
		seen = seen + 1
		local fd, what, data = events[seen][3]:match "^(%d+) (%a+) ?(.*)$"
		print("EVENT " .. what .. " " .. #data .. " " .. data:sub(1, 20))
		io.stdout:flush()
		if what == "open" then
			tell(gate, "start %d", tonumber(fd))
		elseif data == "stop" then
			return check.ok("stopped", true)
		end
	end
end

return check.main(role, case, ...)
