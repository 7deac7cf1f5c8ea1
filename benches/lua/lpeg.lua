-- lpeg beside LPeg itself, in one process: the same programs, the same subjects, in turns.
--
--     skynet lua benches/lua/lpeg.lua FOLDER
--
-- FOLDER has LPeg's lpeg.so, compiled against the headers of `skynet headers`, and its re.lua.

local folder = arg[1]
local ours, our_re = require "lpeg", require "re"
local theirs, their_re

if folder then
	package.loaded.lpeg = assert(package.loadlib(folder .. "/lpeg.so", "luaopen_lpeg"))()
	theirs, their_re = package.loaded.lpeg, dofile(folder .. "/re.lua")
	package.loaded.lpeg = ours
end

-- Subjects -----------------------------------------------------------------------------------------------------------

local items = {}
for i = 1, 200 do
	items[i] = ('{"id": %d, "name": "item %d", "price": %.2f, "tags": ["a", "b\\n", "c"], "sold": %s, "note": null}')
		:format(i, i, i * 1.37, i % 2 == 0 and "true" or "false")
end
local json = "[" .. table.concat(items, ",\n ") .. "]"

local rows = {}
for i = 1, 500 do
	rows[i] = ('%d,plain text,"quoted, with ""quotes""",%f,last'):format(i, i / 7)
end
local csv = table.concat(rows, "\n") .. "\n"

local terms = {}
for i = 1, 500 do
	terms[i] = ("(%d + %d * 3) / 7 - %d"):format(i, i + 1, i)
end
local sums = table.concat(terms, " + ")

local words = {}
for i = 1, 5000 do
	words[i] = ("lorem ipsum dolor sit amet consectetur"):sub(i % 20 + 1)
end
local text = table.concat(words, " ")
local haystack = text .. " needle"
local identifiers = ("if foo then while bar do return baz end else local x end "):rep(100)

-- Workloads: a name, the size of the subject, and what makes the function to run -------------------------------------

