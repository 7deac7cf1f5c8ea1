-- Random programs, each of which has to do the same with and without a hook: while a hook is set, the interpreter takes
-- the way of Lua as it is published, with none of its short ways. Prints how many programs it has run; with a second
-- argument, what each of them says instead.
local first, last, say = tonumber(arg[1] or 1), tonumber(arg[2] or 200), arg[3]

local state
local function below(n)
	state = (state * 6364136223846793005 + 1442695040888963407) & 0x7fffffffffffffff
	return (state >> 33) % n
end
local function one(list)
	return list[below(#list) + 1]
end

-- Names that are few, so that they meet; and two that only tables of classes have.
local names = { "a", "b", "c", "x", "hp", "name", "items", "value", "get", "add" }
local tables = { "t", "u", "o", "list", "p" }
local values = {
	"nil", "true", "false", "0", "1", "2", "3", "-1", "7", "2.0", "0.5", "-0.0", "1e300", "'a'", "'10'", "'text'", "''",
	"'x' .. n", "n", "n % 5", "t", "{}", "0/0", "math.huge", "math.mininteger", "('long'):rep(20)",
}
local function value(depth)
	local kind = below(12)
	if kind < 5 or depth > 2 then
		return one(values)
	elseif kind < 7 then
		return one(tables) .. "." .. one(names)
	elseif kind == 7 then
		return one(tables) .. "[" .. value(depth + 1) .. "]"
	elseif kind == 8 then
		return "#list"
	elseif kind == 9 then
		return "(" .. value(depth + 1) .. ")"
	elseif kind == 10 then
		return one { "n", "#list", "list[1]" } .. one { " + 1", " * 2", " // 3", " == 2", " ~= 'a'", " == nil" }
	end
	return "(" .. value(depth + 1) .. one { " == ", " ~= " } .. value(depth + 1) .. ")"
end

local functions = {
	"math.floor", "math.ceil", "math.sqrt", "math.abs", "math.min", "math.max", "math.tointeger", "math.type",
	"string.byte", "string.sub", "string.char", "string.len", "table.insert", "table.remove", "table.unpack",
	"type", "assert", "select", "next", "pairs", "ipairs", "rawget", "setmetatable", "tonumber", "tostring",
}
local function arguments()
	local out = {}
	for i = 1, below(5) do
		out[i] = below(5) == 0 and one { "...", "two()", "list", "'#'" } or value(1)
	end
	return table.concat(out, ", ")
end
local usual = {
	["table.insert"] = { "list, n", "list, 1, n", "list, #list, n", "list, #list + 1, 'e'", "p, n", "u, n" },
	["table.remove"] = { "list", "list, 1", "list, #list", "list, 0", "p", "u, 1" },
	["table.unpack"] = { "list", "list, 2", "list, 1, 3", "list, 0, 2", "list, 1, #list + 3", "p" },
	["string.sub"] = { "'hello', 2", "'hello', -3, -2", "'hello', 0, 99", "'hello', 3, 2", "12345, 2", "'a', 1.0" },
	["string.byte"] = { "'hello'", "'hello', 2", "'hello', -1", "'hello', 1, -1", "'hello', 0", "'', 1", "'h', -9, 1" },
	["next"] = { "t", "list", "{}", "list, 1", "o, nil", "list, 'none'", "t, 'none'" },
	["select"] = { "'#', ...", "2, ...", "-1, ...", "1, 'a', two()", "9, 1", "0, 1", "'#'" },
	["setmetatable"] = { "{}, C", "{ a = 1 }, D", "{}, nil", "o, C", "{}, F", "p, C" },
	["assert"] = { "n, 'message'", "list", "nil, 'failed'", "false", "two()", "t.none, { 1 }" },
	["math.max"] = { "n, 2", "1.5, n, 2", "n, 0/0", "0/0, n", "'1', 2", "n" },
	["math.min"] = { "n, 2", "1.5, n, 2", "n, 0/0", "0/0, n", "t, 2", "n" },
}
local function call()
	local f = one(functions)
	if usual[f] and below(3) > 0 then
		return f .. "(" .. one(usual[f]) .. ")"
	end
	return f .. "(" .. arguments() .. ")"
end

local lines
local function line(depth, text)
	lines[#lines + 1] = ("\t"):rep(depth) .. text
end
local block

local kinds = {
	function(d) line(d, ("try(function(...) return %s end, 1, 'b', nil)"):format(call())) end,
	function(d) line(d, ("try(function(...) local r = %s; return r end, 3, 4)"):format(call())) end,
	function(d) line(d, ("try(function(...) local r, s, q = %s; return r, s, q, 'end' end, 'x')"):format(call())) end,
	function(d) line(d, ("try(function(...) %s end)"):format(call())) end,
	function(d) line(d, ("try(function() out(%s, %s) end)"):format(value(0), value(0))) end,
	function(d) line(d, ("try(function() %s.%s = %s end)"):format(one(tables), one(names), value(0))) end,
	function(d) line(d, ("try(function() %s[%s] = %s end)"):format(one(tables), value(1), value(0))) end,
	function(d)
		line(d, ("try(function() %s.%s.%s = %s end)"):format(one(tables), one(names), one(names), value(0)))
	end,
	function(d)
		local method, v = one(names), value(1)
		line(d, ("try(function() return o:%s(%s), %s:%s() end)"):format(method, v, one(tables), one(names)))
	end,
	function(d) line(d, ("try(function() return (%s):%s(%s) end)"):format(one { "'text'", "n", "('x'):rep(n)", "list" },
		one { "sub", "byte", "len", "upper", "none" }, one { "1", "2", "n", "" })) end,
	function(d) line(d, "list[#list + 1] = n") end,
	function(d) line(d, "list[#list] = nil") end,
	function(d) line(d, ("n = n + %d"):format(below(5) + 1)) end,
	function(d) line(d, ("%s = %s"):format(one { "t", "u", "list" }, one {
		"{}", "{ a = 1, b = n, c = {} }", "{ 1, 2, 3, n }", "{ n, nil, 3 }", "{ x = 1, 5, 6, name = 'n', value = 2 }",
		"new(n)",
	})) end,
	function(d) line(d, ("setmetatable(%s, %s)"):format(one { "t", "u", "list" }, one { "C", "D", "nil", "E" })) end,
	function(d) line(d, ("C.%s = %s"):format(one(names), one { "nil", "n", "function(self, v) return v, n end" })) end,
	function(d)
		line(d, ("try(function() local steps = 0; for k, v in %s do"):format(one {
			"pairs(list)", "pairs(t)", "pairs(u)", "next, t", "next, list, nil", "ipairs(list)", "ipairs(t)",
			"ipairs(o)", "count(3)", "walk(list)", "ipairs('text')", "pairs(nil)", "next, t, 'none'", "coroutine.wrap(step)",
		}))
		line(d + 1, "steps = steps + 1; if steps > 50 then break end")
		line(d + 1, one {
			"sum(k, v)", "t[k] = nil", "list[k] = v", "if k == 2 then break end; sum(k)", "u = v; sum(k)",
			"n = n + 1; sum(v)",
		})
		line(d, "end end)")
	end,
	function(d)
		line(d, ("for i = 1, %d do"):format(below(4)))
		block(d + 1)
		line(d, "end")
	end,
	function(d)
		line(d, ("if %s then"):format(value(0)))
		block(d + 1)
		line(d, "else")
		block(d + 1)
		line(d, "end")
	end,
	function(d) line(d, ("try(function() return deep(%d, n) end)"):format(below(40))) end,
	function(d) line(d, "try(coroutine.wrap(function() for k in coroutine.yield do sum(k) break end end))") end,
}
local depth = 0
function block(d)
	depth = depth + 1
	for _ = 1, 1 + below(4) do
		kinds[below(depth > 3 and #kinds - 5 or #kinds) + 1](d)
	end
	depth = depth - 1
end

local head = [[
local out, try, sum, two = ...
local n = 1
local C = { get = function(self, v) return self.value or v end, value = 5, name = "C" }
C.__index = C
local D = setmetatable({}, C)
function D:add(v)
	self.value = (self.value or 0) + (tonumber(v) or 1)
	return self
end
D.__index = D
local E = { __index = function(t, k) return math.type(k) ~= "integer" and k or nil end,
	__newindex = function(t, k, v) rawset(t, k, v == nil and 0 or v) end,
	__eq = function() return true end, __len = function() return 2 end }
local F = { __index = C, __metatable = "hidden", __newindex = C }
local function new(v)
	return setmetatable({ value = v, name = "n" .. v }, D)
end
local t, u, o, list, p = { a = 1, b = 2 }, { 1, 2, x = 3 }, new(1), { 1, 2, 3 }, setmetatable({ 7 }, F)
local function count(to)
	return function(last, i)
		i = i + 1
		if i <= last then return i, i * 2, "third" end
	end, to, 0
end
local function walk(l)
	local i = 0
	return function()
		i = i + 1
		if l[i] == nil then return end
		return i, l[i]
	end
end
local function step()
	for i = 1, 3 do coroutine.yield(i, i) end
end
local function deep(k, ...)
	if k == 0 then return select("#", ...), ... end
	return deep(k - 1, ...)
end
]]
local function program(seed)
	state = seed * 7919 + 17
	lines = {}
	for _ = 1, 10 do
		block(0)
	end
	return head .. table.concat(lines, "\n")
end

local function show(v)
	local kind = math.type(v) or type(v)
	if kind == "float" then
		return v ~= v and "nan" or ("%.10g"):format(v)
	elseif kind == "table" or kind == "function" then
		return kind
	end
	return (tostring(v):gsub("0x%x+", "address"))
end

-- What a program says. 'hook' sets and takes away hooks at what it likes.
local function run(seed, hook)
	local said = {}
	local total = 0
	local function out(...)
		local line = {}
		for i = 1, select("#", ...) do
			line[i] = show((select(i, ...)))
		end
		said[#said + 1] = table.concat(line, " ")
		if hook then hook() end
	end
	local function try(f, ...)
		out(pcall(f, ...))
		out("sum", total)
	end
	-- Order is not a promise.
	local function sum(...)
		for i = 1, select("#", ...) do
			local s = show((select(i, ...)))
			total = total + #s
			for k = 1, #s do
				total = total + s:byte(k) * k % 7
			end
		end
	end
	local chunk = assert(load(program(seed), "=program"))
	if hook then hook() end
	local ok, message = pcall(chunk, out, try, sum, function() return 1, 2 end)
	debug.sethook()
	said[#said + 1] = tostring(ok) .. " " .. tostring(message)
	return table.concat(said, "\n")
end

local function nothing() end
for seed = first, last do
	local plain = run(seed)
	if say then
		print(seed, plain)
	end
	local old = run(seed, function()
		if not debug.gethook() then debug.sethook(nothing, "", 1000000) end
	end)
	local mark = seed
	local mixed = run(seed, function()
		mark = (mark * 1103515245 + 12345) & 0x7fffffff
		local kind = (mark >> 8) % 4
		if kind == 0 then
			debug.sethook()
		elseif kind == 1 then
			debug.sethook(function() debug.sethook() end, "", (mark >> 12) % 60 + 1)
		elseif kind == 2 then
			debug.sethook(nothing, "crl", (mark >> 12) % 9 + 1)
		end
	end)
	for way, said in pairs { ["a hook"] = old, ["hooks now and then"] = mixed } do
		if said ~= plain then
			local a, b = plain:gmatch("[^\n]*"), said:gmatch("[^\n]*")
			for x in a do
				local y = b()
				if x ~= y then
					error(("program %d says `%s`, and with %s `%s`\n%s"):format(seed, x, way, y, program(seed)))
				end
			end
			error(("program %d says less than with %s"):format(seed, way))
		end
	end
end
print(last - first + 1 .. " programs")
