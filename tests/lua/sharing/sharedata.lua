-- skynet.sharedata.
local skynet = require "skynet"
require "skynet.manager"
local sharedata = require "skynet.sharedata"
local check = require "check"

local role, case = {}, {}

-- Queries a name and answers with what a path of it holds.
function role.reader(name)
	local obj
	check.serve {
		query = function()
			obj = sharedata.query(name)
		end,
		read = function(...)
			local value = obj
			for _, key in ipairs { ... } do
				value = value[key]
			end
			return value
		end,
		pack = function()
			return obj
		end,
		stop = function()
			collectgarbage "stop"
		end,
	}
end

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

local sample = {
	"one", 2, 3.5, false,
	name = "sample", empty = {}, text = ("long"):rep(100),
	[-7] = "minus", [1000] = { 1, 2, { deep = { deeper = true } } },
	sub = { a = 1, b = { c = "c" } },
}

function case.values()
	sharedata.new("values", sample)
	local obj = sharedata.query "values"
	check.eq("the type", type(obj), "table")
	check.eq("scalars", { obj[1], obj[2], obj[3], obj[4], obj.name, obj.text, obj[-7] },
		{ "one", 2, 3.5, false, "sample", ("long"):rep(100), "minus" })
	check.eq("twice", { obj[1], obj[2], obj[3], obj[4], obj.name }, { "one", 2, 3.5, false, "sample" })
	check.eq("below", { obj.sub.b.c, obj[1000][3].deep.deeper }, { "c", true })
	check.ok("the same child each time", rawequal(obj.sub, obj.sub) and obj.sub == obj.sub and obj.sub ~= obj.empty)
	check.ok("the same object each time", rawequal(sharedata.query "values", obj))
	check.eq("lengths", { #obj, #obj.empty, #obj[1000] }, { 4, 0, 3 })
	check.eq("missing", { obj.nothing, obj[99], obj[nil], obj[1 << 40], obj.sub[1] }, {})
	check.eq("all of it", copy(obj), sample)
	local order = {}
	for k in pairs(obj) do
		order[#order + 1] = k
	end
	check.eq("the array comes first", { table.unpack(order, 1, 4) }, { 1, 2, 3, 4 })
	local elements = {}
	for i, v in ipairs(obj[1000]) do
		elements[i] = type(v)
	end
	check.eq("ipairs", elements, { "number", "number", "table" })
	check.eq("next of nothing", next(copy(obj.empty)), nil)
	check.eq("packed", skynet.unpack(skynet.packstring(obj)), sample)
	local reader = check.spawn("reader", "values")
	skynet.call(reader, "lua", "query")
	check.eq("in a message", skynet.call(reader, "lua", "pack"), sample)
end

function case.errors()
	sharedata.new("errors", { 1, b = { c = {} } })
	local obj = sharedata.query "errors"
	local function set(t, k)
		t[k] = 1
	end
	check.fails("the root", "Error newindex, the key []", set, obj, "x")
	check.fails("what was read", "Error newindex, the key []", set, obj, obj.b and "b")
	check.fails("a child", "Error newindex, the key [.b]", set, obj.b, "x")
	check.fails("its child", "Error newindex, the key [.b.c]", set, obj.b.c, 1)
	local function get(k)
		return obj[k]
	end
	check.fails("a float", "Invalid key 1.5", get, 1.5)
	check.fails("an integral one", "Invalid key 1.0", get, 1.0)
	check.fails("a boolean", "string expected, got boolean", get, true)
	check.fails("a table", "string expected, got table", get, {})
	check.fails("an unknown name", "call failed", sharedata.query, "unknown")
	check.fails("delete of one", "call failed", sharedata.delete, "unknown")
	check.fails("a name that is in use", "call failed", sharedata.new, "errors", {})
	check.fails("bad script", "call failed", sharedata.new, "script", "x = = 1")
	check.fails("failing script", "call failed", sharedata.new, "script", "error 'on purpose'")
	check.fails("no file", "call failed", sharedata.new, "script", "@no_such_file.lua")
	check.fails("a number", "call failed", sharedata.new, "number", 12)
	check.fails("a float key", "call failed", sharedata.new, "key", { [1.5] = 1 })
	check.fails("a large key", "call failed", sharedata.new, "key", { [1 << 40] = 1 })
	check.fails("a boolean key", "call failed", sharedata.new, "key", { [true] = 1 })
	check.fails("a function", "call failed", sharedata.new, "value", "function f() end")
	check.fails("a circle", "call failed", sharedata.new, "circle", "t = {} t.t = t")
	check.fails("none of them is there", "call failed", sharedata.query, "value")
end

function case.sources()
	sharedata.new("empty")
	check.eq("nil", copy(sharedata.query "empty"), {})
	sharedata.new("globals", "a, b = ..., { math.max(1, 2) } local c = 3", 7)
	check.eq("globals", copy(sharedata.query "globals"), { a = 7, b = { 2 } })
	sharedata.new("returned", "a = 1 return { select('#', ...), ... }", "x", "y")
	check.eq("what it returns", copy(sharedata.query "returned"), { 2, "x", "y" })
	sharedata.new("scalar", "a = 1 return 5")
	check.eq("unless that is no table", copy(sharedata.query "scalar"), { a = 1 })
	local function write(text)
		local file = assert(io.open("data.lua", "w"))
		file:write(text)
		file:close()
	end
	write "return { first = ... }"
	sharedata.new("file", "@data.lua", 1)
	local obj = sharedata.query "file"
	check.eq("a file", copy(obj), { first = 1 })
	write "second = true"
	sharedata.update("file", "@data.lua")
	check.ok("is read again", check.wait(function() return obj.second end))
	check.eq("completely", copy(obj), { second = true })
end

function case.update()
	sharedata.update("u", { a = 1, b = { x = 1, y = { 1 } }, c = { gone = true }, list = { 1, 2, 3 } })
	local obj = sharedata.query "u"
	local b, y, c, list = obj.b, obj.b.y, obj.c, obj.list
	local reader = check.spawn("reader", "u")
	skynet.call(reader, "lua", "query")
	check.eq("before", { obj.a, b.x, y[1], c.gone, #list }, { 1, 1, 1, true, 3 })
	check.eq("elsewhere", skynet.call(reader, "lua", "read", "b", "x"), 1)
	sharedata.update("u", { a = { 2 }, b = { x = 2, z = 3 }, c = "text", list = { 5 } })
	skynet.sleep(5)
	check.eq("after", { type(obj.a), obj.a[1], b.x, b.z, list[1], list[2], #list }, { "table", 2, 2, 3, 5, nil, 1 })
	check.ok("the same objects", rawequal(obj.b, b) and rawequal(sharedata.query "u", obj))
	check.eq("elsewhere", skynet.call(reader, "lua", "read", "b", "x"), 2)
	check.fails("a child that is gone", "The key [.b.y] doesn't exist after update", function() return y[1] end)
	check.fails("one that is no table any more", "The key [.c] doesn't exist after update", function() return c.gone end)
	check.fails("its length", "The key [.c] doesn't exist after update", function() return #c end)
	check.fails("its pairs", "The key [.c] doesn't exist after update", function() return pairs(c) end)
	check.eq("the new value", { obj.c, b.y }, { "text" })
	sharedata.update("u", { b = { y = { 9 } } })
	check.ok("once more", check.wait(function() return obj.a == nil end))
	check.eq("fetched anew", b.y[1], 9)
	check.ok("the old one stays gone", not pcall(function() return y[1] end))
end

-- Every reader sees an old or a new version, never a mix.
function role.watcher(name)
	skynet.start(function()
		local obj = sharedata.query(name)
		local seen = 0
		skynet.dispatch("lua", function(_, _, last)
			while true do
				local n = obj.a.n
				assert(obj.b.n == n and obj.c.d.n == n and obj.n == n, "a mix")
				assert(n >= seen, "an older one")
				seen = n
				if n == last then
					return skynet.retpack(true)
				end
				skynet.sleep(0)
			end
		end)
	end)
end

function case.atomic()
	local function version(n)
		return { n = n, a = { n = n }, b = { n = n }, c = { d = { n = n } } }
	end
	sharedata.new("atomic", version(0))
	local last, left = 200, 8
	for _ = 1, 8 do
		local watcher = check.spawn("watcher", "atomic")
		skynet.fork(function()
			if check.ok("a watcher", skynet.call(watcher, "lua", last)) then
				left = left - 1
			end
		end)
	end
	for n = 1, last do
		sharedata.update("atomic", version(n))
	end
	check.ok("all have seen the last", check.wait(function() return left == 0 end))
end

function case.delete()
	sharedata.new("d", { x = { 1 } })
	local obj = sharedata.query "d"
	sharedata.delete "d"
	skynet.sleep(2)
	check.eq("the last data stay", obj.x[1], 1)
	check.fails("but are not to be had", "call failed", sharedata.query, "d")
	sharedata.new("d", { x = { 2 } })
	local new = sharedata.query "d"
	check.eq("a new one of that name", { new.x[1], obj.x[1] }, { 2, 1 })
	sharedata.update("d", { x = { 3 } })
	check.ok("has updates", check.wait(function() return new.x[1] == 3 end))
	check.eq("the old one has none", obj.x[1], 1)
end

function case.deepcopy()
	sharedata.new("deep", { a = { b = { 1, 2, { c = true } } }, n = 5 })
	local function copies()
		check.eq("all", sharedata.deepcopy "deep", { a = { b = { 1, 2, { c = true } } }, n = 5 })
		check.eq("a part", sharedata.deepcopy("deep", "a", "b", 3), { c = true })
		check.eq("a scalar", sharedata.deepcopy("deep", "n"), 5)
		check.eq("below a scalar", sharedata.deepcopy("deep", "n", "x", "y"), 5)
		check.returns("nothing", {}, sharedata.deepcopy, "deep", "a", "x", "y")
	end
	copies()
	local obj = sharedata.query "deep"
	copies()
	local t = sharedata.deepcopy "deep"
	t.n = 6
	check.eq("is one's own", { t.n, obj.n }, { 6, 5 })
	check.fails("unknown", "call failed", sharedata.deepcopy, "unknown")
end

-- A sub-table alone keeps its root, and the updates, alive.
function case.child_alone()
	sharedata.new("child", { sub = { n = 1 } })
	local sub = sharedata.query("child").sub
	collectgarbage()
	collectgarbage()
	sharedata.update("child", { sub = { n = 2 } })
	check.ok("updated", check.wait(function() return sub.n == 2 end))
end

local function resident()
	local file = assert(io.open "/proc/self/statm")
	local pages = file:read "a":match "%d+ (%d+)"
	file:close()
	return tonumber(pages) * 4096 / (1 << 20)
end

-- Old versions are freed as soon as nobody has them.
function case.lifetime()
	local function version(n)
		return ("local t = {} for i = 1, 40000 do t[i] = { n = %d, i = i, name = 'item' .. i .. '/%d' } end return t"):format(n, n)
	end
	sharedata.new("life", version(0))
	local obj = sharedata.query "life"
	local first = resident()
	for n = 1, 25 do
		sharedata.update("life", version(n))
		check.wait(function() return obj[1].n == n end)
		sharedata.flush()
	end
	check.eq("the last", obj[40000].name, "item40000/25")
	local more = resident() - first
	check.ok("25 versions of some 5 MB have passed", more < 100, more .. " MB more")
end

-- Integer-like texts and integers are different keys; so are many of each.
-- An old version is freed when its readers have the new one, although no collector runs in them.
function case.old_versions_go()
	local readers = { check.spawn("reader", "old"), check.spawn("reader", "old") }
	local function value(v)
		return { v = v, sub = { text = ("x"):rep(2 << 20) .. v } }
	end
	sharedata.new("old", value(1))
	for _, addr in ipairs(readers) do
		skynet.call(addr, "lua", "query")
		skynet.call(addr, "lua", "read", "sub", "text")
		skynet.call(addr, "debug", "GC")
		skynet.call(addr, "lua", "stop")
	end
	local function update(from, to)
		for v = from, to do
			sharedata.update("old", value(v))
			for _, addr in ipairs(readers) do
				check.ok("arrives", check.wait(function() return skynet.call(addr, "lua", "read", "v") == v end))
			end
			collectgarbage()
			skynet.call(skynet.uniqueservice "sharedatad", "debug", "GC") -- what came in the messages
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

function case.keys()
	local t = {}
	for i = 1, 500 do
		t["k" .. i], t[i * 7], t[-i], t[tostring(i)] = i, -i, "m" .. i, { i }
	end
	t[0x7fffffff], t[-0x80000000] = "max", "min"
	sharedata.new("keys", t)
	local obj = sharedata.query "keys"
	check.eq("all of them", copy(obj), t)
	check.eq("again", copy(obj), t)
	local n = 0
	for _ in pairs(obj) do
		n = n + 1
	end
	check.eq("once each", n, 2002)
end

function case.old_name()
	package.path = package.path .. ";./?.lua"
	check.ok("sharedata", require "compat10.sharedata" == sharedata)
	check.ok("multicast", require "compat10.multicast" == require "skynet.multicast")
end

return check.main(role, case, ...)
