-- Services written in C, and a C module that uses their functions. The libraries are in the node's folder.
local skynet = require "skynet"
require "skynet.manager"
local core = require "skynet.core"
local check = require "check"

skynet.register_protocol {
	name = "text",
	id = skynet.PTYPE_TEXT,
	pack = function(text)
		return text
	end,
	unpack = core.tostring,
}

local role, case = {}, {}

local function ask(probe, text)
	return skynet.call(probe, "text", text)
end

-- Answers texts.
function role.echo()
	skynet.dispatch("text", function(_, _, text)
		if text == "question" then
			skynet.ret "the answer"
		else
			skynet.ret("got " .. text)
		end
	end)
	skynet.start(function() end)
end

function case.life()
	local probe = skynet.launch("probe", "one", "two")
	check.eq("a handle", math.type(probe), "integer")
	check.eq("asked", ask(probe, "echo hello"), "hello")
	check.eq("another instance", ask(skynet.launch "probe", "echo again"), "again")
	check.eq("killed", ask(probe, "command KILL " .. skynet.address(probe)), "NULL")
	check.ok("gone", check.dead(probe))
	check.eq("failing init", skynet.launch("probe", "fail"), nil)
	check.eq("no instance", skynet.launch "null", nil)
	check.eq("no init", skynet.launch "noinit", nil)
	check.eq("no library", skynet.launch "broken", nil)
	check.eq("no file", skynet.launch "absent", nil)
	check.eq("dotted", math.type(skynet.launch("some.plain", "x")), "integer")
	-- Through the launcher, as any service that does not report back would be.
	check.eq("by command", core.command("LAUNCH", "probe three"):match "^:%x+$" ~= nil, true)
	skynet.sleep(1)
end

