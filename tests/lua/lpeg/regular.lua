-- Random texts as patterns of re, on random subjects: our re with our lpeg, and theirs with theirs.
--
-- skynet lua regular.lua FOLDER SEED TIMES

local folder, seed, times = arg[1], tonumber(arg[2]), tonumber(arg[3])
local ours = require "re"
local lpeg = package.loaded.lpeg
package.loaded.lpeg = assert(package.loadlib(folder .. "/lpeg.so", "luaopen_lpeg"))()
local theirs = dofile(folder .. "/re.lua")
local their_word = package.loaded.lpeg.P "ab"
package.loaded.lpeg = lpeg
assert(ours ~= theirs)

math.randomseed(seed)
local random = math.random

local function pick(list)
	return list[random(#list)]
end

local definitions = {
	up = string.upper,
	count = function(...) return select("#", ...) end,
	t = { a = "A", b = 2 },
	word = lpeg.P "ab",
	keep = function(_, at, ...) return at, ... end,
	join = function(a, b) return (type(a) == "string" and a or type(a)) .. type(b) end,
}

-- A text would do, but where it is repeated by a number they have it as a text.
local their_definitions = setmetatable({ word = their_word }, { __index = definitions })

local pieces = {
	"'a'", '"b"', "'ab'", "'é'", "''", ".", "[ab]", "[^a]", "[a-c]", "[]a]", "[a-]", "[%a]", "[^%s%d]", "%a", "%W", "%nl", "%word",
	"{}", "{", "}", "{:", ":}", "{:x:", "{~", "~}", "{|", "|}", "(", ")", "(", ")", "/", "/", "*", "+", "?", "^2", "^+1", "^-2",
	"&", "!", "=x", "-> up", "-> count", "-> t", "-> {}", "-> '<%0>'", "-> '%1'", "-> 1", "-> 0", "=> keep", "~> join", ">> join",
	"S", "A", "<S>", "S <-", "A <-", "S<-", "--c\n", "%", "-", "'", "[", "9", "->", "x",
}

-- Mostly what means something, now and then anything.
local function expression(depth)
	local kind = random(depth <= 0 and 4 or 16)
	local function inner() return expression(depth - 1) end
	if kind <= 4 then return pick { "'a'", "[ab]", ".", "%a", "'ab'", "{}", "[^b]", "%word" }
	elseif kind <= 7 then return inner() .. pick { " ", "" } .. inner()
	elseif kind <= 9 then return "(" .. inner() .. pick { "/", " / " } .. inner() .. ")"
	elseif kind == 10 then return "{" .. inner() .. "}"
	elseif kind == 11 then return pick { "{|", "{| " } .. inner() .. "|}"
	elseif kind == 12 then return "{~ " .. inner() .. " ~}"
	elseif kind == 13 then return "{:x: " .. inner() .. " :} " .. pick { "", "=x" }
	elseif kind == 14 then return pick { "!", "&" } .. inner()
	elseif kind == 15 then return "(" .. inner() .. ")" .. pick { "*", "+", "?", "^2", "^-2", "^+1" }
	end
	return "(" .. inner() .. ") " .. pick { "-> up", "-> count", "-> t", "-> {}", "-> '<%0>'", "-> 1", "-> 0", "=> keep" }
end

local function pattern()
	if random(3) == 1 then
		local parts = {}
		for i = 1, random(8) do parts[i] = pick(pieces) end
		return table.concat(parts, pick { " ", "" })
	elseif random(3) == 1 then
		return "S <- " .. expression(3) .. " A?\n A <- " .. expression(2)
	end
	return expression(4)
end

local function same(a, b)
	if type(a) ~= "table" or type(b) ~= "table" then return a == b end
	for k, v in pairs(a) do if not same(v, b[k]) then return false end end
	for k in pairs(b) do if a[k] == nil then return false end end
	return true
end

-- The text of an error without the place, and without the names of functions inside.
local function neutral(results)
	if not results[1] and type(results[2]) == "string" then
		local text = results[2]:gsub("^[^\n]-%.lua:%d+: ", "")
		results[2] = text:gsub("'[%w_.]+' %(", "'f' ("):gsub("rule '[^']*' may", "rule may"):gsub("empty loop in rule '[^']*'", "rule may be left recursive")
	end
	return results
end

local function try(re, defs, text, subject)
	local compiled = table.pack(pcall(re.compile, text, defs))
	if not compiled[1] then
		return neutral(compiled)
	end
	return neutral(table.pack(pcall(re.match, subject, compiled[2])))
end

local good, bad = 0, 0
for round = 1, times do
	local text = pattern()
	for _ = 1, 2 do
		local subject = {}
		for i = 1, random(0, 8) do subject[i] = pick { "a", "b", "c", " ", "\n", "1", "é" } end
		subject = table.concat(subject)
		local expected, got = try(theirs, their_definitions, text, subject), try(ours, definitions, text, subject)
		if not same(expected, got) then
			print(("round %d: %q on %q"):format(round, text, subject))
			print("expected", table.unpack(expected, 1, expected.n))
			print("got", table.unpack(got, 1, got.n))
			os.exit(1)
		end
		if got[1] then good = good + 1 else bad = bad + 1 end
	end
end
print(("the same: %d matched or not, %d raised"):format(good, bad))
