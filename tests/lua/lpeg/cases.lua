-- lpeg and re in a service: each function, what the manual promises, and what hostile patterns and subjects get.
local skynet = require "skynet"
local core = require "skynet.core"
local lpeg = require "lpeg"
local re = require "re"
local check = require "check"

local role, case = {}, {}

local P, R, S, V, C = lpeg.P, lpeg.R, lpeg.S, lpeg.V, lpeg.C

-- The results of a match as a table.
local function all(pattern, subject, ...)
	return { lpeg.match(pattern, subject, ...) }
end

function case.patterns()
	check.eq("version", lpeg.version, "LPeg 1.1.0")
	check.eq("type of a pattern", lpeg.type(P "a"), "pattern")
	check.eq("type of something else", lpeg.type "a", nil)
	check.eq("lpeg.P of a text", lpeg.match(P "ab", "abc"), 3)
	check.eq("of a number", { P(2):match "abc", P(4):match "abc", P(-4):match "abc", P(-3):match "abc" }, { 3, nil, 1, nil })
	check.eq("of a boolean", { P(true):match "", P(false):match "" }, { 1 })
	check.eq("of a function", P(function(_, at) return at + 1 end):match "abc", 2)
	check.eq("lpeg.S", (S "abc" ^ 1):match "cabx", 4)
	check.eq("lpeg.R", (R("az", "09") ^ 0):match "az09-", 5)
	check.eq("lpeg.utfR", (lpeg.utfR(0x4e00, 0x9fff) ^ 1):match "专举x", 7)
	check.eq("lpeg.B", (1 * lpeg.B "a" * 1):match "ab", 3)
	check.eq("and, not", { (#P "a" * 1):match "a", (-P "a" * 1):match "a" }, { 2 })
	check.eq("choice and difference", (("ab" + P "a" - "abc") ^ 1):match "aabab", 6)
	check.eq("repetitions", { (P "a" ^ 2):match "aaa", (P "a" ^ -2):match "aaa", (P "a" ^ 4):match "aaa" }, { 4, 3 })
	check.eq("lpeg.match from a place", { lpeg.match(C(1), "abc", 2), lpeg.match(C(1), "abc", -1) }, { "b", "c" })
	local classes = lpeg.locale()
	check.eq("lpeg.locale", (classes.alpha ^ 1 * classes.digit ^ 1):match "ab12", 5)
	local own = {}
	check.eq("into a table", lpeg.locale(own) == own and own.space:match " ", 2)
end

function case.captures()
	check.eq("lpeg.C", all(C(C "a" * 1), "ab"), { "ab", "a" })
	check.eq("lpeg.Cp", all(1 * lpeg.Cp(), "ab"), { 2 })
	check.eq("lpeg.Cc", all(lpeg.Cc(1, "x", false), ""), { 1, "x", false })
	check.eq("lpeg.Carg", all(lpeg.Carg(2), "", 1, "one", "two"), { "two" })
	check.eq("lpeg.Cg and lpeg.Cb", all(lpeg.Cg(C(1) * C(1), "pair") * 1 * lpeg.Cb "pair", "abc"), { "a", "b" })
	check.eq("lpeg.Ct", all(lpeg.Ct(C(1) * lpeg.Cg(C(1), "second") * C(1)), "abc"), { { "a", "c", second = "b" } })
	check.eq("lpeg.Cs", all(lpeg.Cs((P "a" / "<%0>" + 1) ^ 0), "banana"), { "b<a>n<a>n<a>" })
	check.eq("lpeg.Cf", all(lpeg.Cf(C(1) ^ 1, function(a, b) return b .. a end), "abc"), { "cba" })
	check.eq("lpeg.Cmt", all((lpeg.Cmt(C(1), function(_, at, c) return c ~= "c" and at, c:upper() end)) ^ 0, "abc"), { "A", "B" })
	check.eq("a string", all((C(1) * C(1)) / "%2%1%0%%", "ab"), { "baab%" })
	check.eq("a number", all((C(1) * C(1)) / 2, "ab"), { "b" })
	check.eq("a table", all((P(1) / { a = 1, b = false }) ^ 0, "abc"), { 1, false })
	check.eq("a function", all((C(1) ^ 0) / function(...) return select("#", ...), ... end, "ab"), { 2, "a", "b" })
	local sum = R "09" ^ 1 / tonumber * ("," * (R "09" ^ 1 / tonumber) % function(a, b) return a + b end) ^ 0
	check.eq("an accumulator", all(sum, "10,30,43"), { 83 })
end

function case.grammars()
	local balanced = P { "(" * ((1 - S "()") + V(1)) ^ 0 * ")" }
	check.eq("lpeg.V", { balanced:match "(a(b)c)d", balanced:match "(a(b c" }, { 8 })
	local function fails(name, text, rules)
		check.fails(name, text, P, rules)
	end
	fails("left recursion", "rule 'x' may be left recursive", { "x", x = P "a" ^ -1 * V "x" })
	fails("a loop", "empty loop in rule 'x'", { "x", x = V "y" ^ 0, y = P "" })
	fails("undefined", "rule 'y' undefined in given grammar", { "x", x = V "y" })
	fails("no rule", "initial rule 'x' is not a pattern", { "x", x = 1 })
	check.fails("no grammar", "rule 'x' used outside a grammar", lpeg.match, V "x", "")
	check.fails("an endless loop", "loop body may accept empty string", function() return P "" ^ 0 end)
end

-- The memory of the machine and its limits.
function case.limits()
	local deep = P { "a" * V(1) + "a" }
	check.fails("the stack's limit", "backtrack stack overflow (current limit is 400)", lpeg.match, deep, ("a"):rep(1000))
	lpeg.setmaxstack(3000)
	check.eq("lpeg.setmaxstack", lpeg.match(deep, ("a"):rep(1000)), 1001)
	check.fails("beyond it", "current limit is 3000", lpeg.match, deep, ("a"):rep(100000))
	lpeg.setmaxstack(400)
	check.eq("a million times", { (P "ab" ^ 1000000):match(("ab"):rep(1000001)), (P "ab" ^ 1000000):match "abab" }, { 2000003 })
	check.eq("at most a million", (P "ab" ^ -1000000):match(("ab"):rep(1000001)), 2000001)
	check.fails("a billion squared", "number too large", function() return P "a" ^ (10 ^ 18 // 1) end)
	local nested = C(1)
	for _ = 1, 300 do nested = lpeg.Ct(nested) end
	check.fails("nested captures", "subcapture nesting too deep", lpeg.match, nested, "a")
	local texts = C(1)
	for _ = 1, 100000 do texts = lpeg.Cs(texts) if _ == 5000 then break end end
	check.eq("nested substitutions end somehow", type(select(2, pcall(lpeg.match, texts, "a"))), "string")
	-- Exponential, ten million steps or so.
	local slow = P { (V(2) * V(2)) * "x", P "a" ^ 1 * "b" + P "a" ^ 0 * "c" + "a" }
	check.eq("backtracking", slow:match(("a"):rep(1000)), nil)
	local quadratic = (#(P "a" ^ 0 * "b") * 1 + P "a") ^ 0
	check.eq("ten million steps", quadratic:match(("a"):rep(4500)), 4501)
	check.eq("many captures", #lpeg.match(lpeg.Ct(lpeg.Cp() * (1 * lpeg.Cp()) ^ 0), ("x"):rep(300000)), 300001)
	check.fails("too many results", "too many", lpeg.match, lpeg.Cp() * (1 * lpeg.Cp()) ^ 0, ("x"):rep(3000000))
end

-- Functions that fail, suspend, or match themselves, in the middle of a match.
function case.functions_inside()
	local boom = lpeg.Cmt(C(1) ^ 1, function() error { "thrown" } end)
	local ok, thrown = pcall(lpeg.match, lpeg.Cs(1 * boom), "abc")
	check.eq("an error goes through", { ok, thrown[1] }, { false, "thrown" })
	for _ = 1, 1000 do
		pcall(lpeg.match, lpeg.Ct((C(1) / 1) ^ 0 * boom), "abc")
	end
	check.eq("and leaves nothing", lpeg.match(lpeg.Ct(C(1) ^ 0), "ab"), { "a", "b" })
	local suspend = coroutine.wrap(function()
		return pcall(lpeg.match, P(function() coroutine.yield(1) return true end), "a")
	end)
	check.eq("a match can't be suspended", { suspend() }, { false, "attempt to yield across a C-call boundary" })
	local function inner(_, at, text)
		return at, lpeg.match(lpeg.Cs((P "a" / "b" + 1) ^ 0), text)
	end
	check.eq("matches in matches", all(lpeg.Cs((lpeg.Cmt(C(S "ab" ^ 1), inner) + 1) ^ 0), "aabxa"), { "bbbxb" })
	local deep = 0
	local function again()
		deep = deep + 1
		return lpeg.match(P(1) / again, "a")
	end
	check.eq("for ever", { pcall(again), deep > 50 }, { false, true })
	check.eq("the position it returns", { pcall(lpeg.match, P(function() return 7 end), "a") },
		{ false, "invalid position returned by match-time capture" })
	local before = collectgarbage "count"
	for _ = 1, 200 do
		lpeg.match(lpeg.Ct(C(1) ^ 0), ("x"):rep(2000))
	end
	collectgarbage()
	check.ok("memory goes back", collectgarbage "count" < before + 1000)
end

function case.regular()
	check.eq("re.find", { re.find("the number 423 is odd", "[0-9]+") }, { 12, 14 })
	check.eq("not there", re.find("abc", "[0-9]"), nil)
	check.eq("re.match", { re.match("the number 423 is odd", "({%a+} / .)*") }, { "the", "number", "is", "odd" })
	check.eq("re.gsub", re.gsub("hello World", "[aeiou]", "."), "h.ll. W.rld")
	local reverse = re.compile [[ R <- (!.) -> '' / ({.} R) -> '%2%1' ]]
	check.eq("re.compile", reverse:match "0123456789", "9876543210")
	local sum = re.compile("sum <- number (',' number >> add)* number <- %d+ -> tonumber", {
		tonumber = tonumber, add = function(a, b) return a + b end,
	})
	check.eq("definitions", sum:match "1,20,300", 321)
	re.updatelocale()
	check.eq("re.updatelocale", re.match("ä1", "%a / {%x}"), nil)
	check.fails("a mistake", "pattern error near '-'", re.compile, "'a' -")
	check.fails("an unknown name", "undefined name: f", re.compile, "'a' -> f")
	check.fails("an unknown class", "name 'zz' undefined", re.compile, "[%zz]")
	check.fails("a rule twice", "'x' already defined as a rule", re.compile, "x <- 'a' x <- 'b'")
	check.fails("brackets without end", "", re.compile, ("("):rep(200000))
	check.fails("no text", "string expected, got table", re.compile, {})
end

-- The functions above again, by many services at a time: nothing is shared between them.
function role.worker()
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, text)
			local list = lpeg.Ct(C(R "az" ^ 1) * ("," * C(R "az" ^ 1)) ^ 0)
			skynet.retpack(list:match(text))
		end)
	end)
end

-- A match that would take longer than anybody waits: each of its ends is tried in each way.
local function endless()
	return lpeg.match(P { "S", S = "a" * V "S" * "b" + "a" * V "S" * "c" + P "a" * V "S" * "d" }, ("a"):rep(100))
end

-- As many calls, which all succeed and take nothing.
local function calls()
	local rules = { "r1", r60 = P "a" ^ -1 }
	for i = 1, 59 do
		local next_rule = V("r" .. i + 1)
		rules["r" .. i] = next_rule * next_rule
	end
	return lpeg.match(P(rules), "b")
end

-- As many turns of repetitions.
local function turns()
	local pattern = #C(1)
	for _ = 1, 12 do
		pattern = pattern * pattern * pattern * pattern * pattern * pattern * pattern * pattern
		pattern = P { pattern * lpeg.V "x" + pattern, x = P(false) }
	end
	return lpeg.match(pattern, "a")
end

function role.stuck(what)
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, ...)
			if ... then
				return skynet.retpack(...)
			end
			local ok, why = pcall(({ endless = endless, calls = calls, turns = turns })[what])
			skynet.retpack(ok, why)
		end)
	end)
end

function case.interrupted()
	for _, what in ipairs { "endless", "calls", "turns" } do
		local stuck = check.spawn("stuck", what)
		local result
		skynet.fork(function()
			result = { skynet.call(stuck, "lua") }
		end)
		skynet.sleep(10)
		check.eq(what .. ": it does not end", result, nil)
		core.command("SIGNAL", skynet.address(stuck) .. " 0")
		check.ok(what .. ": it has ended", check.wait(function() return result end))
		check.ok(what .. ": by the signal", not result[1] and result[2]:find "signal 0$", result[2])
		check.eq(what .. ": it works", skynet.call(stuck, "lua", "x"), "x")
	end
end

function case.services()
	local got = 0
	for _ = 1, 10 do
		local worker = check.spawn "worker"
		for _ = 1, 10 do
			got = got + #skynet.call(worker, "lua", "a,b,c")
		end
	end
	check.eq("lists", got, 300)
end

return check.main(role, case, ...)
