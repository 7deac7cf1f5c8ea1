-- Random patterns on random subjects, with this lpeg and with LPeg itself: the same values, the same errors, the same
-- calls of functions.
--
-- skynet lua oracle.lua FOLDER SEED TIMES

local folder, seed, times = arg[1], tonumber(arg[2]), tonumber(arg[3])
local theirs = assert(package.loadlib(folder .. "/lpeg.so", "luaopen_lpeg"))()
local ours = require "lpeg"
assert(theirs ~= ours and theirs.version == ours.version)

math.randomseed(seed)
local random = math.random

local function pick(list)
	return list[random(#list)]
end

-- The metatable of traced patterns.
local Traced

-- What functions are called with, as text.
local calls

local function note(name, ...)
	local texts = { name }
	for i = 1, select("#", ...) do
		local value = select(i, ...)
		texts[#texts + 1] = type(value) == "table" and "table" or tostring(value)
	end
	calls[#calls + 1] = table.concat(texts, " ")
end

local functions = {
	function(...)
		note("all", ...)
		return ...
	end,
	function(...)
		note("first", ...)
		return (...)
	end,
	function(...)
		note("none", ...)
	end,
	function(...)
		note("count", ...)
		return select("#", ...), "n"
	end,
	function(...)
		note("nil", ...)
		return nil
	end,
	function(...)
		note("error", ...)
		error({})
	end,
}

local folds = {
	function(a, ...)
		note("fold", a, ...)
		return (type(a) == "table" and "t" or tostring(a)) .. select("#", ...)
	end,
}

local deciders = {
	function(_, at)
		return at
	end,
	function(_, at, ...)
		return true, ...
	end,
	function(subject, at)
		return at <= #subject and at + 1, at, "x"
	end,
	function(_, at, first)
		return type(first) == "string" and #first % 2 == 0 and at, first
	end,
	function(_, at)
		return at % 2 == 0
	end,
	function(_, at, ...)
		return at, select("#", ...)
	end,
}

local rules = { "S", "A", "B", "D" }
local names = { "x", "y", 7 }

-- A description of a pattern: a function that makes it with a module. `open` says whether there are rules.
local describe

local function text(least, most)
	local bytes = {}
	for i = 1, random(least, most) do
		bytes[i] = pick { "a", "b", "c", "a", "é" }
	end
	return table.concat(bytes)
end

local makers = {
	function()
		local s = text(0, 3)
		return function(m) return m.P(s) end
	end,
	function()
		local n = random(-1, 2)
		return function(m) return m.P(n) end
	end,
	function()
		local s = text(1, 4)
		return function(m) return m.S(s) end
	end,
	function()
		local s = pick { "ab", "ac", "bz", "ca" }
		return function(m) return m.R(s) end
	end,
	function()
		local b = random() < 0.7
		return function(m) return m.P(b) end
	end,
	function()
		local a, b = pick { 0, 97, 0x80 }, pick { 97, 0xe8, 0xe9, 0xffff, 0x10ffff }
		return function(m) return m.utfR(a, b) end
	end,
	function(d, open)
		local list = {}
		for i = 1, random(2, 4) do list[i] = describe(d, open) end
		return function(m)
			local p = list[1](m)
			for i = 2, #list do p = p * list[i](m) end
			return p
		end
	end,
	function(d, open)
		local list = {}
		for i = 1, random(2, 4) do list[i] = describe(d, open) end
		return function(m)
			local p = list[#list](m)
			for i = #list - 1, 1, -1 do p = list[i](m) + p end
			return p
		end
	end,
	function(d, open)
		local a, b = describe(d, open), describe(d, open)
		return function(m) return a(m) - b(m) end
	end,
	function(d, open)
		local a, n = describe(d, open), random(-3, 2)
		return function(m) return a(m) ^ n end
	end,
	function(d, open)
		local a = describe(d, open)
		return function(m) return -a(m) end
	end,
	function(d, open)
		local a = describe(d, open)
		return function(m) return #a(m) end
	end,
	function(d)
		-- LPeg has an assertion that open rules are not looked at here.
		local a = describe(d)
		return function(m) return m.B(a(m)) end
	end,
	function(d, open)
		local a, kind = describe(d, open), pick { "C", "Ct", "Cs", "C", "Cg" }
		return function(m) return m[kind](a(m)) end
	end,
	function()
		return function(m) return m.Cp() end
	end,
	function()
		local kind = random(4)
		return function(m)
			if kind == 1 then return m.Cc() end
			if kind == 2 then return m.Cc(1) end
			if kind == 3 then return m.Cc("u", nil, false) end
			return m.Cc("k")
		end
	end,
	function()
		local n = random(10) > 9 and 3 or random(2)
		return function(m) return m.Carg(n) end
	end,
	function(d, open)
		local a, name = describe(d, open), pick(names)
		return function(m) return m.Cg(a(m), name) end
	end,
	function(d, open)
		local a, name = describe(d, open), pick(names)
		return function(m) return m.Cg(a(m), name) * m.Cb(name) end
	end,
	function()
		local name = pick(names)
		return function(m) return m.Cb(name) end
	end,
	function(d, open)
		local a, s = describe(d, open), pick { "%0", "<%1>", "%2%1", "%%", "x", "%1%0%1", "%a%" }
		return function(m) return a(m) / s end
	end,
	function(d, open)
		local a, n = describe(d, open), random(0, 3)
		return function(m) return a(m) / n end
	end,
	function(d, open)
		local a, t = describe(d, open), pick { { a = "A", b = 2, [1] = "one" }, { ab = false, c = {} }, {} }
		return function(m) return a(m) / t end
	end,
	function(d, open)
		local a, f = describe(d, open), functions[random(20) == 1 and 6 or random(5)]
		return function(m) return a(m) / f end
	end,
	function(d, open)
		local a, f = describe(d, open), pick(folds)
		return function(m) return m.Cf(m.Cc("f", 1) * a(m), f) end
	end,
	function(d, open)
		local a, b, f = describe(d, open), describe(d, open), pick(folds)
		return function(m) return m.Cg(m.C(a(m)) * (b(m) % f) ^ -2) end
	end,
	function(d, open)
		local a, f = describe(d, open), pick(deciders)
		return function(m) return m.Cmt(a(m), f) end
	end,
	function(d)
		local bodies, count = {}, random(#rules)
		for i = 1, count do bodies[rules[i]] = describe(d, count) end
		local first = pick { "S", "S", "S", rules[count] }
		return function(m)
			local grammar = { first }
			for name, body in pairs(bodies) do
				grammar[name] = m.P(body(m))
			end
			return m.P(grammar)
		end
	end,
}

function describe(depth, open)
	if depth <= 0 then
		return makers[random(6)](0, open)
	end
	if open and random(5) == 1 then
		local name = rules[random(50) == 1 and #rules or random(open)]
		return function(m) return m.V(name) end
	end
	return makers[random(#makers)](depth - 1 - (random(3) == 1 and 1 or 0), open)
end

local function same(a, b)
	if a == b then return true end
	if type(a) == "userdata" and type(b) == "userdata" then return true end
	if type(a) ~= "table" or type(b) ~= "table" then return false end
	for k, v in pairs(a) do
		if not same(v, b[k]) then return false end
	end
	for k in pairs(b) do
		if a[k] == nil then return false end
	end
	return true
end

local function shown(value)
	if type(value) ~= "table" then
		return type(value) == "string" and ("%q"):format(value) or tostring(value)
	end
	local parts = {}
	for k, v in pairs(value) do parts[#parts + 1] = tostring(k) .. "=" .. shown(v) end
	return "{" .. table.concat(parts, ", ") .. "}"
end

-- A module whose patterns are the texts that make them.
local tracer = setmetatable({}, {
	__index = function(_, name)
		return function(...)
			local parts = {}
			for i = 1, select("#", ...) do
				local value = select(i, ...)
				parts[i] = type(value) == "table" and value.trace or shown(value)
			end
			return setmetatable({ trace = ("m.%s(%s)"):format(name, table.concat(parts, ", ")) }, Traced)
		end
	end,
})

do
	local function operator(format)
		return function(a, b)
			local function text(value)
				return type(value) == "table" and value.trace or shown(value)
			end
			return setmetatable({ trace = format:format(text(a), text(b)) }, Traced)
		end
	end
	Traced = {
		__mul = operator "(%s * %s)", __add = operator "(%s + %s)", __sub = operator "(%s - %s)",
		__div = operator "(%s / %s)", __mod = operator "(%s %% %s)", __pow = operator "%s ^ %s",
		__unm = operator "-%s", __len = operator "#%s",
	}
end

-- Which rule a message names when there are several to choose from is a matter of the order of a table.
local function neutral(results)
	if not results[1] and type(results[2]) == "string" then
		results[2] = results[2]:gsub("^[%w/._-]+:%d+: ", ""):gsub("rule '[^']*'", "rule"):gsub("'[%w_]+%.(%w+)'", "'%1'")
		results[2] = results[2]:gsub("^empty loop in rule", "rule may be left recursive")
	end
	return results
end

local function run(m, description, subject)
	calls = {}
	local made, pattern = pcall(description, m)
	if not made then
		return neutral { false, pattern }, calls
	end
	return neutral(table.pack(pcall(m.match, pattern, subject, 1, "one", "two"))), calls
end

local matched, failed, raised = 0, 0, 0
for round = 1, times do
	local description = describe(random(0, 6))
	for _ = 1, 3 do
		local subject = text(0, 10)
		local expected, theircalls = run(theirs, description, subject)
		local got, ourcalls = run(ours, description, subject)
		-- LPeg does not find the value before an accumulator within a match-time capture.
		local lost = not expected[1] and expected[2] == "no previous value for accumulator capture"
		if not lost and not same(got, expected) or not lost and not same(ourcalls, theircalls) then
			local pattern = description(tracer)
			print(("round %d on %q: %s"):format(round, subject, pattern.trace))
			print("expected", shown(expected))
			print("got     ", shown(got))
			print("calls   ", shown(theircalls))
			print("here    ", shown(ourcalls))
			os.exit(1)
		end
		if not got[1] then
			raised = raised + 1
		elseif got[2] == nil then
			failed = failed + 1
		else
			matched = matched + 1
		end
	end
end
print(("the same: %d matched, %d failed, %d raised"):format(matched, failed, raised))
