-- Functions for a service as a whole.
local skynet = require "skynet"
local check = require "check"

local role, case = {}, {}

function role.echo(...)
	local args = table.pack(...)
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, what, ...)
			if what == "args" then
				skynet.retpack(table.unpack(args, 1, args.n))
			else
				skynet.retpack(what, ...)
			end
		end)
	end)
end

function role.fails_in_start()
	skynet.start(function()
		error "start goes wrong"
	end)
end

function role.fails_in_chunk()
	error "chunk goes wrong"
end

function role.exits_in_start()
	skynet.start(function()
		skynet.exit()
	end)
end

function role.exits_in_chunk()
	skynet.exit()
end

function role.slow_start()
	skynet.start(function()
		skynet.sleep(10)
		skynet.setenv("slow_start_ended", "yes")
	end)
end

function role.calls_in_start(to)
	skynet.start(function()
		assert(skynet.call(tonumber(to), "lua", "ping") == "ping")
	end)
end

function role.asked_in_start()
	local state = "before the start function"
	skynet.dispatch("lua", function()
		skynet.retpack(state)
	end)
	skynet.start(function()
		state = "in the start function"
		skynet.sleep(1000000)
	end)
end

function case.newservice()
	local echo = check.spawn("echo", "a", 12, "c")
	check.eq("handle", math.type(echo), "integer")
	check.returns("arguments are strings", { "a", "12", "c" }, skynet.call, echo, "lua", "args")
	check.returns("no arguments", { n = 0 }, skynet.call, check.spawn "echo", "lua", "args")
	check.spawn "slow_start"
	check.eq("waits for the start function", skynet.getenv "slow_start_ended", "yes")
	check.ok("a start function may call", check.spawn("calls_in_start", echo))
	check.fails("missing file", "call failed", skynet.newservice, "no_such_service")
	check.fails("error in the start function", "call failed", check.spawn, "fails_in_start")
	check.fails("error in the main chunk", "call failed", check.spawn, "fails_in_chunk")
	check.returns("exit in the start function", { nil, n = 1 }, function()
		local handle = check.spawn "exits_in_start"
		return handle
	end)
	check.eq("exit in the main chunk", check.spawn "exits_in_chunk", nil)
	check.fails("no values", "", skynet.newservice, SERVICE_NAME, {})
end

function case.uniqueservice()
	check.eq("nobody knows it yet", skynet.localname ".unique_thing", nil)
	local a = skynet.uniqueservice("api/unique", "first")
	check.eq("same handle", skynet.uniqueservice("api/unique", "second"), a)
	check.eq("arguments of the first", skynet.call(a, "lua", "argument"), "first")
	check.eq("query", skynet.queryservice "api/unique", a)
	local g = skynet.uniqueservice(true, "api/unique", "global")
	check.ok("the global one is another", g ~= a)
	check.eq("global again", skynet.uniqueservice(true, "api/unique"), g)
	check.eq("global query", skynet.queryservice(true, "api/unique"), g)
	check.fails("failure is told", "", skynet.uniqueservice, "no_such_service")
	check.fails("and kept", "", skynet.uniqueservice, "no_such_service")
	check.fails("also for queries", "", skynet.queryservice, "no_such_service")
	local listed = skynet.call(".service", "lua", "LIST")
	check.eq("listed", listed["api/unique"], skynet.address(a))
	check.eq("global listed", listed["@api/unique"], skynet.address(g))
	local ok, err = pcall(skynet.call, ".service", "lua", "NOSUCH")
	check.eq("unknown command answers", { ok, select(2, skynet.call(".service", "lua", "NOSUCH")) }, { true, "Invalid command NOSUCH" })
	check.eq("with nil", err, nil)
end

