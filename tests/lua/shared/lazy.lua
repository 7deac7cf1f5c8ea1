-- Functions of a module that are made when they are read: nobody may notice, except by memory. A file's functions are
-- treated like that, those of a text never: so the same program is run as both, and has to find out the same.
local skynet = require "skynet.manager"
local check = require "check"

local role, case = {}, {}

local function write(path, text)
	local file <close> = assert(io.open(path, "w"))
	file:write(text)
end

-- The results of a program as a file, and the same program as a text. It gets the way to run another one.
local function both(what, name, text, ...)
	local path = name .. ".lua"
	write(path, text)
	local as_file = { dofile(path) }
	local again = { dofile(path) }
	local as_text = { assert(load(text, "@" .. path))() }
	check.eq(what, as_file, as_text)
	check.eq(what .. " again", again, as_text)
	for _, expected in ipairs { ... } do
		check.eq(what .. " as expected", as_file, expected)
	end
end

function case.reading()
	both("reads", "reads", [[
		local M = {}
		function M.a() return 1 end
		function M.b() return 2 end
		function M.c() return M.a() + M.b() end
		function M:d(n) return n + self.a() end
		M.e = function() return "e" end
		local found = {}
		found[1] = M.c()
		found[2] = M:d(5)
		found[3] = rawget(M, "e")() .. M["e"]()
		found[4] = M.a == M.a and M.a == rawget(M, "a") and M.a ~= M.b
		local n = 0
		for k, f in pairs(M) do
			n = n + 1
			found[4] = found[4] and M[k] == f and type(f) == "function"
		end
		found[5] = n
		found[6] = next(M) ~= nil and #M
		local via = setmetatable({}, { __index = M })
		found[7] = via.c() + via:d(1)
		found[8] = via.nothing == nil and rawget(via, "a") == nil
		found[9] = setmetatable({}, { __index = via }).e()
		return table.unpack(found)
	]], { 3, 6, "ee", true, 5, 0, 5, true, "e" })
end

function case.nested()
	both("tables in tables", "nested", [[
		local M = { inner = { f = function() return "constructor" end }, g = function(x) return x end }
		function M.inner.h() return "h" end
		function M.inner:i() return self == M.inner end
		local other = M.inner
		M.copy = other
		return M.inner.f(), M.g(7), other.h(), M.copy:i(), M.inner.h == other.h
	]], { "constructor", 7, "h", true, true })
end

-- Variables are the chunk's, whenever the function is made.
function case.variables()
	both("shared variables", "variables", [[
		local M, count = {}, 0
		function M.add(n) count = count + n end
		function M.get() return count end
		local function both_ways() count = count * 2 return M.get() end
		M.add(3)
		count = count + 1
		local seen = { M.get(), both_ways() }
		function M.set(n) count = n end
		M.set(10)
		seen[3] = count
		return M.get(), table.unpack(seen)
	]], { 10, 4, 8, 10 })
	both("registers used again", "scopes", [[
		local M = {}
		do local x = "first" function M.a() return x end function M.a2() return x end end
		do local x = "second" function M.b() return x end end
		do local x, y = "third", "fourth" function M.c() return x, y end function M.d() x = y return x end end
		for i = 1, 3 do
			local v = i * 10
			if i == 1 then function M.one() return i, v end end
			if i == 2 then function M.two() v = v + 1 return i, v end end
			if i == 3 then function M.three() return i, v end end
		end
		local kept = M.d()
		local one, two, three = { M.one() }, { M.two() }, { M.three() }
		return M.a(), M.a2(), M.b(), kept, M.c(), one[2], two[2], select(2, M.two()), three[1], three[2]
	]], { "first", "first", "second", "fourth", "fourth", 10, 21, 22, 3, 30 })
	both("in a loop", "loop", [[
		local all = {}
		for i = 1, 5 do
			local C, v = {}, i
			function C.get() return v end
			function C.set(n) v = n end
			all[i] = C
		end
		all[2].set(20)
		local sum, distinct = 0, {}
		for _, C in ipairs(all) do sum = sum + C.get() distinct[C.get] = true end
		local n = 0
		for _ in pairs(distinct) do n = n + 1 end
		return sum, n
	]], { 1 + 20 + 3 + 4 + 5, 5 })
	both("the environment", "environment", [[
		local M = {}
		function M.name() return type(print) end
		local _ENV = { type = type, answer = 42 }
		function M.other() return answer, print end
		return M.name(), M.other()
	]], { "function", 42, nil })
	both("identity of variables", "upvalues", [[
		local debug = debug
		local M, x, y = {}, 1, 2
		function M.f() return x end
		function M.g() return x, y end
		function M.h() return y end
		local same = debug.upvalueid(M.f, 1) == debug.upvalueid(M.g, 1)
		debug.upvaluejoin(M.h, 1, M.f, 1)
		x = 7
		debug.setupvalue(M.g, 2, "y")
		return same, M.h(), M.g()
	]], { true, 7, 7, "y" })
