-- Functions that are used where one does not expect them: inside coroutines, finalizers, metamethods, closing.
local skynet = require "skynet"
local co = require "skynet.coroutine"
local check = require "check"

local role, case = {}, {}

local answer = {}

function answer.in_a_plain_coroutine()
	coroutine.wrap(function() skynet.retpack "answer" end)()
end

function answer.in_a_skynet_coroutine()
	co.wrap(function() skynet.retpack "answer" end)()
end

function answer.in_both()
	co.wrap(function() coroutine.wrap(function() skynet.retpack "answer" end)() end)()
end

function answer.in_a_metamethod()
	return setmetatable({}, { __index = function() skynet.retpack "answer" end }).x
end

function answer.in_close()
	local _ <close> = setmetatable({}, { __close = function() skynet.retpack "answer" end })
end

function answer.in_sort()
	local done
	table.sort({ 2, 1 }, function(a, b)
		if not done then
			skynet.retpack "answer"
			done = true
		end
		return a < b
	end)
end

function answer.in_gsub()
	return (("x"):gsub("x", function() skynet.retpack "answer" end))
end

function answer.by_a_response_in_a_fork()
	skynet.fork(skynet.response(), true, "answer")
end

function answer.by_a_response_in_a_finalizer()
	local response = skynet.response()
	setmetatable({}, { __gc = function() response(true, "answer") end })
	skynet.fork(function()
		collectgarbage()
		collectgarbage()
	end)
end

function answer.by_a_response_in_another_coroutine()
	local response = skynet.response()
	skynet.timeout(1, function()
		co.wrap(response)(true, "answer")
	end)
end

function answer.after_a_wait_in_a_plain_coroutine()
	coroutine.wrap(function()
		skynet.sleep(1)
		skynet.retpack "answer"
	end)()
end

function answer.from_load()
	load [[require "skynet".retpack "answer"]]()
end

function answer.through_pcall_and_xpcall()
	pcall(xpcall, function() skynet.retpack "answer" end, debug.traceback)
end

function answer.with_a_hook()
	debug.sethook(function() end, "l")
	skynet.sleep(0)
	debug.sethook()
	skynet.retpack "answer"
end

function role.answering()
	skynet.dispatch("lua", function(_, _, name)
		answer[name]()
	end)
	skynet.start(function() end)
end

function case.answers()
	local to = check.launch "answering"
	for name in pairs(answer) do
		check.returns(name, { "answer" }, skynet.call, to, "lua", name)
	end
end

local leave = {}

function leave.in_pcall()
	pcall(skynet.exit)
end

function leave.in_a_plain_coroutine()
	coroutine.wrap(skynet.exit)()
end

function leave.in_a_skynet_coroutine()
	co.wrap(skynet.exit)()
end

function leave.in_a_fork()
	skynet.fork(skynet.exit)
	skynet.wait {}
end

function leave.in_a_timeout()
	skynet.timeout(1, skynet.exit)
	skynet.wait {}
end

function leave.in_close()
	local _ <close> = setmetatable({}, { __close = skynet.exit })
end

function leave.in_close_after_an_error()
	local _ <close> = setmetatable({}, { __close = skynet.exit })
	error "and then exit"
end

function leave.in_sort()
	table.sort({ 2, 1, 3 }, skynet.exit)
end

function leave.in_a_metamethod()
	return setmetatable({}, { __index = skynet.exit }).x
end

function leave.in_a_finalizer()
	setmetatable({}, { __gc = skynet.exit })
	collectgarbage()
	collectgarbage()
	skynet.exit()
end

function leave.in_a_queue()
	require "skynet.queue"()(skynet.exit)
end

function leave.in_a_message_handler()
	xpcall(error, skynet.exit, "x")
	skynet.exit()
end

function leave.twice()
	skynet.fork(skynet.exit)
	skynet.exit()
end

function leave.by_kill()
	skynet.kill(skynet.self())
	skynet.wait {}
end

function leave.by_kill_in_a_finalizer()
	setmetatable({}, { __gc = function() skynet.kill(skynet.self()) end })
	collectgarbage()
	collectgarbage()
	skynet.wait {}
end

function role.leaving()
	skynet.dispatch("lua", function(_, _, name)
		leave[name]()
	end)
	skynet.start(function() end)
end

-- Every way ends the service, and its callers get their errors.
function case.exits()
	for name in pairs(leave) do
		local to = check.launch "leaving"
		local first
		skynet.fork(function()
			first = table.pack(pcall(skynet.call, to, "lua", name))
		end)
		check.ok(name .. " ends the service", check.wait(function() return check.dead(to) end))
		check.ok(name .. " ends the call", check.wait(function() return first end))
		check.eq(name .. " by an error", first[1], false)
	end
end

-- New work that is begun while a service is closed comes to nothing, without harm.
function role.busy_to_the_end()
	local function everything()
		pcall(skynet.fork, print, "fork while closing")
		pcall(skynet.timeout, 0, function() print "timeout while closing" end)
		pcall(skynet.send, ".launcher", "debug", "GC")
		pcall(skynet.call, ".launcher", "lua", "LIST")
		pcall(skynet.sleep, 1)
		pcall(skynet.response)
		pcall(skynet.wakeup, "x")
		pcall(skynet.newservice, "nosuch")
		pcall(skynet.genid)
		pcall(skynet.error, "logged while closing")
		pcall(skynet.self)
	end
	kept = setmetatable({}, { __gc = everything })
	skynet.start(function()
		for i = 1, 3 do
			skynet.fork(function()
				local _ <close> = setmetatable({}, { __close = everything })
				skynet.wait(i)
			end)
		end
		skynet.dispatch("lua", function()
			local _ <close> = setmetatable({}, { __close = everything })
			skynet.exit()
		end)
	end)
end

function case.work_while_closing()
	local a, b = check.spawn "busy_to_the_end", check.spawn "busy_to_the_end"
	check.ok("exit", not pcall(skynet.call, a, "lua"))
	skynet.kill(b)
	check.ok("both are dead", check.wait(function() return check.dead(a) and check.dead(b) end))
	skynet.sleep(5)
	check.eq("the node is well", type(skynet.call(".launcher", "lua", "LIST")), "table")
end

-- A plain coroutine in which something blocks: the whole chain waits, and what is around it is not disturbed.
function case.blocking_in_plain_coroutines()
	local steps = {}
	local generator = coroutine.wrap(function()
		for i = 1, 3 do
			skynet.sleep(1)
			coroutine.yield(i)
		end
	end)
	for i in generator do
		steps[#steps + 1] = i
	end
	check.eq("a generator that sleeps", steps, { 1, 2, 3 })
	local c = coroutine.create(function(to)
		return skynet.call(to, "lua", "in_close")
	end)
	check.returns("a call", { true, "answer" }, coroutine.resume, c, check.launch "answering")
	check.eq("then it is dead", coroutine.status(c), "dead")
end

return check.main(role, case, ...)
