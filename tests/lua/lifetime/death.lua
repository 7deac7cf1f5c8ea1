-- Birth and death of services, seen by those who talk to them.
local skynet = require "skynet"
local core = require "skynet.core"
local check = require "check"

local role, case = {}, {}

-- Runs f as a coroutine of its own; the returned function gives its pcall results once it has ended.
local function begin(f, ...)
	local args, result = table.pack(...), nil
	skynet.fork(function()
		result = table.pack(pcall(f, table.unpack(args, 1, args.n)))
	end)
	skynet.yield()
	return function()
		check.wait(function() return result end)
		return result
	end
end

local function check_failed(name, outcome)
	local result = outcome()
	check.eq(name, result and result[1], false)
	check.ok(name .. ": call failed", result and tostring(result[2]):find("call failed", 1, true), result and result[2])
end

function role.server()
	local kept = {}
	local closed = 0
	local method = {}
	function method.echo(...)
		skynet.retpack(...)
	end
	function method.wait()
		local _ <close> = setmetatable({}, { __close = function() closed = closed + 1 end })
		skynet.wait {}
	end
	function method.sleep(ticks)
		skynet.sleep(ticks)
		skynet.retpack "slept"
	end
	function method.keep()
		kept[#kept + 1] = skynet.response()
	end
	function method.drop()
		skynet.response()
		collectgarbage()
		collectgarbage()
	end
	function method.forget()
	end
	function method.call(to, ...)
		skynet.retpack(skynet.call(to, "lua", ...))
	end
	function method.exit()
		skynet.exit()
	end
	function method.exit_after_answer()
		skynet.retpack "answer"
		skynet.exit()
	end
	function method.kill_self()
		skynet.kill(skynet.self())
		skynet.retpack "answered after death"
	end
	function method.fork_and_exit()
		skynet.fork(function()
			skynet.setenv("fork_after_exit", "ran")
		end)
		skynet.exit()
	end
	function method.block(seconds)
		local ends = skynet.hpc() + seconds * 1e9
		while skynet.hpc() < ends do
		end
		skynet.retpack "done"
	end
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, name, ...)
			method[name](...)
		end)
	end)
end

function case.exit_answers_everybody()
	local to = check.spawn "server"
	local waiting = begin(skynet.call, to, "lua", "wait")
	local sleeping = begin(skynet.call, to, "lua", "sleep", 100000)
	local kept = begin(skynet.call, to, "lua", "keep")
	local kept_as_well = begin(skynet.call, to, "lua", "keep")
	local forgotten = begin(skynet.call, to, "lua", "forget")
	skynet.call(to, "lua", "echo")
	check_failed("the exiting request", begin(skynet.call, to, "lua", "exit"))
	check_failed("a waiting handler", waiting)
	check_failed("a sleeping handler", sleeping)
	check_failed("an open response", kept)
	check_failed("another", kept_as_well)
	check_failed("a forgotten one", forgotten)
	check.ok("dead", check.dead(to))
end

function case.kill_answers_everybody()
	local to = check.spawn "server"
	local waiting = begin(skynet.call, to, "lua", "wait")
	local sleeping = begin(skynet.call, to, "lua", "sleep", 100000)
	local kept = begin(skynet.call, to, "lua", "keep")
	local forgotten = begin(skynet.call, to, "lua", "forget")
	local other = check.spawn "server"
	local nested = begin(skynet.call, other, "lua", "call", to, "wait")
	skynet.call(to, "lua", "echo")
	skynet.call(other, "lua", "echo")
	skynet.call(to, "lua", "echo")
	skynet.kill(to)
	check_failed("a waiting handler", waiting)
	check_failed("a sleeping handler", sleeping)
	check_failed("an open response", kept)
	check_failed("a forgotten one", forgotten)
	check_failed("a call of another service", nested)
	check.eq("that one lives", skynet.call(other, "lua", "echo", 1), 1)
	check.ok("dead", check.dead(to))
end

-- Queued behind a message that takes long: each is dropped, with an error to its sender.
function case.kill_with_queued_requests()
	local to = check.spawn "server"
	local blocking = begin(skynet.call, to, "lua", "block", 0.3)
	local queued = {}
	for i = 1, 200 do
		queued[i] = begin(skynet.call, to, "lua", "wait", i)
	end
	skynet.kill(to)
	for i = 1, 200 do
		local result = queued[i]()
		if not result or result[1] then
			check.ok("request " .. i .. " fails", false, check.show(result))
		end
	end
	check.ok("all queued requests failed", true)
	local result = blocking()
	check.ok("the running one is answered or fails", result and (result[1] == false or result[2] == "done"), check.show(result))
	check.ok("dead", check.dead(to))
end

-- A dropped send tells its sender that the service is dead, which ends its other calls.
function case.queued_send_to_the_dead()
	local to = check.spawn "server"
	local waiting = begin(skynet.call, to, "lua", "wait")
	skynet.call(to, "lua", "echo")
	begin(skynet.call, to, "lua", "block", 0.2)
	skynet.send(to, "lua", "echo")
	skynet.kill(to)
	check_failed("the call that was dispatched", waiting)
end

function case.exit_with_own_calls()
	local slow, exiting = check.spawn "server", check.spawn "server"
	begin(skynet.call, exiting, "lua", "call", slow, "sleep", 5)
	skynet.call(exiting, "lua", "echo")
	skynet.call(slow, "lua", "echo")
	check_failed("exit", begin(skynet.call, exiting, "lua", "exit"))
	skynet.sleep(10)
	check.eq("the late ret harms nothing", skynet.call(slow, "lua", "echo", 1), 1)
end

