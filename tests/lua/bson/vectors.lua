-- Runs every recorded case through bson. The Rust side writes them as vectors_bson.lua.
local skynet = require "skynet"
local bson = require "bson"
local crypt = require "skynet.crypt"
local check = require "check"
local recorded = require "recorded"

local role, case, run, special = {}, {}, {}, {}
local value

function special.null() return bson.null end
function special.minkey() return bson.minkey end
function special.maxkey() return bson.maxkey end
function special.date(v) return bson.date(math.tointeger(tonumber(v.v))) end
function special.int64(v) return bson.int64(math.tointeger(tonumber(v.v))) end
function special.binary(v) return bson.binary(recorded.data(v.v)) end
function special.regex(v) return bson.regex(v.pattern, v.opt) end
function special.objectid(v) return bson.objectid(v.v) end

function special.timestamp(v)
	return bson.timestamp(math.tointeger(tonumber(v.v)), math.tointeger(tonumber(v.inc)))
end

function special.raw(v)
	return "\0" .. string.char(v.subtype) .. recorded.data(v.hex)
end

-- A recorded value as a Lua value.
function value(v)
	local t = v.t
	if t == "bson" then
		if v.raw then
			return recorded.bytes(v.raw)
		end
		return special[v.kind](v)
	elseif t == "lua_function" then
		return function() end
	elseif t == "lua_thread" then
		return coroutine.create(function() end)
	elseif t == "nest" then
		local inner = value(v.leaf)
		for _ = 1, v.depth do
			inner = { [v.kind == "array" and 1 or value(v.key)] = inner }
		end
		return inner
	elseif t == "table_len" then
		local items = {}
		for i, item in ipairs(v.items) do
			items[i] = value(item)
		end
		return setmetatable({}, { __len = function() return v.len end, __index = items })
	elseif t == "table_pairs" then
		local i = 0
		return setmetatable({}, {
			__pairs = function()
				return function()
					i = i + 1
					local pair = v.pairs[i]
					if pair then
						return value(pair[1]), value(pair[2])
					end
				end
			end,
		})
	elseif t == "table" then
		local result = {}
		for i, item in ipairs(v.array or {}) do
			result[i] = value(item)
		end
		if v.array_range then
			for i = tonumber(v.array_range[1]), tonumber(v.array_range[2]) do
				result[i] = i
			end
		end
		for _, pair in ipairs(v.hash) do
			result[value(pair[1])] = value(pair[2])
		end
		return result
	end
	return recorded.value(v)
end

-- The bytes of a recorded document; nil if only a summary was kept.
local function bytes_of(v)
	if type(v) == "string" or v.hex or v.concat or v["repeat"] then
		return recorded.data(v)
	end
end

