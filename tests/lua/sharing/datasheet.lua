-- skynet.datasheet, its builder, core and dump.
local skynet = require "skynet"
require "skynet.manager"
local check = require "check"

local role, case = {}, {}

local function copy(t)
	if type(t) ~= "table" then
		return t
	end
	local new = {}
	for k, v in pairs(t) do
		new[k] = copy(v)
	end
	return new
end

-- Reads a sheet and answers with parts of it.
function role.reader(name)
	skynet.start(function()
		local datasheet = require "skynet.datasheet"
		local root = datasheet.query(name)
		skynet.dispatch("lua", function(_, _, ...)
			local value = root
			for _, key in ipairs { ... } do
				value = value[key]
			end
			skynet.retpack(copy(value))
		end)
	end)
end

function case.compile()
	local builder = require "skynet.datasheet.builder"
	local dump = require "skynet.datasheet.dump"
	local recorded = "4000000002000000000000001c00000002000000010000000101040001000000020000000000000001000000000000000100000001000000020000000100000061006200"
	local hex = builder.compile { 1, 2, a = { b = 1 } }:gsub(".", function(c) return ("%02x"):format(c:byte()) end)
	check.eq("as recorded", hex, recorded)
	check.eq("and back", dump.undump(builder.compile { 1, 2, a = { b = 1 } }), { 1, 2, a = { b = 1 } })
	local t = { true, false, -1, 0x7fffffff, -0x80000000, "", "text", 0.5, {}, list = { 1, { 2 } }, flag = true, x = -2.25 }
	check.eq("all types", dump.undump(dump.dump(t)), t)
	check.eq("large integers are floats", dump.undump(builder.compile { 1 << 40, 0x80000000 }), { 1099511627776.0, 2147483648.0 })
	local tenth = dump.undump(builder.compile { 0.1 })[1]
	check.ok("floats have 32 bits", tenth ~= 0.1 and math.abs(tenth - 0.1) < 1e-8, tenth)
	check.fails("a hole", "assertion failed", builder.compile, { 1, [3] = 3 })
	check.fails("integer keys from elsewhere", "assertion failed", builder.compile, { [0] = 1 })
	check.fails("boolean keys", "assertion failed", builder.compile, { [true] = 1 })
	check.fails("float keys", "assertion failed", builder.compile, { [1.5] = 1 })
	check.fails("functions", "Unsupport value function: ", builder.compile, { print })
	check.fails("zero bytes", "Unsupport value ", builder.compile, { "a\0b" })
	local circle = {}
	circle[1] = circle
	check.fails("circles", "circle", builder.compile, circle)
	check.fails("bytes that are none", "Invalid datasheet", dump.undump, "not a sheet")
end