function case.exit_after_answer()
	local to = check.spawn "server"
	check.eq("the answer counts", skynet.call(to, "lua", "exit_after_answer"), "answer")
	check.ok("dead", check.wait(function() return check.dead(to) end))
end

function case.kill_self()
	local to = check.spawn "server"
	local result = begin(skynet.call, to, "lua", "kill_self")()
	check.ok("answered or failed", result and (result[1] == false or result[2] == "answered after death"), check.show(result))
	check.ok("dead", check.wait(function() return check.dead(to) end))
end

function case.fork_and_exit()
	local to = check.spawn "server"
	check_failed("exit", begin(skynet.call, to, "lua", "fork_and_exit"))
	skynet.sleep(5)
	check.eq("the fork never ran", skynet.getenv "fork_after_exit", nil)
end

function case.collected_response()
	local to = check.spawn "server"
	check_failed("a response closure that nobody keeps", begin(skynet.call, to, "lua", "drop"))
	check.eq("the service lives", skynet.call(to, "lua", "echo", 1), 1)
end

-- The watched death of a whole chain: a calls b calls c, and c dies.
function case.chain()
	local a, b, c = check.spawn "server", check.spawn "server", check.spawn "server"
	local through = begin(skynet.call, a, "lua", "call", b, "call", c, "wait")
	skynet.call(a, "lua", "echo")
	skynet.call(b, "lua", "echo")
	skynet.call(c, "lua", "echo")
	skynet.kill(c)
	check_failed("the error comes through", through)
	check.eq("the others live", { skynet.call(a, "lua", "echo", 1), skynet.call(b, "lua", "echo", 2) }, { 1, 2 })
end

-- Retired at once: names and handle are gone when kill returns.
function case.retired_at_once()
	local to = check.spawn "server"
	skynet.name(".victim", to)
	skynet.kill(to)
	check.eq("name", skynet.localname ".victim", nil)
	check.eq("send", skynet.send(to, "lua", "echo"), nil)
	check.fails("call", "call to invalid address", skynet.call, to, "lua", "echo")
end

function case.handles_are_not_reused()
	local seen = {}
	for _ = 1, 500 do
		local handle = check.launch "quick"
		check.ok("new handle", handle and not seen[handle], handle)
		if seen[handle] then
			break
		end
		seen[handle] = true
		skynet.kill(handle)
	end
	check.eq("old handles are dead", skynet.send(next(seen), "lua"), nil)
end

function role.quick()
	skynet.start(function() end)
end

-- Closing order of an exit: waiting coroutines first, the exiting one last, no forks.
function role.closing()
	local function closer(text)
		return setmetatable({}, { __close = function() skynet.error("closed: " .. text) end })
	end
	skynet.start(function()
		for i = 1, 2 do
			skynet.fork(function()
				local _ <close> = closer("waiting " .. i)
				skynet.wait {}
			end)
		end
		skynet.fork(function()
			local _ <close> = closer "sleeping"
			skynet.sleep(100000)
		end)
		skynet.dispatch("lua", function(_, _, what)
			if what == "wait" then
				local _ <close> = closer "handler"
				skynet.wait {}
			end
			local _ <close> = closer "exiting"
			setmetatable({}, { __gc = function() check.emit "finalizer ran" end })
			skynet.fork(skynet.error, "fork ran")
			skynet.exit()
		end)
	end)
end

function case.closing_order()
	local to = check.spawn "closing"
	local handler = begin(skynet.call, to, "lua", "wait")
	check_failed("exit", begin(skynet.call, to, "lua", "exit"))
	check_failed("the handler", handler)
	check.ok("dead", check.wait(function() return check.dead(to) end))
	skynet.sleep(5)
end

-- A killed service runs nothing more of its own, but its state is closed.
function role.finalized()
	keep = setmetatable({}, { __gc = function() check.emit "finalizer of the killed ran" end })
	skynet.start(function() end)
end

function case.kill_runs_finalizers()
	local to = check.spawn "finalized"
	skynet.kill(to)
	check.ok("dead", check.dead(to))
	skynet.sleep(10)
end

function case.exit_in_a_fork_and_a_timeout()
	for _, how in ipairs { "fork", "timeout", "start" } do
		local to = check.launch("exits", how)
		check.ok(how, check.wait(function() return check.dead(to) end))
	end
end

function role.exits(how)
	skynet.start(function()
		if how == "fork" then
			skynet.fork(skynet.exit)
		elseif how == "timeout" then
			skynet.timeout(1, skynet.exit)
		else
			skynet.exit()
			skynet.error "unreachable"
		end
	end)
end

-- Everything that has begun when a service without a dispatcher gets messages: freed without an answer.
function role.mute()
	return
end

function case.never_started()
	local to = check.launch "mute"
	for _ = 1, 10 do
		check.ok("accepts", core.send(to, 20, 0, ("x"):rep(1000)))
	end
	check.fails("a request fails", "call failed", skynet.call, to, "lua")
	skynet.kill(to)
	check.ok("can be killed", core.send(to, 20, 0, "x") == nil)
end

function case.exit_monitor_redirects()
	local monitor = skynet.monitor "api/watcher"
	local to = check.spawn "server"
	skynet.call(monitor, "lua", "watch", to, skynet.self())
	local waiting = begin(skynet.call, to, "lua", "wait")
	skynet.kill(to)
	check_failed("told through the monitor", waiting)
end

function case.monitor_hears_of_failed_launches()
	local monitor = skynet.monitor "api/watcher"
	check.fails("no such service", "call failed", skynet.newservice, "no_such_service")
	check.ok("told", check.wait(function() return next(skynet.call(monitor, "lua", "seen")) end))
end

return check.main(role, case, ...)