local function compare(v, document)
	local got = tostring(document)
	check.eq(v.name .. " length", { #document, #got }, { v.length, v.length })
	local want = bytes_of(v.bytes)
	if not want then
		check.eq(v.name .. " sum", crypt.hexencode(crypt.sha256(got)), v.bytes.sha256)
	elseif not v.order_free then
		check.ok(v.name, got == want, "other bytes")
	end
	check.eq(v.name .. " decoded", document:decode(), value(v.decoded))
	check.eq(v.name .. " decoded by address", bson.decode(bson.to_lightuserdata(document)), value(v.decoded))
end

function run.encode(v)
	if v.error then
		return check.fails(v.name, v.error, function() return bson.encode(value(v.doc)) end)
	end
	compare(v, bson.encode(value(v.doc)))
end

function run.encode_order(v)
	local args = { n = #v.args }
	for i, arg in ipairs(v.args) do
		args[i] = value(arg)
	end
	if v.error then
		return check.fails(v.name, v.error, bson.encode_order, table.unpack(args, 1, args.n))
	end
	compare(v, bson.encode_order(table.unpack(args, 1, args.n)))
end

-- Bytes get into a document by way of a block that looks like one.
local function decode(bytes)
	local driver = require "skynet.socketdriver"
	local block, size = driver.str2p(bytes)
	local result = table.pack(pcall(bson.decode, block))
	driver.drop(block, size)
	return table.unpack(result, 1, result.n)
end

function run.decode(v)
	local ok, got = decode(bytes_of(v.input))
	if v.error then
		return check.ok(v.name, not ok and got:find(v.error, 1, true), got)
	end
	check.eq(v.name, { ok, got }, { true, value(v.decoded) })
	local function walk(recorded_value, found)
		for _, pair in ipairs(recorded_value.hash) do
			local want = pair[2]
			if want.t == "bson" and want.values then
				local got_type = table.pack(bson.type(found[value(pair[1])]))
				check.eq(v.name .. " type", got_type[1], want.kind)
				for i, part in ipairs(want.values) do
					check.eq(v.name .. " part", got_type[i + 1], value(part))
				end
			end
		end
	end
	walk(v.decoded, got)
end

function run.type(v)
	if v.error then
		return check.fails(v.name, v.error, bson.type, value(v.value))
	end
	local want = { n = #v.results }
	for i, item in ipairs(v.results) do
		want[i] = value(item)
	end
	check.returns(v.name, want, bson.type, value(v.value))
end

local constructor = {
	minkey = function() return bson.minkey end,
	maxkey = function() return bson.maxkey end,
	null = function() return bson.null end,
}

function run.constructor(v)
	local want = recorded.bytes(v.bytes)
	if constructor[v.constructor] then
		return check.eq(v.name, constructor[v.constructor](), want)
	end
	-- The arguments that they were recorded with.
	local made = {
		binary = bson.binary "ab",
		regex_noopt = bson.regex "a",
		timestamp = bson.timestamp(1000, 3),
	}
	check.eq(v.name, made[v.constructor], want)
end

function case.all()
	for _, v in ipairs(require "vectors_bson") do
		run[v.op](v)
	end
end

-- Examples of the specification, in order.
function case.published()
	local document = bson.encode_order("a", 1, "b", "x", "c", 1.5, "d", true, "e", { 1, 2 }, "f", {}, "g", bson.null,
		"h", 1 << 40)
	check.eq("encode_order", tostring(document), recorded.bytes(
		"5000000010610001000000026200020000007800016300000000000000f83f086400010465001300000010300001000000103100020000"
		.. "000003660005000000000a6700126800000000000001000000"))
	document = bson.encode_order("o", bson.objectid "0123456789abcdef01234567", "t", bson.date(1), "b", bson.binary "zz",
		"r", bson.regex("p", "i"), "s", bson.timestamp(5, 6))
	check.eq("special values", tostring(document), recorded.bytes(
		"3b000000076f000123456789abcdef01234567097400e80300000000000005620002000000007a7a0b72007000690011730006000000"
		.. "0500000000"))
end

function case.ids()
	local seen = {}
	for _ = 1, 1000 do
		local id = bson.objectid()
		check.ok("an id", #id == 14 and not seen[id])
		seen[id] = true
	end
	local _, hex = bson.type(bson.objectid())
	check.ok("of now", math.abs(tonumber(hex:sub(1, 8), 16) - os.time()) < 20, hex)
	local _, _, first = bson.type(bson.timestamp(1))
	local _, _, second = bson.type(bson.timestamp(1))
	check.eq("increments", second, first + 1)
end

-- Fields of a fixed size can be written over in place.
function case.makeindex()
	local document = bson.encode_order("i", 1, "l", 1 << 40, "d", 1.5, "b", false, "s", "text", "t", bson.date(1),
		"o", bson.objectid "0123456789abcdef01234567", "ts", bson.timestamp(1, 2))
	check.fails("no index", "call makeindex first", function() document.i = 2 end)
	check.ok("itself", document:makeindex() == document)
	document.i, document.l, document.d, document.b = -5, 7, 2.25, true
	document.t, document.ts = bson.date(9), bson.timestamp(3, 4)
	document.o = bson.objectid "ffffffffffffffffffffffff"
	check.eq("decoded", document:decode(), {
		i = -5, l = 7, d = 2.25, b = true, s = "text", t = bson.date(9), ts = bson.timestamp(3, 4),
		o = bson.objectid "ffffffffffffffffffffffff",
	})
	check.fails("text", "Can't replace key : s", function() document.s = "other" end)
	check.fails("no such key", "Can't replace key : zz", function() document.zz = 1 end)
	check.fails("another type", "Type mismatch, need bson type 9", function() document.t = bson.timestamp(1, 1) end)
	check.fails("too large", "must be a 32bit integer ", function() document.i = 1 << 40 end)
	check.fails("no number", "number expected", function() document.d = "x" end)
	check.eq("unchanged", { document:decode().i, document:decode().d }, { -5, 2.25 })
end

-- A document inside another one, as userdata and by its address.
function case.embedded()
	local inner = bson.encode { x = 1 }
	local document = bson.encode_order("a", inner, "b", bson.to_lightuserdata(inner))
	check.eq("both", document:decode(), { a = { x = 1 }, b = { x = 1 } })
	check.returns("nothing for a number", { n = 0 }, bson.decode, 1)
end

-- What somebody sends: an error, nothing else.
function case.hostile()
	local function refused(name, bytes, text)
		local ok, got = decode(bytes)
		check.ok(name, not ok and got:find(text, 1, true), got)
	end
	refused("shorter than an empty one", "\4\0\0\0\0\0\0\0", "Invalid bson block (-1:1)")
	refused("a negative length", "\255\255\255\255\0", "Invalid bson block (-6:1)")
	refused("an inner negative length", "\13\0\0\0\3k\0\255\255\255\255\0\0", "Invalid bson block (-6:1)")
	refused("an inner document that takes the outer end", "\12\0\0\0\3k\0\5\0\0\0\0", "Invalid bson block (0:1)")
	refused("a binary of negative length", "\13\0\0\0\5k\0\255\255\255\255\0\0", "length = -1")
	local depth = 10000
	local deep = {}
	for i = 1, depth do
		deep[i] = string.pack("<i4", 5 + 8 * (depth - i)) .. (i < depth and "\3k\0" or "")
	end
	deep[#deep + 1] = ("\0"):rep(depth)
	refused("10,000 documents in each other", table.concat(deep), "Too depth while decoding bson")
	-- Any cut and any changed byte of a good document.
	local good = tostring(bson.encode_order("a", 1, "b", { 1, { x = "y" } }, "c", bson.regex("p", "i"), "d", bson.binary "zz"))
	for i = 1, #good do
		for _, byte in ipairs { 0, 1, 3, 5, 11, 15, 127, 128, 255 } do
			if i > 4 then
				decode(good:sub(1, i - 1) .. string.char(byte) .. good:sub(i + 1))
			end
		end
	end
	check.eq("the good one", select(2, decode(good)).a, 1)
end

-- Tables that go wrong while they are read.
function case.nasty_tables()
	local function fails(name, text, t)
		check.fails(name, text, bson.encode, t)
	end
	fails("__pairs raises", "on purpose", setmetatable({}, { __pairs = function() error "on purpose" end }))
	fails("__len raises", "on purpose", { a = setmetatable({}, { __len = function() error "on purpose" end }) })
	fails("__len is no integer", "__len should return integer", { a = setmetatable({}, { __len = function() return "x" end }) })
	local endless = {}
	endless.a = endless
	fails("a table in itself", "Too depth while encoding bson", endless)
	fails("a zero byte in a key", "Invalid key", { ["a\0b"] = 1 })
	fails("a key that is a table", "Invalid key type : table", { [{}] = 1 })
	fails("no table", "table expected, got number", 1)
	check.eq("an array with holes behind its end", #bson.encode { a = { 1, 2, nil, 4 } } > 5, true)
	check.eq("after all that", bson.encode({ a = 1 }):decode(), { a = 1 })
end

return check.main(role, case, ...)
