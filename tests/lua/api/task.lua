-- fork, killthread, task, uniqtask, trace_timeout.
local skynet = require "skynet"
local check = require "check"

local role, case = {}, {}

function case.fork()
	local got
	local co = skynet.fork(function(...)
		got = table.pack(...)
	end, 1, nil, "x", nil)
	check.eq("returns the coroutine", type(co), "thread")
	check.eq("does not run at once", got, nil)
	skynet.yield()
	check.eq("arguments keep their nils", got, { 1, nil, "x", nil, n = 4 })
	local order = {}
	for i = 1, 3 do
		skynet.fork(function()
			order[#order + 1] = i
			skynet.fork(function()
				order[#order + 1] = i + 10
			end)
		end)
	end
	skynet.yield()
	check.eq("first in, first out, with the forks of forks", order, { 1, 2, 3, 11, 12, 13 })
end

function case.fork_errors()
	local ran = 0
	skynet.fork(error, "first fork error")
	skynet.fork(function()
		ran = ran + 1
	end)
	skynet.fork(error, { "an error that is a table" })
	skynet.fork(error, "second fork error")
	skynet.fork(function()
		ran = ran + 1
	end)
	skynet.yield()
	check.eq("the others ran", ran, 2)
end

function case.fork_many()
	local n = 0
	for _ = 1, 20000 do
		skynet.fork(function()
			n = n + 1
		end)
	end
	skynet.yield()
	check.eq("all ran", n, 20000)
	local function chain(left)
		if left > 0 then
			skynet.fork(chain, left - 1)
		else
			n = "end"
		end
	end
	skynet.fork(chain, 5000)
	skynet.yield()
	check.eq("a chain of forks", n, "end")
end

function role.holder()
	check.serve {
		hold = function()
			skynet.wait "held"
			return "released"
		end,
		after = function(ticks, x)
			skynet.sleep(ticks)
			return x
		end,
		kill = function(pattern)
			return type((skynet.killthread(pattern)))
		end,
		tasks = function()
			local list = {}
			skynet.task(list)
			return list
		end,
		echo = function(...)
			return ...
		end,
	}
end

function case.killthread_of_a_fork()
	local ran
	local co = skynet.fork(function()
		ran = true
	end)
	check.eq("returns it", skynet.killthread(co), co)
	skynet.yield()
	check.eq("never runs", ran, nil)
	check.eq("it cannot be killed again", skynet.killthread(co), nil)
	check.eq("a thread that waits for nothing", skynet.killthread(coroutine.create(print)), nil)
end

function case.killthread_of_a_waiting_one()
	local closed, after
	local co = skynet.fork(function()
		local _ <close> = setmetatable({}, { __close = function() closed = true end })
		skynet.wait "never woken"
		after = true
	end)
	skynet.yield()
	check.eq("returns it", skynet.killthread(co), co)
	check.eq("closed", closed, true)
	check.eq("nobody waits there", skynet.wakeup "never woken", nil)
	skynet.yield()
	check.eq("it did not go on", after, nil)
	skynet.fork(function()
		skynet.wait "never woken"
		after = "used again"
	end)
	skynet.yield()
	skynet.wakeup "never woken"
	skynet.yield()
	check.eq("the token is free", after, "used again")
end

function case.killthread_of_a_sleeper()
	local ran
	local co = skynet.timeout(3, function()
		ran = true
	end)
	check.eq("a timeout can be killed", skynet.killthread(co), co)
	co = skynet.fork(function()
		skynet.sleep(3)
		ran = true
	end)
	skynet.yield()
	check.eq("a sleep can be killed", skynet.killthread(co), co)
	skynet.sleep(6)
	check.eq("neither ran", ran, nil)
end

function case.killthread_in_a_call()
	local holder = check.spawn "holder"
	local after
	local co = skynet.fork(function()
		skynet.call(holder, "lua", "after", 3, "late")
		after = true
	end)
	skynet.yield()
	check.eq("killed", skynet.killthread(co), co)
	skynet.sleep(6)
	check.eq("it did not go on", after, nil)
	check.eq("the late answer harmed nothing", skynet.call(holder, "lua", "echo", 1), 1)
end

function case.killthread_of_a_handler()
	local holder = check.spawn "holder"
	local result
	skynet.fork(function()
		result = table.pack(pcall(skynet.call, holder, "lua", "hold"))
	end)
	skynet.yield()
	local name
	for text in pairs(skynet.call(holder, "lua", "tasks")) do
		name = text
	end
	-- The pattern is a Lua pattern that is searched in the thread's name.
	local address = tostring(name):match "0x%x+"
	check.eq("killed by its name", skynet.call(holder, "lua", "kill", address), "thread")
	check.ok("its caller gets an error", check.wait(function() return result end))
	check.eq("call failed", result[1], false)
	check.eq("no such thread", skynet.call(holder, "lua", "kill", "no such name"), "nil")
end

function case.task()
	check.eq("nobody waits", skynet.task(), 0)
	local holder = check.spawn "holder"
	local co = skynet.fork(function()
		skynet.call(holder, "lua", "hold")
	end)
	local sleeper = skynet.fork(function()
		skynet.sleep(10000)
	end)
	skynet.yield()
	check.eq("two wait", skynet.task(), 2)
	local list = {}
	skynet.task(list)
	local session = skynet.task(co)
	check.eq("session of a thread", math.type(session), "integer")
	local key = tostring(co) .. " session: " .. session
	check.ok("list", list[key] and list[key]:find "stack traceback", check.show(list))
	check.ok("traceback of a session", skynet.task(session):find "stack traceback", skynet.task(session))
	check.eq("no such session", skynet.task(123456789), "No session")
	check.eq("a thread that does not wait", skynet.task(coroutine.create(print)), nil)
	skynet.wakeup(sleeper)
	skynet.yield()
	check.eq("a placeholder is not counted", skynet.task(), 1)
	local breaks = 0
	list = {}
	skynet.task(list)
	for _, text in pairs(list) do
		breaks = breaks + (text == "BREAK" and 1 or 0)
	end
	check.eq("but listed", breaks, 1)
	local init = skynet.task "init"
	check.ok("the start coroutine", type(init) == "string" and init:find "stack traceback", init)
end

function role.watched_start()
	skynet.start(function()
		skynet.dispatch("lua", function()
			skynet.retpack(skynet.task "init")
		end)
		skynet.name(".watched", skynet.self())
		skynet.sleep(10)
		skynet.fork(function()
			skynet.sleep(1)
			skynet.setenv("init_task_afterwards", tostring((skynet.task "init")))
		end)
	end)
end

function case.task_init()
	skynet.fork(check.spawn, "watched_start")
	check.ok("started", check.wait(function() return skynet.localname ".watched" end))
	local text = skynet.call(".watched", "lua")
	check.ok("traceback of the start function", type(text) == "string" and text:find "task.lua", text)
	check.ok("it ended", check.wait(function() return skynet.getenv "init_task_afterwards" end))
	check.eq("no start coroutine then", skynet.getenv "init_task_afterwards", "nil")
end

function case.uniqtask()
	local function same_place()
		skynet.wait {}
	end
	for _ = 1, 12 do
		skynet.fork(same_place)
	end
	skynet.fork(function()
		skynet.sleep(10000)
	end)
	skynet.yield()
	local found = {}
	for head, text in pairs(skynet.uniqtask()) do
		local count, ids = head:match "^(%d+)\tsessions:%[(.*)%]\n$"
		found[#found + 1] = { tonumber(count), ids, text:find "stack traceback" ~= nil }
	end
	table.sort(found, function(a, b) return a[1] < b[1] end)
	check.eq("two places", #found, 2)
	check.eq("one there", { found[1][1], found[1][2]:match "^%d+$" ~= nil, found[1][3] }, { 1, true, true })
	local many = found[2]
	check.eq("twelve here", { many[1], many[3] }, { 12, true })
	check.ok("cut", many[2]:find("...", 1, true), many[2])
end

function case.trace_timeout()
	skynet.trace_timeout(true)
	skynet.timeout(1000, function() end)
	local list, text = {}, nil
	skynet.task(list)
	for _, item in pairs(list) do
		text = item
	end
	check.ok("tells when it is due", tostring(text):find "^TIMER %d+%+1000 : ", text)
	check.ok("and where it was made", tostring(text):find "task.lua", text)
	skynet.trace_timeout(false)
end

return check.main(role, case, ...)
