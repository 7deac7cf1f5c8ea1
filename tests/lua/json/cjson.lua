-- cjson and cjson.safe: what lies beside the comparison with the library.
local check = require "check"
local cjson = require "cjson"
local safe = require "cjson.safe"

local role, case = {}, {}
local fails = check.fails

function case.values()
	check.eq("name", cjson._NAME .. " " .. cjson._VERSION, "cjson 2.1.0")
	check.eq("array", cjson.encode { 1, "a", true, cjson.null }, '[1,"a",true,null]')
	check.eq("object", cjson.encode { key = "a/b" }, [[{"key":"a\/b"}]])
	check.eq("float", cjson.encode(1 / 3), "0.33333333333333")
	check.eq("integer", cjson.encode(math.maxinteger), "9223372036854775807")
	check.eq("integer read", cjson.decode "9223372036854775807", math.maxinteger)
	check.eq("its type", math.type(cjson.decode "1"), "integer")
	check.eq("a float's", math.type(cjson.decode "1.0"), "float")
	check.eq("too large", cjson.decode "9223372036854775808", 2 ^ 63)
	check.eq("null", cjson.decode "null", cjson.null)
	check.eq("escapes", cjson.decode [["\u00e4\ud83d\ude00\n"]], "ä😀\n")
	check.eq("same key twice", cjson.decode('{"a":1,"a":2}').a, 2)
	check.eq("empty", cjson.encode {}, "{}")
	check.eq("holes", cjson.encode { [3] = 1 }, "[null,null,1]")
	fails("many holes", "Cannot serialise table: excessively sparse array", cjson.encode, { [30] = 1 })
	fails("function", "Cannot serialise function: type not supported", cjson.encode, print)
	fails("where", "cjson.lua:", function() local text = cjson.encode(print) return text end)
	local large = {}
	for i = 1, 5000 do large[i] = { id = i, name = "n" .. i } end
	local back = cjson.decode(cjson.encode(large))
	check.eq("large array", #back, 5000)
	check.eq("its last", back[5000].name, "n5000")
	local wide = {}
	for i = 1, 5000 do wide["key" .. i] = i end
	back = cjson.decode(cjson.encode(wide))
	local same = 0
	for k, v in pairs(wide) do same = same + (back[k] == v and 1 or 0) end
	check.eq("large object", same, 5000)
end

function case.arrays()
	check.eq("empty_array", cjson.encode { a = cjson.empty_array }, '{"a":[]}')
	check.eq("empty_array_mt", cjson.encode(setmetatable({}, cjson.empty_array_mt)), "[]")
	check.eq("of one with content", cjson.encode(setmetatable({ a = 1 }, cjson.empty_array_mt)), '{"a":1}')
	check.eq("array_mt", cjson.encode(setmetatable({ 1, 2, a = 3 }, cjson.array_mt)), "[1,2]")
	check.eq("array_mt, empty", cjson.encode(setmetatable({}, cjson.array_mt)), "[]")
	check.eq("the same in both", cjson.array_mt, safe.array_mt)
	local own = cjson.new()
	check.eq("decode_array_with_array_mt", own.decode_array_with_array_mt(true), true)
	check.eq("there and back", own.encode(own.decode '{"a":[]}'), '{"a":[]}')
	check.eq("not in the module", cjson.encode(cjson.decode '{"a":[]}'), '{"a":{}}')
	check.eq("encode_empty_table_as_object", own.encode_empty_table_as_object(false), false)
	check.eq("all empty ones", own.encode { {} }, "[[]]")
	check.eq("encode_escape_forward_slash", own.encode_escape_forward_slash(false), false)
	check.eq("slash", own.encode "a/b", '"a/b"')
	check.eq("encode_skip_unsupported_value_types", own.encode_skip_unsupported_value_types(true), true)
	check.eq("left out", own.encode { print, 1, print }, "[1]")
	check.eq("left out of an object", own.encode { f = print }, "{}")
end

function case.settings()
	local own = cjson.new()
	check.eq("encode_max_depth", own.encode_max_depth(), 1000)
	check.eq("decode_max_depth", own.decode_max_depth(2), 2)
	fails("too deep", "Found too many nested data structures (3) at character 3", own.decode, "[[[1]]]")
	check.eq("encode_number_precision", own.encode_number_precision(3), 3)
	check.eq("three digits", own.encode(math.pi), "3.14")
	check.eq("encode_keep_buffer", own.encode_keep_buffer(false), false)
	check.eq("without a buffer", own.encode { 1 }, "[1]")
	check.eq("encode_invalid_numbers", own.encode_invalid_numbers "null", "null")
	check.eq("nan", own.encode { 0 / 0 }, "[null]")
	check.eq("decode_invalid_numbers", own.decode_invalid_numbers(false), false)
	fails("hex", "invalid number", own.decode, "0x10")
	check.eq("of others", cjson.decode "0x10", 16.0)
	local convert, ratio, most = own.encode_sparse_array(true, 3, 4)
	check.eq("encode_sparse_array", convert, true)
	check.eq("ratio", ratio, 3)
	check.eq("safe", most, 4)
	check.eq("converted", own.encode { [20] = 1 }, '{"20":1}')
	fails("too many", "bad argument #2", own.encode_max_depth, 1, 2)
	fails("no option", "invalid option 'maybe'", own.encode_keep_buffer, "maybe")
end

function case.safe()
	local value, why = safe.decode "{"
	check.eq("nothing", value, nil)
	check.eq("why", why, "Expected object key string but found T_END at character 2")
	value, why = safe.encode(print)
	check.eq("nothing written", value, nil)
	check.eq("why not", why, "Cannot serialise function: type not supported")
	check.eq("fine", safe.encode(safe.decode "[1,2]"), "[1,2]")
	check.eq("new", safe.new().decode "x", nil)
	fails("arguments", "expected 1 argument", safe.decode)
end

-- Texts and tables that are made to hurt: an error, and the node goes on.
function case.hostile()
	local own = cjson.new()
	own.decode_max_depth(2147483647)
	own.encode_max_depth(2147483647)
	fails("a million brackets", "Found too many nested data structures", own.decode, ("["):rep(1000000))
	fails("a million objects", "Found too many nested data structures", own.decode, ('{"":'):rep(1000000))
	local cycle = {}
	cycle[1] = cycle
	fails("a cycle", "Cannot serialise, excessive nesting", own.encode, cycle)
	fails("an unfinished string", "unexpected end of string", own.decode, '"' .. ("x"):rep(1000000))
	fails("half an escape", "invalid unicode escape code", own.decode, '"\\ud800\\u')
	check.eq("many digits", own.decode(("1"):rep(1000000)), math.huge)
	check.eq("a large exponent", own.decode "1e999999999999", math.huge)
	check.eq("spaces", own.decode((" "):rep(1000000) .. "1"), 1)
	fails("zero bytes", "UTF-16", own.decode, "\0\0\0\0")
	fails("nothing", "T_END", own.decode, "")
	-- A finalizer that uses the same functions while a document is read.
	local texts = {}
	local function leave()
		setmetatable({}, { __gc = function()
			texts[#texts % 10 + 1] = own.encode { own.decode '"\\u0041\\n"' }
		end })
	end
	local document = own.encode { text = "a\nb", list = { 1, 2, { x = "c\td" } } }
	for _ = 1, 3000 do
		leave()
		local read = own.decode(document)
		assert(read.text == "a\nb" and read.list[3].x == "c\td" and own.encode(read.list[3]) == '{"x":"c\\td"}')
	end
	check.ok("finalizers", #texts > 0)
	for _, text in ipairs(texts) do check.eq("in a finalizer", text, '["A\\n"]') end
end

return check.main(role, case, ...)