function case.uniqueservice_waiting()
	local results = {}
	for i = 1, 3 do
		skynet.fork(function()
			local handle = skynet.queryservice "api/unique"
			results[#results + 1] = handle
		end)
	end
	skynet.sleep(2)
	check.eq("queries wait", #results, 0)
	for i = 1, 3 do
		skynet.fork(function()
			local handle = skynet.uniqueservice "api/unique"
			results[#results + 1] = handle
		end)
	end
	check.ok("all are answered", check.wait(function() return #results == 6 end))
	for i = 2, 6 do
		check.eq("the same " .. i, results[i], results[1])
	end
end

function case.start_order()
	local handle = check.launch "asked_in_start"
	check.ok("messages are handled while the start function waits", check.wait(function()
		return skynet.call(handle, "lua") == "in the start function"
	end))
end

function case.identity()
	check.eq("self", math.type(skynet.self()), "integer")
	check.eq("address of a number", skynet.address(0x1a), ":0000001a")
	check.eq("address of a string", skynet.address ".name", ".name")
	check.returns("harbor", { 0, false }, skynet.harbor, skynet.self())
	check.eq("localname of nobody", skynet.localname ".nobody", nil)
	skynet.register ".me"
	check.eq("localname", skynet.localname ".me", skynet.self())
	check.eq("launcher", skynet.localname ".launcher", 3)
	check.eq("service name", SERVICE_NAME, "api/service")
end

function case.env()
	check.eq("a key of the config", skynet.getenv "start", "api/service")
	check.returns("an unknown key", { n = 1 }, skynet.getenv, "no_such_key")
	skynet.setenv("new_key", "value")
	check.eq("set", skynet.getenv "new_key", "value")
	check.fails("set again", "Can't setenv exist key : new_key", skynet.setenv, "new_key", "other")
	check.eq("unchanged", skynet.getenv "new_key", "value")
	skynet.setenv("number_key", 12)
	check.eq("numbers become text", skynet.getenv "number_key", "12")
	skynet.setenv("empty_key", "")
	check.eq("empty", skynet.getenv "empty_key", "")
	skynet.setenv("spaced_key", "a b  c ")
	check.eq("blanks survive", skynet.getenv "spaced_key", "a b  c ")
	local echo = check.spawn "sees_env"
	check.eq("the node shares it", skynet.call(echo, "lua"), "value")
end

function role.sees_env()
	skynet.start(function()
		skynet.dispatch("lua", function()
			skynet.retpack(skynet.getenv "new_key")
		end)
	end)
end

function case.stat()
	check.eq("mqlen", skynet.mqlen(), 0)
	skynet.send(skynet.self(), "lua")
	skynet.send(skynet.self(), "lua")
	check.eq("two wait", skynet.mqlen(), 2)
	check.eq("stat mqlen", skynet.stat "mqlen", 2)
	check.eq("message", math.type(skynet.stat "message"), "integer")
	local before = skynet.stat "message"
	skynet.dispatch("lua", function() end)
	skynet.yield()
	check.ok("messages are counted", skynet.stat "message" >= before + 3, skynet.stat "message")
	check.ok("cpu", type(skynet.stat "cpu") == "number" and skynet.stat "cpu" >= 0)
	local x = 0
	for i = 1, 3000000 do
		x = x + i
	end
	check.ok("time of the current message", skynet.stat "time" > 0, skynet.stat "time")
	check.eq("endless", skynet.stat "endless", 0)
	check.eq("endless()", skynet.endless(), false)
	check.eq("unknown", skynet.stat "nosuch", 0)
end

function case.profile_off()
	local x = 0
	for i = 1, 3000000 do
		x = x + i
	end
	check.ok("no time", skynet.stat "time" == 0, skynet.stat "time")
	check.eq("config", skynet.getenv "profile", "false")
end

function role.info()
	skynet.start(function()
		skynet.info_func(function(...)
			return "info", ...
		end)
	end)
end

function case.debug_protocol()
	local echo, info = check.spawn "echo", check.spawn "info"
	local function debug(to, ...)
		return skynet.call(to, "debug", ...)
	end
	check.returns("INFO", { { "info", 1, "x" } }, function()
		return { debug(info, "INFO", 1, "x") }
	end)
	check.eq("INFO without function", debug(echo, "INFO"), nil)
	check.returns("PING", { n = 0 }, debug, echo, "PING")
	check.ok("MEM", debug(echo, "MEM") > 1)
	local stat = debug(echo, "STAT")
	check.eq("STAT", { type(stat.task), type(stat.mqlen), type(stat.cpu), type(stat.message) },
		{ "number", "number", "number", "number" })
	check.eq("TASK", debug(echo, "TASK"), {})
	check.eq("UNIQTASK", debug(echo, "UNIQTASK"), {})
	check.eq("SUPPORT", { debug(echo, "SUPPORT", "lua"), debug(echo, "SUPPORT", "response") }, { true, false })
	check.returns("KILLTASK", { "Not found" }, debug, echo, "KILLTASK", "x")
	check.returns("RUN", { true, "hello\tworld" }, debug, echo, "RUN", "print('hello', ...)", "file", "world")
	check.eq("RUN with a syntax error", (debug(echo, "RUN", "x x", "file")), false)
	check.eq("RUN with an error", (debug(echo, "RUN", "error 'x'", "file")), false)
	check.fails("unknown command", "call failed", debug, echo, "NOSUCH")
	check.returns("TRACELOG", { n = 0 }, debug, echo, "TRACELOG", "lua", true)
	skynet.send(echo, "debug", "GC")
	check.returns("after GC", { n = 0 }, debug, echo, "PING")
	local linked
	skynet.fork(function()
		linked = { pcall(debug, echo, "LINK") }
	end)
	skynet.sleep(2)
	check.eq("LINK does not answer", linked, nil)
	check.fails("EXIT", "call failed", debug, echo, "EXIT")
	check.ok("LINK fails then", check.wait(function() return linked end))
	check.eq("with an error", linked[1], false)
	check.ok("gone", check.dead(echo))
end

function role.custom_debug()
	local reg = require "skynet.debug".reg_debugcmd
	reg("HELLO", function(name)
		skynet.ret(skynet.pack("hello " .. name))
	end)
	check.serve {}
end

function case.own_debug_command()
	check.eq("answers", skynet.call(check.spawn "custom_debug", "debug", "HELLO", "you"), "hello you")
end

-- Waits in its request to the given address, under the spelling that the test chooses.
function case.term()
	local echo = check.spawn "stuck"
	local function stuck(address)
		local result
		skynet.fork(function()
			result = table.pack(pcall(skynet.call, address, "lua"))
		end)
		skynet.yield()
		return function()
			return result
		end
	end
	local by_number, by_text = stuck(echo), stuck(skynet.address(echo))
	skynet.term(echo)
	skynet.yield()
	check.eq("the call by number fails", by_number() and by_number()[1], false)
	check.eq("the one by text does not", by_text(), nil)
	skynet.term(skynet.address(echo))
	skynet.yield()
	check.eq("now it does", by_text() and by_text()[1], false)
	check.ok("call failed", tostring(by_text()[2]):find("call failed", 1, true))
end

function role.stuck()
	skynet.start(function()
		skynet.dispatch("lua", function()
			skynet.wait {}
		end)
	end)
end

function case.unknown_global_name()
	local result
	skynet.fork(function()
		result = table.pack(pcall(skynet.call, "NOBODY", "lua"))
	end)
	skynet.sleep(5)
	check.eq("the call waits", result, nil)
	skynet.term "NOBODY"
	check.ok("until it is ended", check.wait(function() return result end))
	check.eq("by an error", result[1], false)
end

-- What is taken moments later is not reported, what nobody takes is, once.
function case.awaited_global_names()
	local got
	skynet.dispatch("lua", function(_, _, what)
		got = what
	end)
	skynet.send("TAKEN", "lua", "sent before")
	skynet.register "TAKEN"
	skynet.send("FORGOTTEN", "lua")
	skynet.send("FORGOTTEN", "lua")
	skynet.sleep(1)
	check.eq("it arrives", got, "sent before")
	skynet.sleep(700)
end

function role.limited()
	skynet.memlimit(64 * 1024 * 1024)
	local again = tostring(skynet.memlimit)
	skynet.start(function()
		skynet.dispatch("lua", function()
			skynet.retpack(again)
		end)
	end)
end

function case.memlimit_only_once()
	check.eq("it removes itself", skynet.call(check.spawn "limited", "lua"), "nil")
end

function case.queries_of_harbor()
	local harbor = require "skynet.harbor"
	harbor.globalname("THING", skynet.self())
	skynet.dispatch("lua", function(_, _, x)
		skynet.retpack(x)
	end)
	check.eq("queryname", harbor.queryname "THING", skynet.self())
	check.eq("a local one", harbor.queryname ".launcher", 3)
	check.eq("call by a global name", skynet.call("THING", "lua", 7), 7)
end

return check.main(role, case, ...)
