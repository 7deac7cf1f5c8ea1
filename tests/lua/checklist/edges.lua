-- The edge cases of calls, launches and coroutines that were observed on skynet (C): one case for each.
local skynet = require "skynet"
local core = require "skynet.core"
local check = require "check"

local role, case = {}, {}

function role.server()
	local method = {}
	function method.echo(...) skynet.retpack(...) end
	function method.nothing() skynet.ret() end
	function method.forgets() end
	function method.text() error "a text" end
	function method.object() error { code = 1 } end
	function method.exit() skynet.exit() skynet.setenv("after_exit", "ran") end
	function method.hold() skynet.wait() end
	function method.burn(ns)
		local to = skynet.hpc() + ns
		repeat until skynet.hpc() > to
	end
	function method.fork_and_exit()
		skynet.fork(skynet.setenv, "fork_before_exit", "ran")
		skynet.exit()
	end
	skynet.dispatch("lua", function(_, _, name, ...) method[name](...) end)
	skynet.start(function() end)
end

local function failed(name, to, ...)
	check.fails(name, "call failed", skynet.call, to, "lua", ...)
end

function case.a_dead_handle()
	check.fails("its number is named", "call to invalid address :00123456", skynet.call, 0x123456, "lua")
end

function case.a_handle_as_text()
	local to = check.spawn "server"
	check.eq("it works", skynet.call((":%x"):format(to), "lua", "echo", 1), 1)
end

function case.handle_0()
	check.fails("it is refused", "Invalid service address 0", skynet.call, 0, "lua")
end

function case.a_callee_that_raises()
	local to = check.spawn "server"
	failed("a text", to, "text")
	failed("another object", to, "object")
	check.eq("it lives on", skynet.call(to, "lua", "echo", 1), 1)
end

function case.a_callee_that_exits()
	local to = check.spawn "server"
	failed("it has no answer", to, "exit")
	check.ok("it is gone", check.wait(function() return check.dead(to) end))
	check.eq("nothing comes after exit", skynet.getenv "after_exit", nil)
end

function case.a_callee_that_is_killed()
	local to = check.spawn "server"
	local results = {}
	local function call(i, ...)
		skynet.fork(function(...) results[i] = select("#", pcall(skynet.call, to, "lua", ...)) > 0 end, ...)
	end
	call(1, "hold")
	skynet.sleep(2)
	skynet.send(to, "lua", "burn", 50000000)
	call(2, "echo") -- in the mailbox when it dies
	skynet.yield()
	skynet.kill(to)
	check.ok("both have ended", check.wait(function() return results[1] and results[2] end))
end

function case.a_send_in_the_mailbox_of_the_dead()
	local to = check.spawn "server"
	local err
	skynet.fork(function() err = select(2, pcall(skynet.call, to, "lua", "hold")) end)
	skynet.sleep(2)
	skynet.send(to, "lua", "burn", 50000000)
	skynet.send(to, "lua", "forgets")
	skynet.kill(to)
	check.ok("all calls to it fail", check.wait(function() return err end))
	check.ok("as always", tostring(err):find "call failed", err)
end

function case.a_callee_that_forgets()
	local to = check.spawn "server"
	local done
	skynet.fork(function() done = pcall(skynet.call, to, "lua", "forgets") end)
	skynet.sleep(5)
	check.eq("the caller waits", done, nil)
end

function case.a_type_that_is_not_registered()
	local to = check.spawn "server"
	skynet.register_protocol { name = "strange", id = 77, pack = skynet.pack, unpack = skynet.unpack }
	check.fails("it fails", "call failed", skynet.call, to, "strange")
end

function case.a_stray_answer()
	local to = check.spawn "server"
	core.send(to, skynet.PTYPE_RESPONSE, 12345, skynet.packstring "stray")
	check.eq("it does no harm", skynet.call(to, "lua", "echo", 1), 1)
end

function role.fails_in_start() skynet.start(function() error "in start" end) end
function role.fails_in_chunk() error "in the chunk" end

function case.services_that_do_not_start()
	check.fails("no file", "call failed", skynet.newservice, "no_such_file")
	check.fails("error in the main chunk", "call failed", check.spawn, "fails_in_chunk")
	check.fails("error in the start function", "call failed", check.spawn, "fails_in_start")
end

function case.an_answer_without_values()
	check.returns("no values", {}, skynet.call, check.spawn "server", "lua", "nothing")
end

function case.fork_and_exit()
	failed("it exits", check.spawn "server", "fork_and_exit")
	skynet.sleep(3)
	check.eq("the fork never ran", skynet.getenv "fork_before_exit", nil)
end

function case.wakeup_twice()
	local wakes = 0
	local co = skynet.fork(function()
		skynet.wait()
		wakes = wakes + 1
		check.eq("no second one", skynet.sleep(3), nil)
		wakes = wakes + 1
	end)
	skynet.yield()
	check.eq("the first", skynet.wakeup(co), true)
	check.eq("the second", skynet.wakeup(co), true)
	skynet.yield()
	check.eq("woken once", wakes, 1)
	skynet.sleep(6)
	check.eq("then at its own time", wakes, 2)
end

-- A file run in the launcher exchanges two of its commands.
function case.patch_of_the_launcher()
	local ok = skynet.call(".launcher", "debug", "RUN", [[
		local command = _P.lua.command
		command.LIST, command.PATCHED = command.PATCHED, command.LIST
	]], "patch.lua")
	check.eq("it runs", ok, true)
	check.eq("under the other name", type(skynet.call(".launcher", "lua", "PATCHED")), "table")
	check.eq("not under its own", skynet.call(".launcher", "lua", "LIST"), { "Unknown command" })
end

return check.main(role, case, ...)