local workloads = {
	{ "JSON to tables", #json, function(m)
		local P, R, S, V, C, Cg, Ct, Cc, Cs = m.P, m.R, m.S, m.V, m.C, m.Cg, m.Ct, m.Cc, m.Cs
		local space = S " \t\r\n" ^ 0
		local function token(p) return p * space end
		local escapes = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/" }
		local plain = 1 - S '"\\'
		local string = '"' * (C(plain ^ 0) * '"' + Cs((plain ^ 1 + "\\" * C(1) / escapes) ^ 0) * '"')
		local digits = R "09" ^ 1
		local number = P "-" ^ -1 * digits * ("." * digits) ^ -1 * (S "eE" * S "+-" ^ -1 * digits) ^ -1 / tonumber
		local grammar = P { V "value" * -1,
			value = token(string + number + V "object" + V "array" + P "true" * Cc(true) + P "false" * Cc(false) + P "null" * Cc(nil)),
			array = token "[" * Ct((V "value" * (token "," * V "value") ^ 0) ^ -1) * "]",
			object = token "{" * (Ct "" * (V "pair" * (token "," * V "pair") ^ 0) ^ -1) * "}",
			pair = Cg(token(string) * token ":" * V "value") % rawset,
		}
		return function() return grammar:match(json) end
	end },
	{ "JSON, only checked", #json, function(m)
		local P, R, S, V = m.P, m.R, m.S, m.V
		local space = S " \t\r\n" ^ 0
		local string = '"' * ((1 - S '"\\') ^ 1 + "\\" * P(1)) ^ 0 * '"' * space
		local digits = R "09" ^ 1
		local number = P "-" ^ -1 * digits * ("." * digits) ^ -1 * space
		local grammar = P { V "value" * -1,
			value = string + number + V "object" + V "array" + (P "true" + "false" + "null") * space,
			array = "[" * space * (V "value" * ("," * space * V "value") ^ 0) ^ -1 * "]" * space,
			object = "{" * space * (V "pair" * ("," * space * V "pair") ^ 0) ^ -1 * "}" * space,
			pair = string * ":" * space * V "value",
		}
		return function() return grammar:match(json) end
	end },
	{ "CSV to tables", #csv, function(m)
		local quoted = '"' * m.Cs(((m.P(1) - '"') + m.P '""' / '"') ^ 0) * '"'
		local field = quoted + m.C((1 - m.S ',\n"') ^ 0)
		local record = m.Ct(field * ("," * field) ^ 0) * "\n"
		local all = m.Ct(record ^ 0)
		return function() return all:match(csv) end
	end },
	{ "arithmetic", #sums, function(m)
		local V = m.V
		local space = m.S " \t" ^ 0
		local function apply(a, op, b)
			return op == "+" and a + b or op == "-" and a - b or op == "*" and a * b or a / b
		end
		local grammar = space * m.P { "sum",
			sum = V "product" * (m.C(m.S "+-") * space * V "product" % apply) ^ 0,
			product = V "factor" * (m.C(m.S "*/") * space * V "factor" % apply) ^ 0,
			factor = m.R "09" ^ 1 / tonumber * space + "(" * space * V "sum" * ")" * space,
		} * -1
		return function() return grammar:match(sums) end
	end },
	{ "search by a rule", #haystack, function(m)
		local search = m.P { m.Cp() * "needle" + 1 * m.V(1) }
		return function() return search:match(haystack) end
	end },
	{ "search by a loop", #haystack, function(m)
		local search = (1 - m.P "needle") ^ 0 * m.Cp()
		return function() return search:match(haystack) end
	end },
	{ "words, captured", #text, function(m)
		local word = m.C(m.R "az" ^ 1)
		local list = m.Ct((word + 1) ^ 0)
		return function() return list:match(text) end
	end },
	{ "keywords", #identifiers, function(m)
		local keyword = m.P "if" + "then" + "else" + "end" + "while" + "do" + "return" + "local"
		local name = m.R("az", "__") * m.R("az", "09", "__") ^ 0
		local keywords = keyword * -m.R("az", "09", "__")
		local list = ((keywords * m.Cc "k" + name) * m.P " " ^ 0) ^ 0 / 0
		return function() return list:match(identifiers) end
	end },
	{ "substitution", #text, function(m)
		local all = m.Cs((m.P "dolor" / "DOLOR" + 1) ^ 0)
		return function() return all:match(text) end
	end },
	{ "a long span", #text, function(m)
		local span = m.R("az", "AZ", "  ") ^ 0
		return function() return span:match(text) end
	end },
	{ "to the end of a line", #text, function(m)
		local line = (1 - m.P "\n") ^ 0
		return function() return line:match(text) end
	end },
	{ "a short match", 10, function(m)
		local p = m.C(m.R "az" ^ 1) * " " * m.C(m.R "09" ^ 1)
		return function() return p:match "hello 2026" end
	end },
	{ "re: records", #csv, function(_, re)
		local all = re.compile [[
			all <- {| record* |} !.
			record <- {| field (',' field)* |} %nl
			field <- '"' {~ ([^"] / '""' -> '"')* ~} '"' / { [^,"%nl]* }
		]]
		return function() return all:match(csv) end
	end },
	{ "re: find", #haystack, function(_, re)
		return function() return re.find(haystack, "'needle' / 'pin'") end
	end },
	{ "re: compile", 60, function(_, re)
		return function() return re.compile "S <- '(' ([^()] / S)* ')' / {[a-z]+} -> {}" end
	end },
}

-- Seconds of one run: the best of several rounds.
local function measure(f)
	local times = 1
	while true do
		local start = os.clock()
		for _ = 1, times do f() end
		local took = os.clock() - start
		if took > 0.04 then
			return took / times
		end
		times = took > 0.002 and math.ceil(times * 0.05 / took) or times * 8
	end
end

local only = arg[2]
print("| workload | here, µs | MB/s | LPeg, µs | times as fast |")
print("|---|---:|---:|---:|---:|")
for _, workload in ipairs(workloads) do
	local name, size, make = table.unpack(workload)
	if not only or name:find(only, 1, true) then
		local mine, other = make(ours, our_re), theirs and make(theirs, their_re)
		local best, others = math.huge, math.huge
		for _ = 1, 5 do
			best = math.min(best, measure(mine))
			others = other and math.min(others, measure(other)) or 0
		end
		print(("| %s | %.3g | %.0f | %s | %s |"):format(name, best * 1e6, size / best / 1e6,
			other and ("%.3g"):format(others * 1e6) or "–", other and ("%.2f"):format(others / best) or "–"))
	end
end
