-- skynet.request and select.
local skynet = require "skynet"
local check = require "check"

local role, case = {}, {}

function role.worker()
	check.serve {
		after = function(ticks, ...)
			skynet.sleep(ticks)
			return ...
		end,
		echo = function(...)
			return ...
		end,
		fail = function()
			error "told to fail"
		end,
		hold = function(name)
			skynet.wait(name)
			return name
		end,
		release = function(name)
			return (skynet.wakeup(name))
		end,
		never = function()
			skynet.wait {}
		end,
	}
end

local function collect(request, timeout)
	local list = {}
	for req, resp in request:select(timeout) do
		list[#list + 1] = { req = req, resp = resp }
	end
	return list
end

function case.completion_order()
	local a = check.spawn "worker"
	local names = { "first", "second", "third", "fourth" }
	local r = skynet.request { a, "lua", "hold", "third", token = 3 }
	r { a, "lua", "hold", "first", token = 1 } { a, "lua", "hold", "second", token = 2 }
	r:add { a, "lua", "hold", "fourth", token = 4 }
	local tokens = {}
	skynet.fork(check.wait, function() return skynet.call(a, "lua", "release", "first") end)
	for req, resp in r:select() do
		tokens[#tokens + 1] = req.token
		check.eq("fields of the request survive", req[1], a)
		check.eq("answer of " .. req.token, resp, { names[req.token], n = 1 })
		if #tokens < 4 then
			check.eq("the next one waits", skynet.call(a, "lua", "release", names[#tokens + 1]), true)
		end
	end
	check.eq("order", tokens, { 1, 2, 3, 4 })
	check.eq("no timeout", r.timeout, nil)
end

function case.values()
	local a = check.spawn "worker"
	local r = skynet.request { a, "lua", "echo", 1, nil, 3, nil, n = 7 }
	local list = collect(r)
	check.eq("nils at the end are sent with n", list[1].resp, { 1, nil, 3, nil, n = 4 })
	r = skynet.request { a, "lua", "echo" }
	check.eq("no values", collect(r)[1].resp, { n = 0 })
end

function case.failures()
	local a = check.spawn "worker"
	local r = skynet.request { 0x123456, "lua", "x", name = "dead 1" }
	r { a, "lua", "fail", name = "fails" } { 0x123457, "lua", "x", name = "dead 2" } { a, "lua", "echo", "fine", name = "fine" }
	local order, by = {}, {}
	for req, resp in r:select() do
		order[#order + 1] = req.name
		by[req.name] = resp == nil and "nil" or resp
	end
	check.eq("the dead come first, the last of them first", { order[1], order[2] }, { "dead 2", "dead 1" })
	check.eq("dead ones have no answer", { by["dead 1"], by["dead 2"] }, { "nil", "nil" })
	check.eq("failed ones have false", by.fails, false)
	check.eq("others are not harmed", by.fine, { "fine", n = 1 })
	check.eq("four results", #order, 4)
end

function case.timeout()
	local a = check.spawn "worker"
	local r = skynet.request { a, "lua", "after", 1, "quick" }
	r { a, "lua", "after", 1000, "slow" }
	local start = skynet.now()
	local list = collect(r, 10)
	check.eq("only the quick one", #list, 1)
	check.eq("its answer", list[1].resp, { "quick", n = 1 })
	check.eq("timeout is told", r.timeout, true)
	check.ok("not before its time", skynet.now() - start >= 10, skynet.now() - start)
	r = skynet.request { a, "lua", "echo", 1 }
	check.eq("in time", #collect(r, 1000), 1)
	check.eq("no timeout", r.timeout, nil)
end

function case.late_answers_are_quiet()
	local a = check.spawn "worker"
	local r = skynet.request { a, "lua", "after", 4, "late" }
	check.eq("nothing in time", #collect(r, 1), 0)
	skynet.sleep(10)
	check.eq("all is well", skynet.call(a, "lua", "echo", 1), 1)
end

function case.leaving_the_loop()
	local a = check.spawn "worker"
	local r = skynet.request { a, "lua", "echo", "one" }
	r { a, "lua", "never" } { a, "lua", "after", 5, "late" }
	for _, resp in r:select() do
		check.eq("the first", resp, { "one", n = 1 })
		break
	end
	skynet.sleep(10)
	check.eq("nobody waits any more", skynet.task(), 0)
	r = skynet.request { a, "lua", "echo", "one" }
	r { a, "lua", "after", 5, "late" }
	local ok = pcall(function()
		for _ in r:select() do
			error "out"
		end
	end)
	check.eq("an error leaves it too", ok, false)
	skynet.sleep(10)
	check.eq("and nobody waits", skynet.task(), 0)
end

function case.blocking_in_the_loop()
	local a = check.spawn "worker"
	local r = skynet.request { a, "lua", "after", 1, "one" }
	r { a, "lua", "after", 2, "two" } { a, "lua", "after", 3, "three" }
	local seen = {}
	for _, resp in r:select() do
		skynet.sleep(3)
		seen[#seen + 1] = resp[1] .. skynet.call(a, "lua", "echo", "!")
	end
	check.eq("all come", seen, { "one!", "two!", "three!" })
end

function case.misuse()
	local a = check.spawn "worker"
	local r = skynet.request { a, "lua", "echo", 1 }
	collect(r)
	check.fails("select twice", "assertion failed!", function()
		collect(r)
	end)
	check.fails("add after select", "", r.add, r, { a, "lua", "echo" })
	r = skynet.request { a, "nosuchtype", 1 }
	check.ok("unknown type", not pcall(collect, r))
	check.eq("an empty set has no results", #collect(skynet.request()), 0)
end

function case.death_while_waiting()
	local a, b = check.spawn "worker", check.spawn "worker"
	local r = skynet.request { a, "lua", "never", name = "a" }
	r { b, "lua", "never", name = "b" }
	skynet.timeout(2, function()
		skynet.kill(a)
		skynet.kill(b)
	end)
	local seen = {}
	for req, resp in r:select() do
		seen[req.name] = resp
	end
	check.eq("both fail", seen, { a = false, b = false })
end

return check.main(role, case, ...)
