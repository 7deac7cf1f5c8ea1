-- skynet.coroutine: coroutines of the user's own inside a service.
local skynet = require "skynet"
local co = require "skynet.coroutine"
local check = require "check"

local role, case = {}, {}

function case.generator()
	local f = co.wrap(function(a, b)
		local c = co.yield(a + b)
		local d, e = co.yield(c * 2)
		return d, e
	end)
	check.returns("first", { 3 }, f, 1, 2)
	check.returns("second", { 20 }, f, 10)
	check.returns("end", { "x", nil, n = 2 }, f, "x", nil)
	check.ok("dead", not pcall(f))
end

function case.blocking_inside()
	local steps = {}
	local f = co.wrap(function()
		steps[#steps + 1] = "begin"
		skynet.sleep(2)
		steps[#steps + 1] = "slept"
		co.yield "yielded"
		skynet.sleep(1)
		return "returned"
	end)
	check.eq("a sleep inside is not seen outside", f(), "yielded")
	check.eq("after it", steps, { "begin", "slept" })
	check.eq("again", f(), "returned")
end

function case.nested()
	local outer = co.wrap(function()
		local inner = co.wrap(function()
			skynet.sleep(1)
			co.yield "inner one"
			local t, is_root = co.thread()
			skynet.sleep(1)
			co.yield("inner two", type(t), is_root)
		end)
		co.yield(inner())
		co.yield(inner())
	end)
	check.returns("first", { "inner one" }, outer)
	check.returns("second", { "inner two", "thread", false }, outer)
end

function case.status()
	local c = co.create(function()
		co.yield()
		skynet.wait "blocked"
	end)
	check.eq("fresh", co.status(c), "suspended")
	check.returns("resume", { true }, co.resume, c)
	check.eq("suspended", co.status(c), "suspended")
	local ended
	skynet.fork(function()
		co.resume(c)
		ended = co.status(c)
	end)
	skynet.yield()
	check.eq("blocked by the framework", co.status(c), "blocked")
	check.returns("a blocked one cannot be resumed",
		{ false, "cannot resume a skynet coroutine suspend by skynet framework" }, co.resume, c)
	skynet.wakeup "blocked"
	skynet.yield()
	check.eq("dead", ended, "dead")
	check.returns("dead ones cannot be resumed", { false, "cannot resume dead coroutine" }, co.resume, c)
	local running
	local d
	d = co.create(function() running = co.status(d) end)
	co.resume(d)
	check.eq("running", running, "running")
end

function case.errors()
	local c = co.create(function()
		skynet.sleep(1)
		error "inside"
	end)
	local ok, err = co.resume(c)
	check.eq("resume returns false", ok, false)
	check.ok("and the error", tostring(err):find "inside", err)
	check.fails("wrap raises it", "from wrap", co.wrap(function() error "from wrap" end))
	local object = {}
	c = co.create(function() error(object) end)
	check.returns("an error object", { false, object }, co.resume, c)
	check.returns("not one of ours", { false, "cannot resume none skynet coroutine" }, co.resume, coroutine.create(print))
	check.eq("the running one", (co.resume(coroutine.running())), false)
end

function case.thread()
	local root, is_root = co.thread()
	check.eq("outside", { root == coroutine.running(), is_root }, { true, true })
	local seen
	co.wrap(function()
		co.wrap(function()
			seen = { co.thread() }
		end)()
	end)()
	check.eq("inside: the root thread", { seen[1] == root, seen[2] }, { true, false })
	check.eq("running", co.running(), coroutine.running())
	check.eq("isyieldable", co.isyieldable(), true)
end

function case.close()
	local closed
	local c = co.create(function()
		local _ <close> = setmetatable({}, { __close = function() closed = true end })
		co.yield()
	end)
	co.resume(c)
	check.eq("close", co.close(c), true)
	check.eq("closed", closed, true)
	check.eq("dead", co.status(c), "dead")
end

function case.plain_coroutines()
	local f = coroutine.wrap(function()
		for i = 1, 3 do
			coroutine.yield(i)
		end
	end)
	check.eq("those of Lua work as long as nothing blocks inside", { f(), f(), f() }, { 1, 2, 3 })
	local c = coroutine.create(function(...) return select("#", ...), ... end)
	check.returns("resume", { true, 2, nil, nil, n = 4 }, coroutine.resume, c, nil, nil)
	check.returns("dead", { false, "cannot resume dead coroutine" }, coroutine.resume, c)
	check.ok("wrap raises errors with a position", not pcall(coroutine.wrap(function() error "x" end)))
end

function case.many()
	local n = 0
	local list = {}
	for i = 1, 1000 do
		list[i] = skynet.fork(function()
			local f = co.wrap(function()
				skynet.wait(i)
				co.yield(i)
			end)
			local x = f()
			n = n + x
		end)
	end
	skynet.yield()
	for i = 1, 1000 do
		skynet.wakeup(i)
	end
	skynet.yield()
	check.eq("each its own", n, 500500)
end

local function burn(ns)
	local ends = skynet.hpc() + ns
	while skynet.hpc() < ends do
	end
end

function case.profile()
	local profile = require "skynet.profile"
	profile.start()
	burn(20000000)
	skynet.sleep(10)
	local seconds = profile.stop()
	check.eq("seconds", math.type(seconds), "float")
	check.ok("what was burnt, but not the sleep", seconds > 0.001 and seconds < 10, seconds)
	profile.start()
	check.fails("twice", "start profile more than once", profile.start)
	profile.stop()
	check.fails("stop first", "Call profile.start() before profile.stop()", profile.stop)
end

function case.profile_of_a_chain()
	local profile = require "skynet.profile"
	profile.start()
	local f = co.wrap(function()
		burn(20000000)
		skynet.sleep(1)
		burn(20000000)
		return profile.stop(co.thread())
	end)
	local seconds = f()
	check.ok("counts the chain", seconds > 0.001, seconds)
	local inner
	local c = coroutine.create(function()
		profile.start()
		burn(10000000)
		coroutine.yield()
		burn(10000000)
		inner = profile.stop()
	end)
	coroutine.resume(c)
	burn(50000000)
	coroutine.resume(c)
	check.ok("a coroutine of its own, without what others burn", inner > 0.001 and inner < 0.05, inner)
end

return check.main(role, case, ...)
