-- Runs every recorded case of the pack format through skynet.pack, packstring and unpack.
-- The Rust side writes the cases as the Lua file vectors_seri.lua.
local skynet = require "skynet"
local core = require "skynet.core"
local check = require "check"

local role, case = {}, {}

local function bytes(hex)
	return (hex:gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end))
end

local function hex(text)
	return (text:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function pattern(item)
	local unit = bytes(item["repeat"])
	return unit:rep(item.n // #unit + 1):sub(1, item.n)
end

-- A byte string of a vector: hex text, or an object with parts.
local function data(value)
	if type(value) == "string" then
		return bytes(value)
	end
	local parts = {}
	for i, item in ipairs(assert(value.concat, "a summary cannot be rebuilt")) do
		parts[i] = type(item) == "string" and bytes(item) or pattern(item)
	end
	return table.concat(parts)
end

-- Light userdata come out of the codec itself: type 3, eight bytes.
local function pointer(digits)
	return skynet.unpack(string.pack("<I1I8", 3, tonumber(digits:sub(1, 8), 16) << 32 | tonumber(digits:sub(9), 16)))
end

local value

local function fill(t, list)
	for _, pair in ipairs(list) do
		t[value(pair[1])] = value(pair[2])
	end
	return t
end

local build = {
	["nil"] = function() end,
	bool = function(v) return v.v end,
	int = function(v) return math.tointeger(v.v) end,
	num = function(v) return (string.unpack(">d", bytes(v.bits))) end,
	str = function(v) return v.hex and bytes(v.hex) or v["repeat"] and pattern(v) or data(v) end,
	lightuserdata = function(v) return pointer(v.v) end,
	lua_function = function() return function() end end,
	["function"] = function() return print end,
	lua_thread = function() return coroutine.create(print) end,
	userdata = function() return io.stdout end,
}

function build.table(v)
	local t = {}
	if v.array_range then
		for i = math.tointeger(v.array_range[1]), math.tointeger(v.array_range[2]) do
			t[#t + 1] = i
		end
	else
		for i, item in ipairs(v.array) do
			t[i] = value(item)
		end
	end
	return fill(t, v.hash)
end

function build.nest(v)
	local t = value(v.leaf)
	for _ = 1, v.depth do
		t = { [v.kind == "array" and 1 or value(v.key)] = t }
	end
	return t
end

function build.table_pairs(v)
	return setmetatable({ "not this" }, { __pairs = function()
		local i = 0
		return function()
			i = i + 1
			if v.pairs[i] then
				return value(v.pairs[i][1]), value(v.pairs[i][2])
			end
		end
	end })
end

function build.table_pairs_error(v)
	return setmetatable({}, { __pairs = function()
		if v.when == "__pairs returns nil" then
			return nil
		elseif v.when == "first iteration" then
			return function() error(v.error, 0) end
		end
		error(v.error, 0)
	end })
end

function value(v)
	return (assert(build[v.t], v.t)(v))
end

local function values(list)
	local out = { n = #list }
	for i, item in ipairs(list) do
		out[i] = value(item)
	end
	return out
end

-- Equality with bit patterns of floats: 0.0 and -0.0 differ, NaN equals the same NaN. Table keys in tables go by content.
local function same(a, b)
	if type(a) ~= type(b) or math.type(a) ~= math.type(b) then
		return false
	elseif math.type(a) == "float" then
		return string.pack("d", a) == string.pack("d", b)
	elseif type(a) ~= "table" then
		return a == b
	end
	local rest, n = {}, 0
	for k, v in next, b do
		rest[k] = v
		n = n + 1
	end
	for k, v in next, a do
		n = n - 1
		local found = k
		if rest[k] == nil and type(k) == "table" then
			for other in next, rest do
				if type(other) == "table" and same(k, other) then
					found = other
				end
			end
		end
		if rest[found] == nil or not same(v, rest[found]) then
			return false
		end
		rest[found] = nil
	end
	return n == 0
end

local function same_list(a, b)
	if a.n ~= b.n then
		return false
	end
	for i = 1, a.n do
		if not same(a[i], b[i]) then
			return false
		end
	end
	return true
end

-- Texts of the Lua VM only tell that there is an error; the codec's own are exact.
local own_text = { "^Invalid serialize stream ", "^serialize can't pack", "^Unsupport type ", "^deserialize null", "^boom", "^iter boom" }

local function matches(v, message)
	message = tostring(message)
	local want = v.error_norm or v.error
	for _, start in ipairs(own_text) do
		if want:find(start) then
			local stem = want:match "^(.*) %(line:" or want
			return message:find(stem, 1, true) ~= nil
		end
	end
	return true
end

-- Both packing functions, as text or as the text of their error.
local function packed_both_ways(...)
	local ok, text = pcall(skynet.packstring, ...)
	local ok2, msg, size = pcall(skynet.pack, ...)
	if ok ~= ok2 then
		return false, "pack and packstring disagree"
	elseif not ok then
		return false, text, msg
	end
	local copy = core.tostring(msg, size)
	core.trash(msg, size)
	if copy ~= text then
		return false, "pack and packstring differ"
	end
	return true, text
end

local op = {}

function op.pack(v)
	local args = values(v.args)
	local ok, text = packed_both_ways(table.unpack(args, 1, args.n))
	if v.error then
		return not ok and matches(v, text), text
	elseif not ok then
		return false, text
	end
	local want = type(v.bytes) == "table" and not v.bytes.concat and v.bytes or data(v.bytes)
	if type(want) == "table" then
		if #text ~= want.len or hex(text:sub(1, 64)) ~= want.head or hex(text:sub(-64)) ~= want.tail then
			return false, "length, head or tail of " .. #text
		end
	elseif v.order_free then
		if #text ~= #want then
			return false, hex(text)
		end
	elseif text ~= want then
		return false, hex(text:sub(1, 100))
	end
	if v.category == "pack-pairs" then
		return true
	end
	local back = table.pack(skynet.unpack(text))
	return same_list(back, v.decoded and values(v.decoded) or args), check.show(back)
end

function op.pack_lua(v)
	local ok, text = packed_both_ways(assert(load("return " .. v.lua))())
	if not ok or text ~= data(v.bytes) then
		return false, ok and hex(text) or text
	end
	return same_list(table.pack(skynet.unpack(text)), values(v.decoded))
end

function op.unpack(v)
	local got = table.pack(pcall(skynet.unpack, data(v.input)))
	if v.error or v.error_norm then
		return not got[1] and matches(v, got[2]), check.show(got)
	end
	return got[1] and same_list(table.pack(table.unpack(got, 2, got.n)), values(v.results)), check.show(got)
end

function op.unpack_arg(v)
	local null = pointer "0000000000000000"
	local args = {
		["nil"] = { nil, n = 1 },
		["null pointer, size 0"] = { null, 0, n = 2 },
		["null pointer, size 4"] = { null, 4, n = 2 },
	}
	local list = assert(args[v.arg])
	local got = table.pack(pcall(skynet.unpack, table.unpack(list, 1, list.n)))
	if v.error then
		return not got[1] and matches(v, got[2]), check.show(got)
	end
	return got[1] and got.n == 1, check.show(got)
end

function case.all()
	local n = 0
	for _, v in ipairs(dofile "vectors_seri.lua") do
		local ok, passed, why = pcall(op[v.op], v)
		check.ok(v.op .. " " .. v.name, ok and passed, ok and why or passed)
		n = n + 1
	end
	check.eq("cases", n, tonumber(skynet.getenv "cases"))
end

-- The same values through real messages: the receiver unpacks a pointer, not a string.
function role.echo()
	check.serve { echo = function(...) return ... end }
end

function case.through_messages()
	local to = check.spawn "echo"
	for _, v in ipairs(dofile "vectors_seri.lua") do
		if v.op == "pack" and not v.error and v.category ~= "pack-pairs" then
			local args = values(v.args)
			local got = table.pack(skynet.call(to, "lua", "echo", table.unpack(args, 1, args.n)))
			check.ok(v.name, same_list(got, v.decoded and values(v.decoded) or args), check.show(got))
		end
	end
end

function case.arguments()
	check.returns("no values", { n = 0 }, skynet.unpack, "")
	check.returns("nothing", { n = 0 }, skynet.unpack)
	check.returns("empty pack", { "" }, skynet.packstring)
	local block, size = skynet.pack(1)
	check.fails("no size", "number expected", skynet.unpack, block)
	skynet.trash(block, size)
	check.fails("a number", "deserialize null pointer", skynet.unpack, 5, 1)
	check.fails("NaN key", "", skynet.unpack, "\6" .. string.pack("<I1d", 0x42, 0 / 0) .. "\9\0")
	local t = {}
	t.t = t
	check.fails("a cycle", "serialize can't pack too depth table", skynet.packstring, t)
	check.fails("a thread", "Unsupport type thread to serialize", skynet.packstring, coroutine.create(print))
	check.fails("a function among many", "Unsupport type function to serialize", skynet.packstring, 1, 2, { { print } })
	-- Failing in the middle many times must leave nothing behind.
	for _ = 1, 10000 do
		pcall(skynet.pack, ("x"):rep(1000), { 1, 2, print })
	end
	check.eq("it still works", { skynet.unpack(skynet.packstring(1, "x")) }, { 1, "x" })
	local big = ("k"):rep(128 * 1024)
	local back = skynet.unpack(skynet.packstring { [big] = big })
	check.ok("large keys", back[big] == big)
end

-- __pairs that does what it should not: waiting, packing, changing the table, collecting.
function case.nasty_pairs()
	local function with(f)
		return setmetatable({}, { __pairs = f })
	end
	check.eq("packs meanwhile", skynet.unpack(skynet.packstring(with(function()
		return function(_, k)
			if not k then
				return "inner", skynet.packstring("x", { 1, 2, 3 })
			end
		end
	end))), { inner = skynet.packstring("x", { 1, 2, 3 }) })
	check.ok("waits", not pcall(skynet.packstring, with(function()
		skynet.sleep(1)
		return next, {}
	end)))
	check.eq("collects", skynet.unpack(skynet.packstring(with(function()
		return function(_, k)
			collectgarbage()
			if (k or 0) < 20 then
				return (k or 0) + 1, { ("y"):rep(100) }
			end
		end
	end))) ~= nil, true)
	check.fails("an error object", "custom", skynet.packstring, with(function()
		error(setmetatable({}, { __tostring = function() return "custom" end }))
	end))
	check.eq("it still works", skynet.unpack(skynet.packstring "z"), "z")
end

-- Lua code that runs while an outer table is being packed takes its current key away: `next` has no way on.
function case.pairs_that_change_the_outer_table()
	local function outer(change)
		local t = {}
		for i = 1, 20 do
			t["key" .. i] = setmetatable({}, { __pairs = function(inner)
				change(t)
				return next, inner
			end })
		end
		return t
	end
	local function empty(t)
		for k in next, t do
			t[k] = nil
		end
		for i = 1, 100 do
			t[i + 0.5] = i
		end
	end
	local big = ("x"):rep(1 << 20)
	local ended = {}
	for _ = 1, 1000 do
		local ok, err = pcall(skynet.packstring, big, outer(empty))
		ended[#ended + 1] = ok and "packed" or err:find "invalid key to 'next'" and "refused" or err
	end
	check.eq("always the same", { ended[1], ended[1000] }, { "refused", "refused" })
	local count = 0
	for _ in next, skynet.unpack(skynet.packstring(outer(function(t) t.key1 = false end))) do
		count = count + 1
	end
	check.eq("a harmless change", count, 20)
	local file <close> = assert(io.open "/proc/self/statm")
	local _, pages = file:read("n", "n")
	check.ok("no buffer is lost", pages * 4096 < 600 << 20, pages)
end

-- Tables of every size, of one kind of keys and of several, whose keys collide as they like.
function case.tables_of_all_sizes()
	local sizes = {}
	for n = 0, 70 do
		sizes[#sizes + 1] = n
	end
	for _, n in ipairs { 100, 127, 128, 129, 130, 200, 255, 256, 257, 300, 1000, 5000 } do
		sizes[#sizes + 1] = n
	end
	local keys = {
		elements = function(i) return i end,
		names = function(i) return "key" .. i end,
		sparse = function(i) return i * 64 end,
		negative = function(i) return -i end,
		huge = function(i) return i << 40 end,
		floats = function(i) return i + 0.5 end,
		long = function(i) return ("k"):rep(50) .. i end,
		pointers = function(i) return pointer(("%016x"):format(i << 4)) end,
		mixed = function(i)
			return i % 5 == 0 and i or i % 5 == 1 and "m" .. i or i % 5 == 2 and i + 0.25 or i % 5 == 3 and -i or ("m"):rep(60) .. i
		end,
	}
	local bad, seen = {}, 0
	for kind, key in pairs(keys) do
		for _, n in ipairs(sizes) do
			local t, count = {}, 0
			for i = 1, n do
				t[key(i)] = i % 3 == 0 and { i } or i
			end
			local text = skynet.packstring(t, { t }, { inner = t })
			local u, list, named = skynet.unpack(text)
			for k, v in next, u do
				count = count + 1
				if not check.same(t[k], v) or not check.same(list[1][k], v) or not check.same(named.inner[k], v) then
					bad[#bad + 1] = kind .. n
				end
			end
			-- Tables that were unpacked are tables as any others.
			u.more, u[key(n + 1)] = 1, 2
			for i = 1, n, 2 do
				u[key(i)] = nil
			end
			local left = 0
			for _ in next, u do
				left = left + 1
			end
			if count ~= n or left ~= n // 2 + 2 or #skynet.packstring(u) == 0 then
				bad[#bad + 1] = kind .. n .. ": " .. count .. ", " .. left
			end
			seen = seen + 1
		end
	end
	check.eq("same", bad, {})
	check.eq("seen", seen, 9 * #sizes)
end

-- Streams that no packer writes: keys that come twice, nil as a value, elements that pairs set again.
function case.pairs_given_twice()
	local function int(n)
		return n == 0 and "\2" or n > 0 and n < 256 and string.char(10, n) or string.pack("<Bi4", 34, n)
	end
	local function name(text)
		return string.char(4 | #text << 3) .. text
	end
	local none = "\0"
	-- 3 elements, then pairs
	local function unpacked(...)
		return skynet.unpack("\x1e" .. int(7) .. int(8) .. int(9) .. table.concat { ... } .. none)
	end
	check.eq("the last one counts", unpacked(name "a", int(1), name "b", int(2), name "a", int(3)), { 7, 8, 9, a = 3, b = 2 })
	check.eq("nil takes away", unpacked(name "a", int(1), name "b", int(2), name "a", none), { 7, 8, 9, b = 2 })
	check.eq("nil and again", unpacked(name "a", none, name "a", int(1), name "c", none), { 7, 8, 9, a = 1 })
	check.eq("elements again", unpacked(int(2), int(5), int(3), none), { 7, 5 })
	check.eq("floats are integers", unpacked("\x42" .. string.pack("<d", 2), int(5), int(2), int(6)), { 7, 6, 9 })
	local list, want = {}, { 7, 8, 9 }
	for round = 1, 3 do
		for i = 1, 100 do
			list[#list + 1] = name("k" .. i) .. (i % 7 == round and none or int(round))
			want["k" .. i] = i % 7 ~= round and round or nil
			list[#list + 1] = int(i * 31 - 1600) .. int(i % 200)
			want[i * 31 - 1600] = i % 200
		end
	end
	check.eq("many", unpacked(table.unpack(list)), want)
	check.fails("a table as NaN's value", "NaN", unpacked, name "a", int(1), "\x42" .. string.pack("<d", 0 / 0), int(1))
end

-- Long strings may stay in the message that they came in: nobody notices, but for the memory that it does not take.
function role.big(limit)
	if limit then
		skynet.memlimit(tonumber(limit))
	end
	local memory = require "skynet.memory"
	local kept = {}
	check.serve {
		echo = function(...) return ... end,
		length = function(s, ...) return #s, select("#", ...) end,
		-- What Lua does with the byte behind a string: comparing goes up to it.
		compare = function(s) return s < s .. "a", s .. "a" < s, s == ("x"):rep(#s), tonumber(s) == nil end,
		keep = function(s) kept[#kept + 1] = s end,
		kept = function()
			local same = true
			for i, s in ipairs(kept) do
				same = same and #s == 1 << 20 and not s:find("[^" .. string.char(64 + i) .. "]")
			end
			return #kept, same, collectgarbage "count", memory.current() / 1024
		end,
		drop = function()
			kept = {}
			collectgarbage()
			return collectgarbage "count", memory.current() / 1024
		end,
	}
end

function case.long_strings()
	local to = check.spawn "big"
	local sizes = { 16383, 16384, 32767, 32768, 32769, 40000, 65535, 65536, 100000, 1 << 20, 3000001 }
	for _, n in ipairs(sizes) do
		local s, t = ("ab\0c"):rep(n // 4 + 1):sub(1, n), ("x"):rep(n)
		local list = table.pack(skynet.call(to, "lua", "echo", s))
		check.ok("alone " .. n, list.n == 1 and list[1] == s)
		list = table.pack(skynet.call(to, "lua", "echo", 1, s, 2, "end"))
		check.ok("in the middle " .. n, list.n == 4 and list[1] == 1 and list[2] == s and list[3] == 2 and list[4] == "end")
		list = table.pack(skynet.call(to, "lua", "echo", s, t))
		check.ok("two " .. n, list.n == 2 and list[1] == s and list[2] == t)
		local back = skynet.call(to, "lua", "echo", { { key = s }, [s] = { s }, 3 })
		check.ok("in tables " .. n, back[1].key == s and back[s][1] == s and back[2] == 3)
		check.returns("compared " .. n, { true, false, true, true }, skynet.call, to, "lua", "compare", t, "5")
		check.returns("small beside it " .. n, { n, 2 }, skynet.call, to, "lua", "length", t, true, { "z" })
	end
	for i = 1, 26 do
		skynet.send(to, "lua", "keep", string.char(64 + i):rep(1 << 20))
		skynet.call(to, "lua", "length", ("garbage"):rep(10000))
	end
	local n, same, lua, account = skynet.call(to, "lua", "kept")
	check.eq("all are there", { n, same }, { 26, true })
	check.ok("and count as memory", lua > 26 * 1024 and lua < 30 * 1024, lua)
	check.ok("of the service", account > 26 * 1024 and account < 30 * 1024, account)
	lua, account = skynet.call(to, "lua", "drop")
	check.ok("until they are dropped", lua < 1024 and account < 1024, lua .. " " .. account)
	for _ = 1, 1000 do
		skynet.call(to, "lua", "length", ("y"):rep(1 << 20))
	end
	local file <close> = assert(io.open "/proc/self/statm")
	local _, pages = file:read("n", "n")
	check.ok("garbage goes in time", pages * 4096 < 300 << 20, pages)
	local limited = check.spawn("big", 8 << 20)
	for i = 1, 26 do
		pcall(skynet.call, limited, "lua", "keep", string.char(64 + i):rep(1 << 20))
	end
	n, same, lua, account = skynet.call(limited, "lua", "kept")
	check.ok("the limit holds", n >= 5 and n < 8 and same and lua < 8 * 1024 and account < 8 * 1024, n .. " " .. account)
	lua, account = skynet.call(limited, "lua", "drop")
	check.ok("and it goes on", lua < 1024 and account < 1024 and skynet.call(limited, "lua", "length", ("z"):rep(1 << 20)) == 1 << 20)
end

-- A table whose `__pairs` names a key several times: the last value counts. Those before may be garbage while the rest is still
-- being read out of the block that they own.
function case.long_strings_that_are_replaced()
	local to = check.spawn "big"
	local big, tail = ("x"):rep(200000), {}
	for i = 1, 4000 do
		tail[i] = "value number " .. i
	end
	local function pairs_of(...)
		local list = { ... }
		return setmetatable({}, { __pairs = function()
			local i = -1
			return function()
				i = i + 2
				return list[i], list[i + 1]
			end
		end })
	end
	for _ = 1, 50 do
		check.returns("by name", { { a = 1 }, tail }, skynet.call, to, "lua", "echo", pairs_of("a", big, "a", 1), tail)
		check.returns("by number", { { tail, 5 }, tail }, skynet.call, to, "lua", "echo", pairs_of(1, big, 2, 5, 1, tail), tail)
		check.returns("a key of nothing", { {}, tail }, skynet.call, to, "lua", "echo", pairs_of(big), tail)
	end
end

-- `dispatch_message` takes strings, too. They are Lua's, whatever the caller says of them.
function role.redispatch()
	local ended = 0
	skynet.dispatch("lua", function(_, _, s, answer)
		ended = ended + (#s == 100000 and answer == 7 and 1 or 0)
	end)
	core.callback(function(kind, _, _, session, source)
		if kind ~= skynet.PTYPE_LUA then
			return
		end
		for i = 1, 50 do
			skynet.dispatch_message(skynet.PTYPE_LUA, skynet.packstring(("s"):rep(100000), 7), nil, 0, source, true)
			if i % 10 == 0 then
				collectgarbage()
			end
		end
		core.send(source, skynet.PTYPE_RESPONSE, session, skynet.packstring(ended))
	end)
end

function case.strings_are_dispatched()
	local to = check.launch "redispatch"
	check.eq("all arrive", skynet.call(to, "lua"), 50)
end

-- How deep unpacking goes beyond 250 levels depends on the build; it ends in an error and not in a crash.
function case.deep()
	local function depth(n)
		local ok, value = pcall(skynet.unpack, ("\14"):rep(n) .. "\10\7" .. ("\0"):rep(n))
		if not ok then
			return value
		end
		local levels = 0
		while type(value) == "table" do
			value, levels = value[1], levels + 1
		end
		return levels
	end
	check.eq("250 levels", depth(250), 250)
	local refused = "tables are nested too deeply to unpack"
	for _, n in ipairs { 300, 1000, 3000, 10000, 30000, 100000, 300000 } do
		local got = depth(n)
		check.ok(("%d levels"):format(n), got == n or got:find(refused, 1, true), got)
	end
	check.fails("ten million levels", refused, skynet.unpack, ("\14"):rep(10000000))
end

-- Random bytes never crash: they give values or an error.
function case.random_bytes()
	local seed = 42
	local function random(n)
		seed = (seed * 6364136223846793005 + 1442695040888963407)
		return (seed >> 33) % n
	end
	local ok, failed = 0, 0
	for _ = 1, 20000 do
		local list = {}
		for i = 1, random(40) + 1 do
			list[i] = string.char(random(256))
		end
		if pcall(skynet.unpack, table.concat(list)) then
			ok = ok + 1
		else
			failed = failed + 1
		end
	end
	check.ok("both happened", ok > 0 and failed > 0, ok .. " " .. failed)
end

-- A service under a memory limit that packs and unpacks whatever it is told to, and goes on after every failure.
function role.limited(bytes)
	skynet.memlimit(tonumber(bytes))
	local method = {}

	function method.unpack(bytes)
		local block, size = skynet.pack(bytes)
		local copy = skynet.unpack(block, size)
		skynet.trash(block, size)
		return pcall(skynet.unpack, copy)
	end

	-- Values of all types, nested, with shared and cyclic tables and what cannot be packed now and then.
	function method.values(seed)
		math.randomseed(seed)
		local random = math.random
		local tables = {}
		local function value(depth)
			local r = random(depth > 6 and 8 or 13)
			if r == 1 then
				return random(-10, 10)
			elseif r == 2 then
				return random(0)
			elseif r == 3 then
				return ({ 0.1, -0.0, 1 / 0, 2.0 ^ 53, -1.5 })[random(5)]
			elseif r == 4 then
				return random(2) == 1
			elseif r == 5 then
				return ("s"):rep(random(0, 40))
			elseif r == 6 then
				return ("long"):rep(random(0, 20000))
			elseif r == 7 then
				return random(50) == 1 and print or "x"
			elseif r == 8 then
				return random(50) == 1 and tables[random(#tables + 1)] or 1
			end
			local t = {}
			tables[#tables + 1] = t
			for i = 1, random(0, 6) do
				t[i] = value(depth + 1)
			end
			for _ = 1, random(0, 4) do
				t[tostring(value(7)):sub(1, 60)] = value(depth + 1)
			end
			return t
		end
		local list = table.pack(pcall(function()
			local t = {}
			for i = 1, random(1, 5) do
				t[i] = value(0)
			end
			return t
		end))
		if not list[1] then
			return "memory"
		end
		local ok, text = pcall(skynet.packstring, table.unpack(list[2]))
		if not ok then
			return "unpackable"
		end
		local unpacked, equal = pcall(function()
			return skynet.packstring(skynet.unpack(text)) and check.same(list[2], { skynet.unpack(text) })
		end)
		return not unpacked and "memory" or equal and "same" or "different"
	end

	check.serve(method)
end

function case.under_a_memory_limit()
	local to = check.spawn("limited", 4 << 20)
	math.randomseed(7)
	local ends = {}
	for n = 1, 200 do
		local ok, result = pcall(skynet.call, to, "lua", "values", n)
		result = ok and result or "failed"
		ends[result] = (ends[result] or 0) + 1
	end
	check.eq("what is unpacked is what was packed", ends.different, nil)
	check.ok("all ends happen", ends.same and ends.unpackable, check.show(ends))
	-- Headers that promise more than there is, and tables in tables.
	local heads = { "\x06", "\x0e", "\xfe\xfa\xff\xff\xff\x7f", "\xf6", "\x0a\xff", "\x14\xff\xff", "\x24\xff\xff\xff\x7f", "\x00", "\x12", "\x22", "\x42" }
	local read, refused = 0, 0
	for _ = 1, 1500 do
		local list = {}
		for i = 1, math.random(60) do
			list[i] = math.random(3) == 1 and heads[math.random(#heads)] or string.char(math.random(0, 255))
		end
		local ok, unpacked = pcall(skynet.call, to, "lua", "unpack", table.concat(list))
		if ok and unpacked then
			read = read + 1
		else
			refused = refused + 1
		end
	end
	check.ok("some could be read, some not", read > 0 and refused > 0, read .. " " .. refused)
	check.returns("too deep", { false }, function()
		return (skynet.call(to, "lua", "unpack", ("\x0e"):rep(100000)))
	end)
	check.returns("it goes on", { true, 1, "x" }, skynet.call, to, "lua", "unpack", skynet.packstring(1, "x"))
end

return check.main(role, case, ...)
