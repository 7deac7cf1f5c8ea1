-- Suspensions at every place of a program: what follows does not depend on what C code was between the function that
-- suspends and the one that resumes.
local skynet = require "skynet"
local check = require "check"

local role, case = {}, {}

-- Runs f in a coroutine, and resumes it with what it has yielded, until it ends: the log of all that went in and out.
local function drive(f, ...)
	local log = {}
	local c = coroutine.create(f)
	local out = table.pack(coroutine.resume(c, ...))
	while coroutine.status(c) ~= "dead" do
		log[#log + 1] = { "yielded", table.unpack(out, 2, out.n) }
		out = table.pack(coroutine.resume(c, table.unpack(out, 2, out.n)))
	end
	log[#log + 1] = out
	return log
end

-- `y` suspends and returns its arguments.
local places = {}

function places.results(y)
	local a = y(1, 2)
	local b, c, d = y(3)
	y(4)
	local all = { y(5, 6, 7) }
	return a, b, c, d, #all, (y(8, 9)), y(10, 11)
end

function places.no_results(y)
	local a, b = y()
	return a, b, select("#", y())
end

function places.tail(y)
	local function tail(...) return y(...) end
	local function vararg_tail(a, ...) return y(a, ...) end
	local a, b = tail(1, 2)
	return a, b, vararg_tail(3, nil, 5)
end

function places.deep(y)
	local function down(n)
		if n == 0 then return y("bottom") end
		local v = down(n - 1)
		return y(v .. n)
	end
	return down(20)
end

function places.metamethods(y)
	local log = {}
	local function note(name)
		return function(...) return y(name, select("#", ...)) end
	end
	local object = setmetatable({}, {
		__index = note "index", __newindex = note "newindex", __call = y, __add = note "add", __unm = note "unm",
		__len = function() return y(7) end, __concat = note "concat", __lt = function() return y(true) end,
		__le = function() return y(false) end, __eq = function() return y(true) end,
	})
	local other = setmetatable({}, getmetatable(object))
	log[#log + 1] = object.field
	object.field = 1
	log[#log + 1] = object + 1
	log[#log + 1] = 1 + object
	log[#log + 1] = -object
	log[#log + 1] = #object
	log[#log + 1] = object .. "x"
	log[#log + 1] = "a" .. "b" .. object
	log[#log + 1] = object < other
	log[#log + 1] = object <= other
	log[#log + 1] = object == other
	log[#log + 1] = object ~= other
	log[#log + 1] = select("#", object(1, 2)) > 0
	-- The C function itself as metamethod.
	local direct = setmetatable({}, { __index = y, __call = y })
	log[#log + 1] = type(direct.field)
	log[#log + 1] = select("#", direct(1, nil))
	return log
end

function places.iterators(y)
	local sum = 0
	for i in function(_, i) return y(i < 4 and i + 1 or nil) end, nil, 0 do
		sum = sum + i
	end
	local seen = 0
	for a in y, nil, nil do
		seen = seen + 1
		if a == nil then break end
	end
	return sum, seen
end

function places.closing(y)
	local log = {}
	local function closer(name)
		return setmetatable({}, { __close = function(_, e) log[#log + 1] = { name, y(tostring(e)) } end })
	end
	do
		local a <close> = closer "block"
		local b <close> = closer "second"
		y "inside"
	end
	local function returning()
		local c <close> = closer "return"
		return y("value", 2)
	end
	log[#log + 1] = { returning() }
	local ok, err = pcall(function()
		local d <close> = closer "error"
		y "before"
		error("raised", 0)
	end)
	log[#log + 1] = { ok, err }
	for i = 1, 2 do
		local e <close> = closer("loop" .. i)
		if y(i) == 2 then break end
	end
	for _ in function(_, n) return y(not n or nil) end, nil, nil, closer "for" do
		y "body"
	end
	return log
end

function places.protected(y)
	local log = {}
	log[#log + 1] = { pcall(y, 1, 2) }
	log[#log + 1] = { pcall(pcall, y, 3) }
	log[#log + 1] = { xpcall(y, debug.traceback, 4) }
	log[#log + 1] = { pcall(function() return y(5), y(6) end) }
	log[#log + 1] = { pcall(function() y(7) error { "table" } end) }
	log[#log + 1] = { xpcall(function() y(8) local n = nil; return n.field end, function(e) return "handled " .. e end) }
	log[#log + 1] = { pcall(function()
		local ok, err = pcall(function() y(9) error("inner", 0) end)
		y(10)
		error("outer after " .. tostring(ok) .. err, 0)
	end) }
	log[#log + 1] = { select("#", pcall(y)) }
	return log, y "still alive"
end

function places.error_after(y)
	y "first"
	local function fail() y "second" error "failed here" end
	fail()
end

function places.wrapped(y)
	local inner = coroutine.wrap(function(...)
		local a = coroutine.yield(...)
		local again = coroutine.wrap(function() coroutine.yield(a) return "end of the innermost" end)
		coroutine.yield(again())
		return again()
	end)
	local a, b = inner(1, 2)
	local c = y(a + b)
	return inner(c), y "between", inner()
end

function places.callbacks(y)
	local log = {}
	log[#log + 1] = { pcall(table.sort, { 3, 1, 2 }, function(a, b) y "sort" return a < b end) }
	log[#log + 1] = { pcall(string.gsub, "abc", ".", function() return y "gsub" end) }
	log[#log + 1] = { pcall(load, function() return y "load" end) }
	for _, l in ipairs(log) do l[2] = tostring(l[2]):gsub("^.-: ", "") end
	return log, coroutine.isyieldable(), y "after"
end

function places.collected(y)
	local log
	do
		setmetatable({}, { __gc = function() log = { pcall(y, "in a finalizer") } end })
	end
	collectgarbage()
	collectgarbage()
	return log and log[1], y "after"
end

-- With plain coroutines: straight, and below a call of C that the interpreter's loop cannot return through.
function case.places()
	for name, f in pairs(places) do
		local straight = drive(function() return f(coroutine.yield) end)
		local below = drive(function() return select(2, assert(pcall(f, coroutine.yield))) end)
		if name == "error_after" then
			below = drive(function()
				local ok, err = pcall(f, coroutine.yield)
				assert(not ok)
				error(err, 0)
			end)
		end
		check.eq(name, straight, below)
		check.ok(name .. " has been suspended", #straight > 1)
	end
end

-- The same where the dispatcher suspends: sleeping and calls.
function case.tasks()
	local echo = check.spawn "echo"
	local function sleeping(...) skynet.yield() return ... end
	local function calling(...) return skynet.call(echo, "lua", ...) end
	for name, f in pairs(places) do
		if name ~= "error_after" and name ~= "callbacks" and name ~= "collected" then
			local want = table.pack(f(function(...) return ... end))
			check.eq(name .. " with yield", table.pack(f(sleeping)), want)
			check.eq(name .. " with call", table.pack(f(calling)), want)
			check.eq(name .. " in pcall", table.pack(select(2, pcall(f, calling))), want)
		end
	end
end

-- The same in handlers of requests, which a native function calls.
function case.handlers()
	local echo, server = check.spawn "echo", check.spawn "server"
	for name, f in pairs(places) do
		if name ~= "error_after" and name ~= "callbacks" and name ~= "collected" then
			local want = table.pack(f(function(...) return ... end))
			for _, how in ipairs { "straight", "twice", "tail", "none" } do
				check.eq(name .. " " .. how, table.pack(skynet.call(server, "lua", how, name, echo)), want)
			end
		end
	end
	check.fails("an error", "call failed", skynet.call, server, "lua", "straight", "error_after", echo)
	check.returns("and another request", { 3 }, skynet.call, server, "lua", "answer", 3)
	-- A handler of C, which suspends itself and answers nothing.
	local sleeper = check.spawn "sleeper"
	for _ = 1, 10 do skynet.send(sleeper, "lua") end
	check.eq("it goes on", skynet.call(sleeper, "debug", "PING") ~= false, true)
	check.ok("and no task is left", check.wait(function()
		return skynet.call(sleeper, "debug", "STAT").task == 0
	end))
end

function role.server()
	local function server(how, name, echo)
		local function calling(...) return skynet.call(echo, "lua", ...) end
		if how == "none" then calling = function(...) return ... end end
		if how == "twice" then calling(1) calling(2) end
		return places[name](calling)
	end
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, how, name, echo)
			if how == "answer" then return skynet.retpack(name) end
			if how == "tail" then
				skynet.retpack(server(how, name, echo))
				return skynet.sleep(0)
			end
			skynet.retpack(server(how, name, echo))
		end)
	end)
end

function role.sleeper()
	skynet.start(function()
		skynet.dispatch("lua", skynet.yield)
	end)
end

-- A function of C as the whole of a coroutine.
function case.bodies()
	local f = coroutine.wrap(coroutine.yield)
	check.returns("yields", { 1, 2 }, f, 1, 2)
	check.returns("and returns", { 3 }, f, 3)
	check.fails("once", "dead coroutine", f)
	local c = coroutine.create(coroutine.yield)
	coroutine.resume(c)
	check.eq("suspended", coroutine.status(c), "suspended")
	check.returns("closed", { true }, coroutine.close, c)
	check.eq("dead", coroutine.status(c), "dead")
	local done = 0
	skynet.fork(skynet.sleep, 0)
	skynet.fork(skynet.yield)
	skynet.fork(pcall, skynet.yield)
	skynet.fork(function() done = done + 1 end)
	check.ok("forks go on", check.wait(function() return done == 1 end))
	local w = coroutine.wrap(skynet.sleep)
	w(0)
	check.ok("a task of its own", true)
end

-- What a debugger sees of a suspended coroutine.
function case.tracebacks()
	local function inner() local seen = "local of inner" coroutine.yield(seen) return "not a tail call" end
	local c = coroutine.create(function() local got = inner() return got end)
	coroutine.resume(c)
	local text = debug.traceback(c)
	check.ok("the function of C", text:find("%[C%]: in .*yield'"), text)
	check.ok("who called it", text:find("in upvalue 'inner'", 1, true) or text:find("in local 'inner'", 1, true), text)
	check.eq("its level", debug.getinfo(c, 1, "l").currentline, debug.getinfo(inner, "S").linedefined)
	check.returns("its locals", { "seen", "local of inner" }, debug.getlocal, c, 1, 1)
	check.returns("goes on", { true, "not a tail call" }, coroutine.resume, c)
	local tail = coroutine.create(function() return coroutine.yield() end)
	coroutine.resume(tail)
	check.ok("a tail call", debug.traceback(tail):find "%[C%]: in .*yield'", debug.traceback(tail))
	check.returns("and its results", { true, 1, 2, 3 }, coroutine.resume, tail, 1, 2, 3)
end

function case.closing()
	local log = {}
	local function closer(name, fail)
		return setmetatable({}, { __close = function() log[#log + 1] = name if fail then error(fail, 0) end end })
	end
	local function suspended(fail)
		local c = coroutine.create(function()
			local a <close> = closer("outer", fail)
			local function tail() local b <close> = closer "inner" return (coroutine.yield()) end
			return tail()
		end)
		coroutine.resume(c)
		return c
	end
	check.returns("closed", { true }, coroutine.close, suspended())
	check.eq("in order", log, { "inner", "outer" })
	check.returns("with an error", { false, "bad" }, coroutine.close, suspended "bad")
	for _ = 1, 100 do suspended() end
	collectgarbage()
	check.ok("forgotten ones are collected", true)
end

-- Hooks see calls and returns of a function that was suspended once each, and counts go on.
function case.hooks()
	local function events(y)
		local log = {}
		local c = coroutine.create(function()
			local function f() y() return (y()) end
			return f()
		end)
		debug.sethook(c, function(event)
			local info = debug.getinfo(2, "S")
			log[#log + 1] = event .. " " .. info.what
		end, "cr")
		while coroutine.resume(c) and coroutine.status(c) ~= "dead" do end
		return log
	end
	local log = events(coroutine.yield)
	local calls, returns, tails = 0, 0, 0
	for _, e in ipairs(log) do
		calls = calls + (e == "call C" and 1 or 0)
		returns = returns + (e == "return C" and 1 or 0)
		tails = tails + (e:find "^tail call" and 1 or 0)
	end
	check.eq("calls of C", calls, 2)
	check.eq("returns of C", returns, 2)
	check.eq("tail calls", tails, 1)
	local counted, lines = 0, 0
	local c = coroutine.create(function() for _ = 1, 1000 do coroutine.yield() end end)
	debug.sethook(c, function(event) if event == "count" then counted = counted + 1 else lines = lines + 1 end end, "l", 1)
	while coroutine.status(c) ~= "dead" do
		check.same({ coroutine.resume(c) }, { true })
	end
	check.ok("counts", counted > 3000, counted)
	check.ok("lines", lines > 0, lines)
	debug.sethook(function() error "stop" end, "", 1000)
	local ok, err = pcall(function() while true do coroutine.wrap(coroutine.yield)() end end)
	debug.sethook()
	check.ok("a hook that raises", not ok and tostring(err):find "stop", err)
	skynet.yield()
	check.ok("the task goes on", true)
end

-- Depth of C calls is counted as ever: no way round the limit, and none that is lost.
function case.depth()
	local function nest(n)
		if n == 0 then return coroutine.yield "bottom" end
		local c = coroutine.wrap(nest)
		local v = c(n - 1)
		coroutine.yield(v)
		return c()
	end
	local f = coroutine.wrap(nest)
	check.eq("100 levels", f(100), "bottom")
	local c = coroutine.create(function()
		local function deeper() return coroutine.wrap(function() return deeper() + 1 end)() end
		return deeper()
	end)
	local ok, err = coroutine.resume(c)
	check.ok("a limit", not ok and tostring(err):find "overflow", err)
	for _ = 1, 1000 do
		local g = coroutine.wrap(function() for _ = 1, 3 do pcall(coroutine.yield) coroutine.yield() end end)
		for _ = 1, 6 do g() end
	end
	check.ok("nothing is left behind", coroutine.wrap(function() return pcall(coroutine.yield) end)() == nil)
end

function role.echo()
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, ...) skynet.retpack(...) end)
	end)
end

return check.main(role, case, ...)
