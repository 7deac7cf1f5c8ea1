-- Random values and texts, by cjson as it is built from its sources and by ours. Run by `skynet lua`, with the library
-- on package.cpath: what both say has to be the same. Arguments: how many, and a seed.
local theirs = require "cjson"
local ours = require "skynet.json.core".cjson
local theirs_safe, ours_safe = require "cjson.safe", require "skynet.json.core".safe
assert(theirs ~= ours and theirs.encode ~= ours.encode)

local count, seed = tonumber(arg[1]), tonumber(arg[2])
math.randomseed(seed)
local random = math.random

local compared = 0
local function fail(what, input, a, b)
	error(("%s of %s:\ncjson: %s\nours:  %s"):format(what, input, a, b), 0)
end

-- Texts of errors name a function by where it is found.
local function plain(text)
	return type(text) == "string" and text:gsub("to '[^']*'", "to '?'") or text
end

local function same(a, b)
	if type(a) ~= type(b) then return false end
	-- A long integer keeps its digits with us.
	if math.type(b) == "integer" then return a == b or a == b * 1.0 end
	if type(a) ~= "table" then return a == b or a ~= a and b ~= b end
	for k, v in pairs(a) do
		if not same(v, b[k]) then return false end
	end
	for k in pairs(b) do
		if a[k] == nil then return false end
	end
	return true
end

local function floats()
	local kind = random(9)
	if kind == 1 then return random() end
	if kind == 2 then return (random() - 0.5) * 10 ^ random(-20, 20) end
	if kind == 3 then return random(-1000, 1000) / 4 end
	if kind == 4 then return string.unpack("d", string.pack("i8", random(0))) end
	if kind == 5 then return random(0, 99999999999999) / 10 ^ random(0, 14) end
	if kind == 6 then return ({ 0.0, -0.0, 1e14, 1e15, 99999999999999.5, 5e-324, 1.7976931348623157e308, 0.1, 1e-4, 1e-5 })[random(10)] end
	-- Halves of the last digit that is written.
	if kind == 7 then return (random(0, 2 ^ 43) * 2 + 1) / 2 ^ random(1, 8) end
	if kind == 8 then return random(0, 10) < 9 and 1.0 * random(-100, 100) or ({ 1 / 0, -1 / 0, 0 / 0 })[random(3)] end
	return random(-2 ^ 53, 2 ^ 53) * 1.0
end

local function text()
	local n, bytes = random(0, random(4) == 1 and 60 or 12), {}
	for i = 1, n do
		bytes[i] = random(5) == 1 and random(0, 255) or random(97, 122)
	end
	return string.char(table.unpack(bytes))
end

-- Integers keep all their digits, which those of the version that is built do not: no more than it writes.
local digits = 14
local function integer()
	local most = 10 ^ digits // 1 | 0
	return random(3) == 1 and random(1 - most, most - 1) or random(-200, 200) % most
end

