-- skynet.queue and skynet.mqueue.
local skynet = require "skynet"
local queue = require "skynet.queue"
local check = require "check"

local role, case = {}, {}

function case.exclusive()
	local q = queue()
	local inside, most, order = 0, 0, {}
	for i = 1, 5 do
		skynet.fork(function()
			q(function()
				inside = inside + 1
				most = math.max(most, inside)
				skynet.sleep(1)
				order[#order + 1] = i
				inside = inside - 1
			end)
		end)
	end
	check.ok("all end", check.wait(function() return #order == 5 end))
	check.eq("one at a time", most, 1)
	check.eq("first come, first served", order, { 1, 2, 3, 4, 5 })
end

function case.values()
	local q = queue()
	check.returns("arguments and results", { 1, nil, "x", nil, n = 4 }, q, function(...) return ... end, 1, nil, "x", nil)
	check.returns("none", { n = 0 }, q, function() end)
	check.eq("nested use of the same coroutine", q(function()
		return q(function()
			return q(function() return "deep" end)
		end)
	end), "deep")
end

function case.errors()
	local q = queue()
	local err = check.fails("an error comes out", "inside the queue", q, function()
		error "inside the queue"
	end)
	check.ok("with its traceback", tostring(err):find "stack traceback", err)
	check.eq("the lock is free", q(function() return "free" end), "free")
	local result
	skynet.fork(pcall, q, function()
		skynet.sleep(2)
		error "after a wait"
	end)
	skynet.fork(function()
		result = q(function() return "next" end)
	end)
	check.ok("the next one goes on", check.wait(function() return result end))
	check.fails("from a nested one", "deep error", q, function()
		q(function() error "deep error" end)
	end)
	check.eq("free again", q(function() return 1 end), 1)
end

function case.independent()
	local a, b = queue(), queue()
	local reached
	skynet.fork(a, function()
		skynet.wait "hold a"
	end)
	skynet.yield()
	b(function() reached = true end)
	check.ok("another queue is not blocked", reached)
	skynet.wakeup "hold a"
end

function role.mq()
	local mqueue = require "skynet.mqueue"
	local busy, log = 0, {}
	skynet.start(function()
		mqueue.register(function(name, ...)
			busy = busy + 1
			local alone = busy == 1
			if name == "slow" then
				skynet.sleep(1)
			end
			busy = busy - 1
			log[#log + 1] = { name, alone, ... }
			if name == "fail" then
				error "queue handler error"
			elseif name == "log" then
				return log
			elseif name == "size" then
				return mqueue.size()
			elseif name == "send" then
				return
			end
			return name, ...
		end)
	end)
end

function case.mqueue()
	local mqueue = require "skynet.mqueue"
	local to = check.spawn "mq"
	check.returns("call", { "hello", 1, 2 }, mqueue.call, to, "hello", 1, 2)
	check.fails("the error comes to the caller", "queue handler error", mqueue.call, to, "fail")
	local done = 0
	for i = 1, 5 do
		skynet.fork(function()
			mqueue.call(to, "slow", i)
			done = done + 1
		end)
	end
	check.ok("all are answered", check.wait(function() return done == 5 end))
	mqueue.send(to, "send", 7)
	mqueue.send(to, "fail")
	local log = mqueue.call(to, "log")
	local slow = {}
	for _, entry in ipairs(log) do
		if entry[1] == "slow" then
			slow[#slow + 1] = { entry[2], entry[3] }
		end
	end
	check.eq("one at a time, in order", slow, { { true, 1 }, { true, 2 }, { true, 3 }, { true, 4 }, { true, 5 } })
	check.eq("the send came", log[#log - 2], { "send", true, 7 })
	check.eq("size", mqueue.call(to, "size"), 0)
end

return check.main(role, case, ...)
