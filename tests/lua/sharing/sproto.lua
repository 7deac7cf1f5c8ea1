-- sproto, sprotoparser, sprotoloader, sproto.core and skynet.sharemap.
local skynet = require "skynet"
require "skynet.manager"
local sproto = require "sproto"
local parser = require "sprotoparser"
local core = require "sproto.core"
local check = require "check"

local role, case = {}, {}

local function bytes(hex)
	return (hex:gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end))
end

local function pattern(item)
	local unit = bytes(item["repeat"])
	return unit:rep(item.n // #unit + 1):sub(1, item.n)
end

-- A byte string of a vector: hex text, or an object with parts.
local function data(item)
	if type(item) == "string" then
		return bytes(item)
	elseif item.hex then
		return data(item.hex)
	elseif item["repeat"] then
		return pattern(item)
	end
	local parts = {}
	for i, part in ipairs(assert(item.concat, "a summary cannot be rebuilt")) do
		parts[i] = data(part)
	end
	return table.concat(parts)
end

local value

local build = {
	["nil"] = function() end,
	bool = function(v) return v.v end,
	int = function(v) return math.tointeger(v.v) end,
	num = function(v) return (string.unpack(">d", bytes(v.bits))) end,
	str = data,
}

-- An object that is iterated in this order by __pairs.
function build.table_pairs(v)
	local list = v.pairs
	return setmetatable({}, { __pairs = function()
		local i = 0
		return function()
			i = i + 1
			if list[i] then
				return value(list[i][1]), value(list[i][2])
			end
		end
	end })
end

function build.table(v)
	local t = {}
	if v.array_range then
		for i = math.tointeger(v.array_range[1]), math.tointeger(v.array_range[2]) do
			t[#t + 1] = i
		end
	end
	for i, item in ipairs(v.array or {}) do
		t[i] = value(item)
	end
	for _, pair in ipairs(v.hash) do
		t[value(pair[1])] = value(pair[2])
	end
	return t
end

function build.nest(v)
	local t = value(v.leaf)
	for _ = 1, v.depth do
		t = { [value(v.key)] = t }
	end
	return t
end

function value(v)
	if v["repeat"] and not v.t then
		return pattern(v)
	end
	return build[v.t or "str"](v)
end

local protos = {}

local function proto(name)
	protos[name] = protos[name] or sproto.parse(dofile "schemas.lua"[name])
	return protos[name]
end

-- Compares with recorded bytes, of which there may be only the length and both ends.
local function same_bytes(name, got, want)
	if type(want) == "string" or want.concat or want["repeat"] or want.hex then
		return check.ok(name, got == data(want), "other bytes")
	end
	check.eq(name .. " length", #got, want.len)
	check.ok(name .. " ends", got:sub(1, #want.head // 2) == bytes(want.head) and got:sub(-(#want.tail // 2)) == bytes(want.tail))
end

local run = {}

function run.parse(c)
	local ok, result = pcall(parser.parse, c.text)
	if c.bytes then
		return check.ok(c.name, ok and result == data(c.bytes), result)
	end
	local found = false
	for _, text in ipairs(c.error_any_of or { c.error }) do
		found = found or tostring(result):find(text, 1, true)
	end
	check.ok(c.name, not ok and found, result)
end

function run.encode(c)
	local sp = proto(c.schema)
	if c.error then
		return check.fails(c.name, c.error, sp.encode, sp, c.type, value(c.value))
	end
	local encoded = sp:encode(c.type, value(c.value))
	same_bytes(c.name, encoded, c.bytes)
	local decoded, size = sp:decode(c.type, encoded)
	check.eq(c.name .. " size", size, c.decoded_size)
	check.eq(c.name .. " decoded", decoded, value(c.decoded))
	same_bytes(c.name .. " packed", sproto.pack(encoded), c.packed)
	check.eq(c.name .. " pencode", sp:pencode(c.type, value(c.value)), sproto.pack(encoded))
	check.eq(c.name .. " pdecode", (sp:pdecode(c.type, sproto.pack(encoded))), decoded)
end

function run.decode(c)
	local sp = proto(c.schema)
	if c.error then
		return check.fails(c.name, c.error, sp.decode, sp, c.type, data(c.input))
	end
	check.returns(c.name, { value(c.decoded), c.decoded_size }, sp.decode, sp, c.type, data(c.input))
end

function run.pack(c)
	local packed = sproto.pack(value(c.input))
	same_bytes(c.name, packed, c.packed)
	check.eq(c.name .. " back", #sproto.unpack(packed), c.unpacked_len)
end

function run.unpack(c)
	if c.error then
		return check.fails(c.name, c.error, sproto.unpack, data(c.input))
	end
	same_bytes(c.name, sproto.unpack(data(c.input)), c.bytes)
end

local function optional(v)
	return v and value(v)
end

function run.rpc(c)
	local sp = proto(c.schema)
	local client, server = sp:host "package", sp:host()
	local request = client:attach(sp)
	local session = math.tointeger(c.session)
	if c.error then
		return check.fails(c.name, c.error, request, c.protocol, optional(c.args), session, optional(c.ud))
	end
	local message = request(c.protocol, optional(c.args), session, optional(c.ud))
	same_bytes(c.name .. " request", message, c.request)
	local kind, name, args, respond, ud = server:dispatch(message)
	local want = c.dispatch
	check.eq(c.name .. " dispatch", { kind, name, args, ud, respond ~= nil },
		{ want.kind, want.name, value(want.args), value(want.ud), want.has_response })
	if not respond then
		return
	end
	local answer = respond(optional(c.response_args), optional(c.response_ud))
	same_bytes(c.name .. " response", answer, c.response)
	want = c.response_dispatch
	check.returns(c.name .. " response dispatched",
		{ want.kind, math.tointeger(want.session), value(want.args), value(want.ud), n = 4 }, client.dispatch, client, answer)
	if c.second_response_error then
		check.fails(c.name .. " again", c.second_response_error, client.dispatch, client, answer)
	end
end

function run.dispatch(c)
	local host = proto(c.schema):host()
	if c.error then
		return check.fails(c.name, c.error, host.dispatch, host, data(c.input))
	end
	local got = table.pack(host:dispatch(data(c.input)))
	for i, want in ipairs(c.results) do
		if want.t == "function" then
			check.eq(c.name, type(got[i]), "function")
		else
			check.eq(c.name, got[i], value(want))
		end
	end
end

function run.host(c)
	local sp = proto(c.schema)
	check.fails(c.name, c.error, sp.host, sp)
end

function run.request_encode(c)
	local sp = proto(c.schema)
	check.returns(c.name, { data(c.bytes), c.tag }, sp.request_encode, sp, c.protocol, value(c.value))
end

function run.response_encode(c)
	local sp = proto(c.schema)
	check.returns(c.name, { data(c.bytes) }, sp.response_encode, sp, c.protocol, value(c.value))
end

function run.default(c)
	check.eq(c.name, proto(c.schema):default(c.type), value(c.result))
end

function case.recorded()
	local cases = dofile "vectors_sproto.lua"
	check.eq("all of them", #cases, math.tointeger(skynet.getenv "cases"))
	for _, c in ipairs(cases) do
		local ok, err = xpcall(run[c.op], debug.traceback, c)
		check.ok(c.name .. " runs", ok, err)
	end
end

local schema = [[
.package { type 0 : integer session 1 : integer ud 2 : string }
.KV { k 0 : string v 1 : integer }
.P { name 0 : string age 1 : integer ok 2 : boolean kids 3 : *P m 9 : *P(name) map 10 : *KV() fp 11 : integer(2) d 12 : double }
foo 1 { request { a 0 : integer } response { b 0 : string } }
bar 2 { response nil }
]]

function case.objects()
	local sp = sproto.parse(schema)
	check.eq("there", { sp:exist_type "P", sp:exist_type "Q", sp:exist_proto "foo", sp:exist_proto(2), sp:exist_proto "none" },
		{ true, false, true, true, false })
	local p = sp:queryproto "foo"
	check.eq("protocol", { p.name, p.tag, type(p.request), type(p.response) }, { "foo", 1, "userdata", "userdata" })
	check.ok("by number", sp:queryproto(1) == p)
	check.fails("unknown type", "type not found", sp.encode, sp, "Q", {})
	check.fails("unknown protocol", "none not found", sp.queryproto, sp, "none")
	check.fails("no schema", "no sproto schema", sproto.new, "nonsense")
	check.fails("no table", "table expected", sp.encode, sp, "P", 1)
	local default = sp:default "P"
	check.eq("default", { default.name, default.age, default.ok, default.fp, default.kids.__array, default.d },
		{ "", 0, false, 0.0, "P", 0.0 })
	check.eq("of a request", sp:default("foo", "REQUEST"), { a = 0 })
	check.eq("of a response", sp:default("foo", "RESPONSE"), { b = "" })
	check.eq("that has none", sp:default("bar", "REQUEST"), nil)
	local encoded = sp:encode("P", { name = "x", kids = { { age = 1 }, { age = 2 } } })
	-- A short string is packed as one byte and itself.
	local block, sz = skynet.pack(encoded:sub(1, 31))
	check.fails("a part of it from a block", "decode error", sp.decode, sp, "P", block, sz)
	skynet.trash(block, sz)
	check.fails("no bytes", "string expected", sp.decode, sp, "P", nil)
	check.returns("more than it needs", { { name = "x", kids = { { age = 1 }, { age = 2 } } }, #encoded }, sp.decode, sp, "P", encoded .. "rest")
end

-- Objects instead of tables: __index, __pairs, errors in them.
function case.metamethods()
	local sp = sproto.parse(schema)
	local lazy = setmetatable({}, { __index = function(_, key)
		if key == "name" then
			return "lazy"
		elseif key == "kids" then
			return setmetatable({}, { __index = function(_, i)
				if i <= 3 then
					return { age = i }
				end
			end })
		elseif key == "map" then
			return setmetatable({}, { __pairs = function() return next, { a = 1 } end })
		end
	end })
	check.eq("fields and elements", sp:decode("P", sp:encode("P", lazy)),
		{ name = "lazy", kids = { { age = 1 }, { age = 2 }, { age = 3 } }, map = { a = 1 } })
	local failing = setmetatable({}, { __index = function() error "on purpose" end })
	for _ = 1, 1000 do
		pcall(sp.encode, sp, "P", { name = ("x"):rep(1000), kids = failing })
	end
	check.fails("an error in one", "on purpose", sp.encode, sp, "P", { kids = failing })
	check.eq("and afterwards", sp:decode("P", sp:encode("P", { age = 3 })), { age = 3 })
	check.eq("keyed", sp:decode("P", sp:encode("P", { m = { x = { name = "k", age = 1 }, { name = "l" } } })),
		{ m = { k = { name = "k", age = 1 }, l = { name = "l" } } })
	check.fails("without key", "Can't find main index (tag=0) in [m]", sp.decode, sp, "P", sp:encode("P", { m = { { age = 1 } } }))
	check.fails("a circle", "The table is too deep", function()
		local t = {}
		t.kids = { t }
		sp:encode("P", t)
	end)
	check.fails("too large", "object is too large (>16777216)", sp.encode, sp, "P", { name = ("x"):rep(17 << 20) })
end

function role.other()
	check.serve {
		decode = function(slot, ...)
			return (require("sprotoloader").load(slot):decode(...))
		end,
	}
end

function case.loader()
	local loader = require "sprotoloader"
	local file = assert(io.open("schema.sproto", "w"))
	file:write(schema)
	file:close()
	loader.register("schema.sproto", 3)
	loader.save(parser.parse ".Other { x 0 : integer }", 4)
	local sp = loader.load(3)
	local encoded = sp:encode("P", { age = 7 })
	check.eq("in another service", skynet.call(check.spawn "other", "lua", "decode", 3, "P", encoded), { age = 7 })
	check.ok("another slot", loader.load(4):exist_type "Other")
	check.fails("an empty slot", "nil sproto at index 5", loader.load, 5)
	check.fails("no slot", "Invalid global slot index 16", loader.load, 16)
	check.fails("no slot to save in", "Invalid global slot index -1", loader.save, parser.parse "", -1)
	check.ok("no file", not pcall(loader.register, "none.sproto", 0))
	loader.save(parser.parse ".New { x 0 : integer }", 3)
	check.ok("replaced", loader.load(3):exist_type "New" and sp:exist_type "P")
	core.deleteproto(sp.__cobj)
	check.eq("types stay", (sp:decode("P", encoded)), { age = 7 })
	core.dumpproto(loader.load(3).__cobj)
	parser.dump "abc"
end

-- The exchange that is recorded for skynet (C).
function case.rpc()
	local sp = sproto.parse(schema)
	local client, server = sp:host(), sp:host()
	local request = client:attach(sp)
	local function hex(text)
		return (text:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
	end
	check.eq("request", hex(request("foo", { a = 7 }, 1)), "55020404010110")
	check.eq("without session", hex(request("foo", { a = 7 })), "5501040110")
	check.eq("with user data", hex(request("foo", { a = 7 }, 2, "U")), "15030406b10155011000")
	local _, name, args, respond = server:dispatch(request("foo", { a = 7 }, 1))
	check.eq("arrives", { name, args }, { "foo", { a = 7 } })
	local answer = respond { b = "z" }
	check.eq("response", hex(answer), "550201040144017a")
	check.returns("arrives", { "RESPONSE", 1, { b = "z" }, nil, n = 4 }, client.dispatch, client, answer)
	_, _, _, respond = server:dispatch(request("bar", nil, 3))
	check.eq("without content", hex(respond()), "15020108")
	check.fails("unasked", "Unknown session", server.dispatch, server, answer)
	check.fails("no session", "session not found", server.dispatch, server, sproto.pack(sp:encode("package", {})))
end

-- The core fills the table it is given, by assignment.
function case.decode_into()
	local sp = sproto.parse(schema)
	local p = core.querytype(sp.__cobj, "P")
	local text = core.encode(p, { name = "abc", age = 9, kids = { { age = 1 } } })
	local into = { name = "old", ok = "kept" }
	local got, size = core.decode(p, text, into)
	check.ok("the same table", got == into)
	check.eq("all of it", into, { name = "abc", age = 9, kids = { { age = 1 } }, ok = "kept" })
	check.eq("size", size, #text)
	local msg, sz = skynet.pack(1)
	skynet.trash(msg, sz)
	local log = {}
	core.decode(p, text, setmetatable({}, { __newindex = function(t, k, v) log[#log + 1] = k rawset(t, k, v) end }))
	table.sort(log)
	check.eq("what its metatable sees", log, { "age", "kids", "name" })
	check.ok("a new one", core.decode(p, text) ~= core.decode(p, text, nil))
end

function case.random_bytes()
	local sp = sproto.parse(schema)
	local good = sp:encode("P", { name = "abc", age = -5, ok = true, kids = { {}, { age = 1 } }, m = { { name = "k" } }, map = { a = 1 }, d = 1.5 })
	local decoded = 0
	for _ = 1, 20000 do
		local at = math.random(#good)
		local bad = good:sub(1, at - 1) .. string.char(math.random(0, 255)) .. good:sub(at + 1)
		if pcall(sp.decode, sp, "P", bad) then
			decoded = decoded + 1
		end
		pcall(core.newproto, bad)
		pcall(sproto.unpack, bad)
	end
	check.ok("some are messages, some not", decoded > 100 and decoded < 19900, decoded)
end

function role.reader(typename)
	local reader
	check.serve {
		open = function(reference)
			reader = require("skynet.sharemap").reader(typename, reference)
		end,
		get = function(key)
			return reader[key]
		end,
		update = function()
			return reader:update()
		end,
		set = function()
			return pcall(function() reader.age = 1 end)
		end,
	}
end

function case.sharemap()
	local sharemap = require "skynet.sharemap"
	local file = assert(io.open("map.sproto", "w"))
	file:write(schema)
	file:close()
	sharemap.register "map.sproto"
	local writer = sharemap.writer("P", { name = "first", kids = { { age = 1 } } })
	check.eq("its data", { writer.name, writer.age }, { "first" })
	local reader = check.spawn("reader", "P")
	skynet.call(reader, "lua", "open", writer:copy())
	check.eq("a reader", { skynet.call(reader, "lua", "get", "name"), skynet.call(reader, "lua", "get", "kids") }, { "first", { { age = 1 } } })
	writer.name, writer.age = "second", 20
	check.eq("written", { writer.name, writer.age }, { "second", 20 })
	check.eq("but not committed", skynet.call(reader, "lua", "update"), false)
	writer:commit()
	check.eq("not updated", skynet.call(reader, "lua", "get", "name"), "first")
	check.eq("updated", (skynet.call(reader, "lua", "update")), true)
	check.eq("the new data", { skynet.call(reader, "lua", "get", "name"), skynet.call(reader, "lua", "get", "age") }, { "second", 20 })
	check.eq("no more", skynet.call(reader, "lua", "update"), false)
	check.eq("read-only", (skynet.call(reader, "lua", "set")), false)
	check.ok("the old name", require "compat10.sharemap" == sharemap)
end

return check.main(role, case, ...)