local function value(depth)
	local kind = random(depth > 3 and 7 or 11)
	if kind == 1 then return random(2) == 1 end
	if kind == 2 then return integer() end
	if kind == 3 then return floats() end
	if kind <= 5 then return text() end
	if kind == 6 then return theirs.null end
	if kind == 7 then return random(40) == 1 and print or "" end
	local t = {}
	local n = random(0, depth == 0 and random(8) == 1 and 300 or 5)
	if kind <= 9 then
		for i = 1, n do t[i] = value(depth + 1) end
		if random(6) == 1 then t[random(1, 40)] = value(depth + 1) end
		if random(12) == 1 then t[n // 2 + 1] = nil end
	else
		for _ = 1, n do
			local k = random(10)
			-- With one setting, a large index is as many elements; beyond 31 bits it overflows in the library.
			if k == 1 then k = integer() % 90 - 5 elseif k == 2 and random(30) == 1 then k = true elseif k == 3 then k = random(9) + 0.5 else k = text() end
			t[k] = value(depth + 1)
		end
	end
	return t
end

local words = { "{", "}", "[", "]", ",", ":", "true", "false", "null", '"a"', '"b\\n"', '"\\u00e4"', '"\\ud83d\\ude00"',
	"1", "-1", "0", "-0", "1.5", "1e5", "1E-3", "0x1F", "0x.8p2", "007", "+1", "-", ".5", "1.", "1.e3", "inf", "-Infinity", "NaN",
	"nan(1)", "nul", "tru", "x", "\0", " ", "\n", "\t", '"', "\\", '"\\q"', '"\\u12"', '"\\ud800"', "12345678901234567890", "1e400",
	"'", "/", "//", "\1", "\255", "{}", "[]", '{"k":', "[1,", "i", "n", "N", "--1", "- 1", "1e", "1e+", "0x", "-inf", "+inf" }

local function document()
	if random(3) > 1 then
		local ok, made = pcall(theirs.encode, value(0))
		if not ok then return "" end
		-- Something else at a place or two.
		for _ = 1, random(0, 2) do
			local at = random(0, #made)
			local word = random(3) == 1 and "" or words[random(#words)]
			made = made:sub(1, at) .. word .. made:sub(at + 1 + random(0, 2))
		end
		return made
	end
	local parts = {}
	for i = 1, random(1, 12) do parts[i] = words[random(#words)] end
	return table.concat(parts, random(2) == 1 and " " or "")
end

local function both(what, input, f, g, ...)
	local a, b = table.pack(pcall(f, ...)), table.pack(pcall(g, ...))
	compared = compared + 1
	for i = 1, math.max(a.n, b.n) do
		if not same(plain(a[i]), plain(b[i])) then
			fail(what, input, tostring(a[i]) .. " " .. tostring(a[2]), tostring(b[i]) .. " " .. tostring(b[2]))
		end
	end
	return a[1], a[2], b[2]
end

local settings = {
	{ "encode_sparse_array", { true, false, "on", "off", "no", 7 }, { 0, 1, 2, 3, -1, 2.5, "x" }, { 0, 3, 10, 1 } },
	{ "encode_max_depth", { 1, 3, 1000, 0, "5", {} } },
	{ "decode_max_depth", { 1, 3, 1000, 0, 2 ^ 31 } },
	{ "encode_number_precision", { 1, 2, 3, 7, 13, 14, 15, 0, "five" } },
	{ "encode_keep_buffer", { true, false, "on", 1 } },
	{ "encode_invalid_numbers", { true, false, "null", "off", "x" } },
	{ "decode_invalid_numbers", { true, false, "null", print } },
}

local function set(a, b)
	for _ = 1, random(0, 3) do
		local setting = settings[random(#settings)]
		local args = {}
		for i = 2, random(1, #setting) do args[i - 1] = setting[i][random(#setting[i])] end
		if random(10) == 1 then args[#setting] = true end
		both(setting[1], "settings", a[setting[1]], b[setting[1]], table.unpack(args))
	end
end

for i = 1, count do
	local a, b = theirs.new(), ours.new()
	local a_safe, b_safe = theirs_safe.new(), ours_safe.new()
	digits = 14
	if random(3) == 1 then set(a, b) end
	digits = a.encode_number_precision()
	for _ = 1, 10 do
		local made = value(0)
		local ok, encoded = both("encode", "a value", a.encode, b.encode, made)
		if ok then both("decode", encoded, a.decode, b.decode, encoded) end
		both("safe encode", "a value", a_safe.encode, b_safe.encode, made)
		local read = document()
		local shown = ("%q"):format(read)
		local good, x = both("decode", shown, a.decode, b.decode, read)
		if good then both("encode", shown, a.encode, b.encode, x) end
		both("safe decode", shown, a_safe.decode, b_safe.decode, read)
	end
end

-- Arguments that are none, and depth.
for _, f in ipairs { "encode", "decode" } do
	both(f, "nothing", theirs[f], ours[f])
	both(f, "two", theirs[f], ours[f], 1, 2)
	both(f, "safe nothing", theirs_safe[f], ours_safe[f])
	both(f, "safe table", theirs_safe[f], ours_safe[f], {})
	both(f, "number", theirs[f], ours[f], 12)
	both(f, "nil", theirs[f], ours[f], nil)
	both(f, "function", theirs[f], ours[f], print)
end
local cycle = {} cycle[1] = cycle
both("encode", "a cycle", theirs.encode, ours.encode, cycle)
both("decode", "deep", theirs.decode, ours.decode, ("["):rep(1001))
both("decode", "deep", theirs.decode, ours.decode, ('{"a":'):rep(1000))
print("compared " .. compared)