end

-- A chunk that runs twice, or while another run of it waits.
function case.runs()
	write("runs.lua", [[
		local tag = ...
		local M = {}
		function M.tag() return tag end
		local function late() return tag end
		if tag ~= "m" then coroutine.yield(M) end
		function M.late() return late(), tag end
		tag = tag .. "!"
		return M
	]])
	local chunk = assert(loadfile "runs.lua")
	local a = coroutine.create(chunk)
	local b = coroutine.create(chunk)
	local _, A = coroutine.resume(a, "a")
	local _, B = coroutine.resume(b, "b")
	check.eq("before", { A.tag(), A.late }, { "a" })
	coroutine.resume(b)
	check.eq("one has ended", { A.tag(), B.tag(), { B.late() }, A.late }, { "a", "b!", { "b!", "b!" } })
	coroutine.resume(a)
	check.eq("both have", { A.tag(), { A.late() } }, { "a!", { "a!", "a!" } })
	local main = chunk "m"
	check.ok("functions of their own", main.tag ~= A.tag and A.tag ~= B.tag)
	local dead = coroutine.create(chunk)
	local _, D = coroutine.resume(dead, "d")
	coroutine.close(dead)
	collectgarbage()
	check.eq("closed", { D.tag(), D.late }, { "d" })
end