function case.messages()
	local probe = skynet.launch "probe"
	for _, size in ipairs { 0, 1, 11, 12, 100, 70000 } do
		local text = ("x"):rep(size)
		check.eq("echo of " .. size, ask(probe, "echo " .. text), text)
	end
	check.eq("a block by malloc", ask(probe, "give"), ("g"):rep(1000))
	for _, text in ipairs { "keep", "keep " .. ("k"):rep(500) } do
		check.eq("kept", ask(probe, text), "kept " .. #text)
		check.eq("and still there", ask(probe, "kept"), text)
	end
	local echo = check.spawn "echo"
	skynet.name(".echo", echo)
	check.eq("forwarded as it is", ask(probe, "forward .echo"), "answer got forward .echo")
	check.eq("to nobody", ask(probe, "forward .nobody"), "refused -1")
	check.eq("by name", ask(probe, "ask .echo"), "answer the answer")
	check.eq("by address", ask(probe, "ask " .. skynet.address(echo)), "answer the answer")
	check.eq("by an unknown name", ask(probe, "ask .nobody"), "nobody")
	check.eq("timer", ask(probe, "timer 1"), "timer null 0")
	check.eq("timer at once", ask(probe, "timer 0"), "timer null 0")
	check.eq("a request that fails", ask(probe, "ask " .. skynet.address(check.spawn "leaver")), "error ")
end

-- Ends when it is asked.
function role.leaver()
	skynet.dispatch("text", function()
		skynet.exit()
	end)
	skynet.start(function() end)
end

function case.functions()
	local probe = skynet.launch "probe"
	check.eq("own handle", ask(probe, "command REG"), (":%x"):format(probe))
	check.eq("name", ask(probe, "command REG .probe"), "probe")
	check.eq("taken", ask(probe, "command REG .probe"), "NULL")
	check.eq("query", ask(probe, "command QUERY .probe"), (":%x"):format(probe))
	check.eq("no such command", ask(probe, "command NONSENSE x"), "NULL")
	check.eq("environment", ask(probe, "values"), skynet.getenv "thread" .. " 0 NULL")
	check.eq("launch", ask(probe, "command LAUNCH probe more"):match "^:%x%x%x%x%x%x%x%x$" ~= nil, true)
	check.eq("facts", ask(probe, "facts"), "1 5 0 1 1 1")
	check.eq("errors", ask(probe, "errors"), "done")
	check.eq("memory", ask(probe, "memory"), "fine")
	local got
	skynet.dispatch("text", function(session, source, text)
		got = { session, source == probe, text }
		skynet.ignoreret()
	end)
	check.eq("sends", ask(probe, "sends"), "1 -1 -1 -2 -1 9")
	check.eq("a message in its name", got, { 9, true, "hello" })
end

function case.signals()
	local probe = skynet.launch "probe"
	skynet.fork(function()
		core.command("SIGNAL", skynet.address(probe) .. " 3")
	end)
	check.eq("while it is busy", ask(probe, "spin"), "signal 3")
	skynet.kill(probe)
	core.command("SIGNAL", skynet.address(probe) .. " 3")
	check.ok("dead", check.dead(probe))
end

function case.without_callback()
	local probe = skynet.launch "probe"
	check.eq("deaf from now on", ask(probe, "deaf"), "deaf")
	check.fails("a request", "call failed", ask, probe, "echo x")
	skynet.send(probe, "text", "echo x")
	skynet.kill(probe)
end

function case.requests_in_the_queue_of_the_dead()
	local probe = skynet.launch "probe"
	local failed = 0
	for _ = 1, 3 do
		skynet.fork(function()
			if not pcall(ask, probe, "echo x") then
				failed = failed + 1
			end
		end)
	end
	skynet.fork(skynet.kill, probe)
	skynet.send(probe, "text", "nap") -- what follows stays in the queue
	while failed < 3 do
		skynet.sleep(1)
	end
	check.ok("all failed", true)
end

function case.lua_module()
	package.cpath = "./?.so"
	local module = require "ask"
	local got
	skynet.dispatch("text", function(_, source, text)
		got = { source == skynet.self(), text }
	end)
	check.eq("sent by the module", module.post(skynet.self(), "from C"), 0)
	skynet.sleep(0)
	check.eq("arrived", got, { true, "from C" })
	check.eq("to nobody", module.post(0xfffff0, "x"), -1)
	local echo = check.spawn "echo"
	check.eq("its block", skynet.tostring(skynet.rawcall(echo, "text", module.block "a block")), "got a block")
	module.take() -- a Lua service keeps its dispatcher
	check.eq("still here", ask(echo, "question"), "the answer")
end

function case.sockets()
	local socket = require "skynet.socket"
	local wire = skynet.launch "wire"
	local port = tonumber(ask(wire, "listen"))
	check.ok("its listener", port > 0, port)
	local id = assert(socket.open("127.0.0.1", port))
	socket.write(id, "to C")
	check.eq("its own block comes back", socket.read(id, 4), "to C")
	local large = ("x"):rep(1 << 20)
	socket.write(id, large)
	check.eq("as much as there is", socket.read(id, #large), large)
	socket.write(id, "low")
	check.eq("low priority, a copy", socket.read(id, 8), "firstlow")
	socket.write(id, "end")
	check.eq("it closes after what waits", socket.readall(id), "bye")
	socket.close(id)

	local accepted
	local listener, _, own = socket.listen("127.0.0.1", 0)
	socket.start(listener, function(new) accepted = new end)
	check.eq("it connects", ask(wire, "connect " .. own), "127.0.0.1")
	check.ok("accepted", check.wait(function() return accepted end))
	socket.start(accepted)
	check.eq("from C", socket.read(accepted, 6), "from C")
	socket.close(accepted)
	check.ok("it is told of the end", check.wait(function() return ask(wire, "ended") == "yes" end))

	-- A socket that Lua has accepted.
	accepted = nil
	id = assert(socket.open("127.0.0.1", own))
	check.ok("another one", check.wait(function() return accepted end))
	check.eq("taken", ask(wire, "take " .. accepted), "taken")
	socket.write(id, "hand over")
	check.eq("echo", socket.read(id, 9), "hand over")

	local got, from = {}
	local udp = tonumber(ask(wire, "udp"))
	check.ok("one of C", udp > 0)
	local free = require("pair").dead_port()
	check.ok("one that listens", tonumber(ask(wire, "udp_listen " .. free)) > 0)
	local dial = socket.udp_dial("127.0.0.1", free, function(data, address)
		got[#got + 1], from = data, address
	end)
	socket.write(dial, "ping")
	check.ok("answered to the address", check.wait(function() return #got == 1 end))
	check.eq("the answer", got[1], "ping")
	check.eq("from there", { socket.udp_address(from) }, { "127.0.0.1", free })
	check.eq("dial and connect", ask(wire, "udp_dial " .. free), "0")

	check.eq("what cannot be", ask(wire, "wrong"), "-1 -1 -1")
	check.eq("gone", ask(wire, "stale"), "-1 -1 -1")
	skynet.kill(wire)
	check.eq("its sockets end with it", { socket.readline(id) }, { false, "" })
	check.ok("its listener, too", check.wait(function() return not socket.open("127.0.0.1", port) end))
	socket.close(id)
end

function case.owner_of_a_connection()
	local socket = require "skynet.socket"
	check.eq("without a connection", skynet.launch "owner", nil)
	local owners = {}
	local listener, _, port = socket.listen("127.0.0.1", 0)
	socket.start(listener, function(new)
		if #owners == 1 then -- read here first
			socket.start(new)
			socket.abandon(new)
		end
		owners[#owners + 1] = assert(skynet.launch("owner", new))
	end)
	local ids = {}
	for i = 1, 3 do
		ids[i] = assert(socket.open("127.0.0.1", port))
		local line = "line of " .. i .. "\n"
		check.ok("it has an owner", check.wait(function() return owners[i] end))
		socket.write(ids[i], line)
		check.eq("which echoes", socket.read(ids[i], #line), line)
	end
	skynet.kill(owners[2])
	check.eq("and ends with its owner", { socket.read(ids[2], 1) }, { false, "" })
	socket.close(ids[1])
	-- A request to it would not be answered, nor fail when it ends: that is up to a service in C.
	check.ok("or the other way round", check.wait(function() return not skynet.send(owners[1], "text", "?") end))
	socket.write(ids[3], "!")
	check.eq("others go on", socket.read(ids[3], 1), "!")
	socket.close(ids[3])
end

return check.main(role, case, ...)