function case.query()
	local builder = require "skynet.datasheet.builder"
	local datasheet = require "skynet.datasheet"
	local data = { 10, 20, { deep = { 1, 2, 3 } }, name = "x", sub = { a = 1, b = false } }
	builder.new("q", data)
	local root = datasheet.query "q"
	check.ok("the same object", rawequal(root, datasheet.query "q"))
	check.eq("length", #root, 3)
	check.eq("values", { root[1], root.name, root[3].deep[2], root.sub.b, root.nothing }, { 10, "x", 2, false })
	check.ok("an ordinary table once it was looked at", getmetatable(root) == nil and next(root))
	local keys = 0
	for _ in pairs(datasheet.query "q".sub) do
		keys = keys + 1
	end
	check.eq("pairs", keys, 2)
	check.eq("all", copy(root), data)
	check.eq("packed", skynet.unpack(skynet.packstring(datasheet.query "q")), data)
	root.own = "mine"
	check.eq("it can be written to", root.own, "mine")
	builder.new("compiled", builder.compile { a = 1 })
	check.eq("from bytes", copy(datasheet.query "compiled"), { a = 1 })
	check.fails("unknown", "call failed", datasheet.query, "unknown")
	builder.new("unknown", {})
	check.fails("is remembered", "call failed", datasheet.query, "unknown")
	check.ok("twice", not pcall(builder.new, "q", {}))
	check.ok("update of nothing", not pcall(builder.update, "nothing", {}))
	local done = 0
	builder.new("many", { 7 })
	for _ = 1, 10 do
		skynet.fork(function()
			local n = datasheet.query("many")[1]
			done = done + n
		end)
	end
	check.ok("ten at once", check.wait(function() return done == 70 end), done)
end

function case.update()
	local builder = require "skynet.datasheet.builder"
	local datasheet = require "skynet.datasheet"
	builder.new("u", { a = 1, b = { x = 1, y = { 1, 2 } }, c = { gone = 1 }, list = { { n = 1 }, { n = 2 } } })
	local root = datasheet.query "u"
	local b, y, c, first, second = root.b, root.b.y, root.c, root.list[1], root.list[2]
	local reader = check.spawn("reader", "u")
	check.eq("elsewhere", skynet.call(reader, "lua", "b", "x"), 1)
	check.eq("before", { b.x, y[2], c.gone, first.n, second.n }, { 1, 2, 1, 1, 2 })
	root.own = "mine"
	builder.update("u", { a = { 5 }, b = { x = 2, y = { 9 }, z = {} }, c = "text", list = { { n = 10 } }, new = { k = "v" } })
	check.ok("arrives", check.wait(function() return root.new end))
	check.eq("after", { root.a[1], b.x, y[1], y[2], root.c, first.n, root.new.k }, { 5, 2, 9, nil, "text", 10, "v" })
	check.ok("the same objects", rawequal(root.b, b) and rawequal(root.b.y, y) and rawequal(root.list[1], first))
	check.eq("what was written is lost", root.own, nil)
	check.fails("a table that has gone", "Invalid proxy (index = ", function() return c.gone end)
	check.fails("an element that has gone", "Invalid proxy (index = ", function() return second.n end)
	check.eq("elsewhere", skynet.call(reader, "lua", "b"), { x = 2, y = { 9 }, z = {} })
	for i = 1, 50 do
		builder.update("u", { a = i, b = { x = i, y = { i } } })
	end
	check.ok("the last of many", check.wait(function() return root.a == 50 end))
	check.eq("all of it", copy(root), { a = 50, b = { x = 50, y = { 50 } } })
	check.ok("elsewhere too", check.wait(function() return skynet.call(reader, "lua", "a") == 50 end))
end

function case.depth()
	local builder = require "skynet.datasheet.builder"
	local datasheet = require "skynet.datasheet"
	local dump = require "skynet.datasheet.dump"
	local function nested(depth, list)
		local t = { value = depth }
		for i = depth - 1, 1, -1 do
			t = list and i % 2 == 0 and { 0, t, value = i } or { value = i, t = t }
		end
		return t
	end
	local function reach(t)
		local depth = 0
		while t do
			depth = depth + 1
			assert(t.value == depth)
			t = t.t or t[2]
		end
		return depth
	end
	check.eq("10,000 deep", reach(dump.undump(builder.compile(nested(10000, true)))), 10000)
	builder.new("deep", nested(10000))
	check.eq("read", reach(datasheet.query "deep"), 10000)
	builder.update("deep", nested(10001, true))
	check.ok("updated", check.wait(function() return reach(datasheet.query "deep") == 10001 end))
	check.fails("there is a bound", "nested too deeply", builder.compile, nested(200000))
	local circle = nested(100, true)
	circle.t.circle = circle
	check.fails("circles", "nested in a circle", builder.compile, circle)
	local same = { 1 }
	check.eq("a table in two places is none", dump.undump(builder.compile { same, same, a = { same, b = same } }), { { 1 }, { 1 }, a = { { 1 }, b = { 1 } } })
end

-- An old version is freed when its readers have the new one, although no collector runs in them.
function case.old_versions_go()
	local builder = require "skynet.datasheet.builder"
	local function sheet(v)
		return { v = v, text = { ("x"):rep(2 << 20) .. v } }
	end
	builder.new("old", sheet(1))
	local readers = { check.spawn "idle", check.spawn "idle" }
	local function update(from, to)
		for v = from, to do
			builder.update("old", sheet(v))
			for _, addr in ipairs(readers) do
				check.ok("arrives", check.wait(function() return skynet.call(addr, "lua", "old") == v end))
			end
			collectgarbage() -- the builder has the bytes
		end
		local file = assert(io.open "/proc/self/statm")
		local pages = file:read "a":match "%d+ (%d+)"
		file:close()
		return pages * 4096
	end
	local before = update(2, 10)
	local after = update(11, 50)
	check.ok("40 versions of 2 MB", after - before < 40 << 20, after - before)
end

-- Its collector does not run.
function role.idle()
	collectgarbage "stop"
	skynet.start(function()
		local datasheet = require "skynet.datasheet"
		skynet.dispatch("lua", function(_, _, name)
			skynet.retpack(datasheet.query(name).v)
		end)
	end)
end

-- A version that nobody reads any more is let go of, also when its readers were killed.
function case.versions()
	local service = require "skynet.service"
	local builder = require "skynet.datasheet.builder"
	local core = require "skynet.datasheet.core"
	builder.new("v", { 1 })
	local daemon = service.query "datasheet"
	local function refs()
		return skynet.call(daemon, "debug", "INFO").v.monitors
	end
	local one, two = check.spawn("reader", "v"), check.spawn("reader", "v")
	check.eq("two readers", { skynet.call(one, "lua", 1), skynet.call(two, "lua", 1), refs() }, { 1, 1, 2 })
	local pointer = skynet.call(daemon, "debug", "INFO").v.handle
	local collected
	skynet.fork(function()
		skynet.call(daemon, "lua", "collect", pointer)
		collected = true
	end)
	skynet.sleep(1)
	check.ok("in use", not collected)
	builder.update("v", { 2 })
	check.ok("not any more", check.wait(function() return collected end))
	check.eq("they have the next one", refs(), 2)
	skynet.kill(one)
	skynet.send(two, "debug", "EXIT")
	check.ok("they leave it", check.wait(function() return refs() == 0 end))
	builder.update("v", { 3 })
	check.eq("it goes on", skynet.call(check.spawn("reader", "v"), "lua", 1), 3)
	check.ok("boxes", core.pointer(core.new(builder.compile {})) ~= nil)
end

return check.main(role, case, ...)