function case.assignments()
	both("assignments", "assignments", [[
		local M = {}
		function M.a() return 1 end
		function M.a() return 2 end
		function M.b() end
		M.b = nil
		function M.c() end
		M.c = 5
		function M.d() end
		rawset(M, "d", "raw")
		function M.e() end
		rawset(M, "e", nil)
		function M.f() return "f" end
		local names = {}
		for k in next, M do names[#names + 1] = k end
		table.sort(names)
		for i = 1, 40 do M["x" .. i] = i end
		function M.g() return "g" end
		for i = 1, 40 do M["x" .. i] = nil end
		for i = 1, 300 do M[i] = i end
		return table.concat(names), M.a(), M.b, M.c, M.d, M.e, M.f(), M.g(), #M
	]], { "acdf", 2, nil, 5, "raw", nil, "f", "g", 300 })
	both("clearing while walking", "walking", [[
		local M = {}
		function M.a() end function M.b() end function M.c() end function M.d() end
		local n = 0
		for k in pairs(M) do n = n + 1 M[k] = nil end
		return n, next(M)
	]], { 4, nil })
	both("metatables", "metatables", [[
		local M, log = {}, {}
		function M.a() return "a" end
		setmetatable(M, {
			__newindex = function(t, k, v) log[#log + 1] = k rawset(t, k, v) end,
			__index = function(_, k) return k .. "?" end,
		})
		function M.b() return "b" end
		local first = M.z
		M.a = "changed"
		function M.a() return "again" end
		return first, M.a(), M.b(), table.concat(log), M.a ~= nil
	]], { "z?", "again", "b", "b", true })
	both("names of metamethods", "metamethods", [[
		local log = {}
		local C = {}
		C.__index = C
		function C.__add(a, b) return a.n + b.n end
		function C.__call(self, x) return self.n * x end
		function C.__close() log[#log + 1] = "closed" end
		function C.__gc() log[#log + 1] = "collected" end
		function C.__len() return 77 end
		function C.__eq() return true end
		function C.new(n) return setmetatable({ n = n }, C) end
		local a, b = C.new(3), C.new(4)
		do local c <close> = C.new(1) end
		local found = { a + b, a(10), #a, a == b, getmetatable(a) == C }
		collectgarbage() collectgarbage()
		table.sort(log)
		return found, table.concat(log, " ")
	]], { { 7, 30, 77, true, true }, "closed collected" })
	both("a metamethod's name, found late", "late_metamethod", [[
		local C, name, index = {}, "__add", "__index"
		C[name or "add"] = function(a, b) return "added" end
		C[index or "index"] = function(_, k) return k end
		local t = setmetatable({}, C)
		return t + 1, t.key, C.add, rawget(C, "__add")(t, t)
	]], { "added", "key", nil, "added" })
end

-- Weak tables lose what nobody else refers to.
function case.weak()
	for _, mode in ipairs { "v", "k", "kv" } do
		for _, collector in ipairs { "incremental", "generational" } do
			collectgarbage(collector)
			both("weak " .. mode, "weak_" .. mode .. collector, ([[
				local M = {}
				function M.a() return "a" end
				function M.b() return "b" end
				function M.c() return "c" end
				local kept = M.b
				setmetatable(M, { __mode = %q })
				local function names()
					local found = {}
					for k in pairs(M) do found[#found + 1] = k end
					table.sort(found)
					return table.concat(found)
				end
				collectgarbage() collectgarbage()
				local first = names()
				setmetatable(M, nil)
				function M.a() return "new a" end
				collectgarbage()
				return first, names(), M.a(), M.b and M.b() or "none", kept()
			]]):format(mode))
		end
	end
	collectgarbage "generational"
end

-- The collector runs while functions are defined, between that and their first use, and in both modes.
function case.collector()
	local text = { "local step, junk = ...\nlocal M, n = {}, 0" }
	for i = 1, 300 do
		text[#text + 1] = ("local v%d = {%d}"):format(i % 40, i):gsub("^local (v%d+)", i <= 40 and "local %1" or "%1")
		text[#text + 1] = ("function M.f%d(x) n = n + 1 return v%d[1] + x end"):format(i, i % 40)
		if i % 7 == 0 then
			text[#text + 1] = "step() junk()"
		end
	end
	text[#text + 1] = "function M.calls() return n end return M"
	write("collected.lua", table.concat(text, "\n"))
	local function junk()
		local t = {}
		for i = 1, 50 do
			t[i] = { tostring(i) }
		end
		return t
	end
	for _, mode in ipairs { "incremental", "generational" } do
		collectgarbage(mode)
		for _, step in ipairs { collectgarbage, function() collectgarbage "step" end, function() collectgarbage("step", 1) end } do
			local all = {}
			for round = 1, 10 do
				local M = assert(loadfile "collected.lua")(step, junk)
				all[round] = M
				step()
				local sum = 0
				for i = round, 300, 3 do
					sum = sum + M["f" .. i](0)
					if i % 50 == 0 then
						step()
					end
				end
				check.eq("calls", M.calls(), (300 - round) // 3 + 1)
			end
			for _, M in ipairs(all) do
				local expected = 0
				for i = 1, 300 do
					-- Variables are assigned again by later functions: the last ones stay.
					local last = i % 40 == 0 and 280 or (i % 40) + (i % 40 <= 20 and 280 or 240)
					if M["f" .. i](0) ~= last then
						check.eq("variable of f" .. i, M["f" .. i](0), last)
					end
					expected = expected + 1
				end
				check.ok("all called", M.calls() >= expected)
			end
		end
	end
	collectgarbage "generational"
end

-- Programs put together by chance from what touches functions of modules. The seed is fixed, so that a failure comes
-- again.
function case.programs()
	local seed = 20
	local function random(n)
		seed = (seed * 1103515245 + 12345) % (1 << 31)
		return (seed >> 8) % n + 1
	end
	local function one(list)
		return list[random(#list)]
	end
	local statements = {
		"function T.F(self) BODY end", "function T.F(self) BODY end", "function T:F() BODY end", "T.F = function(self) BODY end",
		"T[x and 'F' or 'none'] = function(self) BODY end", "T.F, T.G = function(self) BODY end, function(self) BODY end",
		"T.F = { F = function(self) BODY end }", "do local x = N function T.F(self) x = x + 1 return x end function T.G(self) return x end end",
		"for i = 1, 3 do local y = i * N if i ~= 2 then function T.F(self) y = y + 1 return y end end end",
		"do local n = 0 ::again:: local z = n function T.F(self) z = z + 1 return z end n = n + 1 if n < 3 then goto again end end",
		"x = N", "T.F = nil", "T.F = N", "for k in pairs(T) do rawset(T, k, nil) end", "for i = 1, 40 do T['x' .. i] = i end for i = 1, 40 do T['x' .. i] = nil end",
		"see(T)", "see(T.F)", "see(rawget(T, 'F'), T.F == rawget(T, 'F'))", "see(try(T.F, T))", "see(try(T.G))", "do local f = T.F U.G = f end",
		"collectgarbage()", "collectgarbage 'step'", "setmetatable(T, { __index = U })", "setmetatable(T, nil)", "setmetatable(T, { __mode = 'k' })",
		"setmetatable(T, { __newindex = function(t, k, v) see(k) rawset(t, k, v) end })", "coroutine.yield()",
		"debug.sethook(function() end, '', 3)", "debug.sethook()", "see(type(T.F) == 'function' and load(string.dump(T.F)) ~= nil)",
		"if type(T.F) == 'function' and debug.getupvalue(T.F, 1) == 'x' then debug.setupvalue(T.F, 1, N) end",
	}
	local names = { "a", "b", "c", "d", "__index", "__add", "tostring" }
	local bodies = { "return N", "x = x + 1 return x", "return x", "local v = N return function() return v end", "return T.F", "return self and N" }
	local head = [[
		local x, M, O, log = 1, {}, {}, {}
		local function shown(v)
			if type(v) ~= "table" then return type(v) == "function" and "function" or tostring(v) end
			local keys = {}
			for k in pairs(v) do keys[#keys + 1] = tostring(k) end
			table.sort(keys)
			return table.concat(keys, " ")
		end
		local function see(...) for _, v in ipairs { ... } do log[#log + 1] = shown(v) end end
		local function try(f, ...) local ok, v = pcall(f, ...) return ok and shown(v) end
	]]
	local tail = [[
		debug.sethook()
		for _, t in ipairs { M, O } do
			setmetatable(t, nil)
			see(t)
			for _, k in ipairs { "a", "b", "c", "d", "__index", "__add", "tostring" } do see(k, try(t[k], t)) end
		end
		return table.concat(log, "\n")
	]]
	local function run(chunk)
		local co, ok, result = coroutine.create(chunk), nil, nil
		repeat
			ok, result = coroutine.resume(co)
		until not ok or coroutine.status(co) == "dead"
		return result
	end
	for i = 1, 150 do
		local lines = { head }
		for _ = 1, 10 + random(60) do
			local line = one(statements):gsub("BODY", one(bodies))
			lines[#lines + 1] = line:gsub("%f[%w][TUFGN]%f[%W]", function(what)
				return what == "N" and tostring(random(100)) or (what == "F" or what == "G") and one(names) or one { "M", "O" }
			end)
		end
		lines[#lines + 1] = tail
		local text = table.concat(lines, "\n")
		local path = ("program%d.lua"):format(i)
		write(path, text)
		local want = run(assert(load(text, "@" .. path)))
		check.ok("it ends", type(want) == "string", want)
		check.eq("program " .. i, run(assert(loadfile(path))), want)
	end
	collectgarbage "generational"
end

-- A function that is no longer in its module keeps what it needs; a module that is gone leaves nothing.
function case.release()
	write("release.lua", [[
		local M, data = {}, string.rep("x", 100000) .. (...)
		function M.size() return #data end
		function M.other() return M end
		return M
	]])
	local chunk = assert(loadfile "release.lua")
	local function resident()
		collectgarbage()
		collectgarbage()
		return collectgarbage "count"
	end
	local before = resident()
	local size = chunk("a").size
	check.ok("kept by the function", resident() - before > 90)
	check.eq("and of use", size(), 100001)
	size = nil
	check.ok("gone with it", resident() - before < 20, resident() - before)
	local M = chunk "b"
	check.ok("kept by an unmade function", resident() - before > 90)
	M.size, M.other = nil, nil
	check.ok("gone when that is replaced", resident() - before < 20, resident() - before)
	M = chunk "c"
	M = nil
	check.ok("gone with the module", resident() - before < 20, resident() - before)
	local watched = setmetatable({}, { __mode = "k" })
	watched[chunk "d"] = true
	collectgarbage()
	collectgarbage()
	check.eq("and collected", next(watched), nil)
end

-- Hooks see every instruction and line.
function case.hooks()
	local text = [[
		local M = {}
		function M.a() return 1 end
		function M.b()
			return 2
		end
		M.c = 3
		return M
	]]
	write("hooks.lua", text)
	local function watched(chunk)
		local lines, count = {}, 0
		debug.sethook(function(what, line)
			if what == "line" and debug.getinfo(2, "f").func == chunk then
				lines[#lines + 1] = line
			end
		end, "l")
		local M = chunk()
		debug.sethook()
		debug.sethook(function()
			if debug.getinfo(2, "f").func == chunk then
				count = count + 1
			end
		end, "", 1)
		M = chunk()
		debug.sethook()
		return { lines, count, M.a(), M.b(), M.c }
	end
	check.eq("hooks", watched(loadfile "hooks.lua"), watched(load(text, "@hooks.lua")))
	local copy = load(string.dump(loadfile "hooks.lua"))()
	check.eq("dump", { copy.a(), copy.b(), copy.c }, { 1, 2, 3 })
	local stripped = load(string.dump(loadfile "hooks.lua", true))()
	check.eq("stripped", { stripped.a(), stripped.b(), stripped.c }, { 1, 2, 3 })
	local info = debug.getinfo(dofile "hooks.lua".b, "SnuL")
	check.eq("information", { info.linedefined, info.lastlinedefined, info.nups, info.nparams, info.activelines },
		{ 3, 5, 0, 0, { [4] = true, [5] = true } })
end

-- Tracebacks look for functions in the loaded modules.
function case.traceback()
	both("tracebacks", "named", [[
		local M = {}
		function M.unused() return "unused" end
		function M.fail(x) error("on purpose " .. x) end
		function M.outer(x) M.fail(x) return M end
		function M.inner() local function f() M.outer(5) end f() end
		package.loaded["some.name"] = M
		local ok, text = xpcall(M.inner, debug.traceback)
		package.loaded["some.name"] = nil
		return ok, text:match "^(.-)\n[^\n]*xpcall", M.unused()
	]])
end

-- More names than an instruction can have as constants; more variables than a closure can have.
function case.large()
	local text, lines = {}, { "local M = {}" }
	for i = 1, 700 do
		lines[#lines + 1] = ("function M.name_%d() return %d, M end"):format(i, i)
	end
	lines[#lines + 1] = [[
		local sum, n = 0, 0
		for i = 1, 700, 2 do sum = sum + M["name_" .. i]() end
		for k, f in pairs(M) do n = n + 1 sum = sum + f() end
		return n, sum, (M.name_700()) ]]
	text[1] = table.concat(lines, "\n")
	both("many", "many", text[1], { 700, 350 * 350 + 700 * 701 // 2, 700 })
	lines = { "local M = {}" }
	for i = 1, 190 do
		lines[#lines + 1] = ("local v%d = %d"):format(i, i)
	end
	lines[#lines + 1] = "function M.first() return v1 end function M.last() return v190 end function M.some() return v7 + v100 end"
	lines[#lines + 1] = "v100 = 1000"
	lines[#lines + 1] = "return M.last(), M.some(), M.first()"
	both("many variables", "wide", table.concat(lines, "\n"), { 190, 1007, 1 })
end

-- What is no code takes them for functions.
function case.messages()
	write("packed.lua", "local M = {} function M.f() return 1 end return M")
	check.fails("pack", "function", skynet.pack, dofile "packed.lua")
	check.fails("pack, nested", "function", skynet.pack, { 1, { dofile "packed.lua" } })
end

-- A module that fails on its way leaves what it has defined.
function case.errors()
	both("an error in the chunk", "failing", [[
		local M = {}
		local ok, err = pcall(function()
			function M.inner() return "inner" end
			error "on the way"
		end)
		function M.outer() return "outer" end
		local fails = pcall(function() local t <const> = nil; t.x = function() end end)
		local not_a_table = 5
		local bad, why = pcall(load "local n = 5 function n.f() end")
		return M.inner(), M.outer(), ok, fails, bad, (why:gsub("^.-:%d+: ", ""))
	]], { "inner", "outer", false, false, false, "attempt to index a number value (local 'n')" })
	write("no_table.lua", "local n = 5\nfunction n.f() end")
	local ok, err = pcall(dofile, "no_table.lua")
	check.eq("no table", { ok, err }, { false, "no_table.lua:2: attempt to index a number value (local 'n')" })
end

-- A field can be read however full the memory is.
function role.full(file)
	local M = dofile(file)
	local names, hoard = {}, {}
	for i = 1, 200 do
		names[i], hoard[i] = "f" .. i, false
	end
	skynet.memlimit(math.floor(collectgarbage "count") * 1024 + 200000)
	check.serve {
		answer = function()
			local n, size = 0, 1 << 17
			while size >= 16 do
				local ok, text = pcall(string.rep, "x", size)
				if ok and n < #hoard then
					n = n + 1
					hoard[n] = text
				else
					size = size // 2
				end
			end
			local sum = 0
			for i = 1, #names do
				sum = sum + M[names[i]]()
			end
			local full = not pcall(string.rep, "x", 1000)
			for i = 1, n do
				hoard[i] = false
			end
			return sum, full
		end,
	}
end

-- A large code base costs a service what it uses of it.
function role.weigh(file, calls)
	local function resident()
		collectgarbage()
		collectgarbage()
		return collectgarbage "count"
	end
	local before = resident()
	local M = dofile(file)
	for i = 1, tonumber(calls) do
		M["f" .. i]()
	end
	local weight = resident() - before
	check.serve { answer = function() return weight, M.f1() end }
end

function case.weight()
	local lines = { "local M, state = {}, 0" }
	for i = 1, 200 do
		lines[#lines + 1] = ("function M.f%d() state = state + 1 return 1 end"):format(i)
	end
	lines[#lines + 1] = "return M"
	write("weight.lua", table.concat(lines, "\n"))
	local function weigh(calls)
		local addr = check.spawn("weigh", "weight.lua", calls)
		return (skynet.call(addr, "lua", "answer"))
	end
	weigh(0)
	local none, all = weigh(0), weigh(200)
	if not os.getenv "SKYNET_TEST_STOCK" then
		check.ok("a table", none < 9, none)
		check.ok("and the functions", all - none > 7, all - none)
	end
	check.eq("in a full service", { skynet.call(check.spawn("full", "weight.lua"), "lua", "answer") }, { 200, true })
end

return check.main(role, case, ...)
