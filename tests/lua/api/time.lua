-- Time, sleeping and waking.
local skynet = require "skynet"
local check = require "check"

local role, case = {}, {}

function case.clocks()
	local now, start = skynet.now(), skynet.starttime()
	check.eq("now", math.type(now), "integer")
	check.eq("starttime", math.type(start), "integer")
	check.eq("starttime stays", skynet.starttime(), start)
	check.eq("time is a float", math.type(skynet.time()), "float")
	check.ok("time = starttime + now / 100", math.abs(skynet.time() - (start + skynet.now() / 100)) < 1)
	check.ok("time is the wall clock", math.abs(skynet.time() - os.time()) < 30, skynet.time() - os.time())
	check.eq("hpc", math.type(skynet.hpc()), "integer")
	local before = skynet.now()
	skynet.sleep(7)
	check.ok("now moves on", skynet.now() - before >= 7, skynet.now() - before)
end

function case.sleep()
	check.returns("expired", { n = 0 }, skynet.sleep, 1)
	check.returns("zero", { n = 0 }, skynet.sleep, 0)
	check.returns("negative", { n = 0 }, skynet.sleep, -5)
	check.returns("integral float", { n = 0 }, skynet.sleep, 1.0)
	check.returns("text that is no number", { n = 0 }, skynet.sleep, "soon")
	check.returns("text that is a number", { n = 0 }, skynet.sleep, "1")
	check.fails("fraction", "number has no integer representation", skynet.sleep, 1.5)
	check.ok("nil", not pcall(skynet.sleep, nil))
	check.returns("yield", { n = 0 }, skynet.yield)
end

function case.wakeup_of_a_sleeper()
	local co, result
	co = skynet.fork(function()
		result = table.pack(skynet.sleep(10000))
	end)
	skynet.yield()
	check.eq("a sleeper is woken", skynet.wakeup(co), true)
	check.eq("not at once", result, nil)
	check.eq("a second wakeup is true as well", skynet.wakeup(co), true)
	skynet.yield()
	check.eq("BREAK", result, { "BREAK", n = 1 })
	check.eq("it does not sleep any more", skynet.wakeup(co), nil)
end

function case.wait()
	local done
	local co = skynet.fork(function()
		done = table.pack(skynet.wait())
	end)
	check.eq("it does not wait yet", skynet.wakeup(co), nil)
	skynet.yield()
	check.eq("wakeups are not remembered", done, nil)
	check.eq("it waits", skynet.wakeup(co), true)
	skynet.yield()
	check.eq("wait returns nothing", done, { n = 0 })
end

function case.tokens()
	local token = {}
	local results = {}
	skynet.fork(function()
		results[1] = table.pack(skynet.wait(token))
	end)
	skynet.fork(function()
		results[2] = table.pack(skynet.sleep(10000, "a string token"))
	end)
	skynet.yield()
	check.fails("used by a wait", "token duplicative", skynet.wait, token)
	check.fails("used by a sleep", "token duplicative", skynet.sleep, 1, "a string token")
	check.eq("unknown token", skynet.wakeup {}, nil)
	check.eq("wait", skynet.wakeup(token), true)
	check.eq("sleep", skynet.wakeup "a string token", true)
	skynet.yield()
	check.eq("results", results, { { n = 0 }, { "BREAK", n = 1 } })
	skynet.fork(function()
		results[3] = table.pack(skynet.sleep(1, token))
	end)
	check.ok("a token can be used again", check.wait(function() return results[3] end))
	check.eq("and expires", results[3], { n = 0 })
end

function case.woken_in_order()
	local order = {}
	local list = {}
	for i = 1, 5 do
		list[i] = skynet.fork(function()
			skynet.wait()
			order[#order + 1] = i
		end)
	end
	skynet.yield()
	for _, i in ipairs { 3, 1, 5, 2, 4, 3 } do
		skynet.wakeup(list[i])
	end
	skynet.yield()
	check.eq("in the order of the wakeups, each once", order, { 3, 1, 5, 2, 4 })
end

-- The timer of a sleep that was broken off comes later and has to be swallowed.
function case.the_timer_after_break()
	local co = skynet.fork(function()
		skynet.sleep(3)
	end)
	skynet.yield()
	skynet.wakeup(co)
	skynet.sleep(6)
	check.eq("nothing is left", skynet.task(), 0)
end

function case.timeout()
	local order = check.at_once(function()
		local order = {}
		local function after(ticks, name)
			return skynet.timeout(ticks, function()
				order[#order + 1] = name
			end)
		end
		order.first = after(2, "two")
		after(0, "zero")
		after(-1, "negative")
		after(1, "one")
		return order
	end)
	check.eq("returns the coroutine", type(order.first), "thread")
	order.first = nil
	check.eq("none runs at once", order, {})
	check.ok("all run", check.wait(function() return #order == 4 end))
	check.eq("order", order, { "zero", "negative", "one", "two" })
	check.fails("fraction", "number has no integer representation", skynet.timeout, 1.5, print)
end

function case.timeout_that_fails()
	local ran
	skynet.timeout(0, function()
		error "timer error"
	end)
	skynet.timeout(0, function()
		ran = true
	end)
	check.ok("the next one runs", check.wait(function() return ran end))
end

function case.outside_a_coroutine()
	-- Blocking functions cannot be used where nothing can be suspended, such as in a finalizer.
	local err
	setmetatable({}, {
		__gc = function()
			err = select(2, pcall(skynet.sleep, 1))
		end,
	})
	collectgarbage()
	collectgarbage()
	check.ok("an error", err and tostring(err):find "attempt to yield", err)
end

return check.main(role, case, ...)
