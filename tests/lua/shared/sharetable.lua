-- skynet.sharetable: tables that all services read.
local skynet = require "skynet.manager"
local check = require "check"
local stock = os.getenv "SKYNET_TEST_STOCK"
local sharetable = not stock and require "skynet.sharetable"

local role, case = {}, {}

local function write(path, text)
	local file = assert(io.open(path, "w"))
	file:write(text)
	file:close()
end

local function ask(addr, ...)
	return skynet.call(addr, "lua", ...)
end

local METHODS = {}

-- Everything that reads, or tries not only to read, about the table that is called "t".
function METHODS.look(name)
	local t = sharetable.query(name)
	local keys = {}
	for k in pairs(t) do
		keys[#keys + 1] = tostring(k)
	end
	table.sort(keys)
	local list = {}
	for i, v in ipairs(t.list) do
		list[i] = v
	end
	return table.concat(keys, ","), table.concat(list, ","), t.sub.deep.x, #t.list, t.add(1, 2), string.format("%p", t)
end

function METHODS.made(name, prefix, n)
	local own = {} -- strings of this service, before it knows the table
	for i = 1, n do
		own[i] = { [prefix .. i] = i, name = prefix .. i }
	end
	local function closure()
		return own[n].name
	end
	local co = coroutine.wrap(function(s)
		while true do
			s = coroutine.yield(s)
		end
	end)
	local held = co(prefix .. 1)
	local t = sharetable.query(name)
	for i = 1, n do
		local key = prefix .. i
		if t[key] ~= i or t[own[i].name] ~= i or own[i][key] ~= i or rawget(own[i], key) ~= i then
			return "field " .. key
		end
		if t.names[i] ~= own[i].name or own[i][t.names[i]] ~= i then
			return "name " .. key
		end
	end
	if held ~= t.names[1] or co(held) ~= t.names[1] or closure() ~= t.names[n] then
		return "held"
	end
	return t.find({ [prefix .. 3] = "there" }) or "function"
end

-- A protocol whose name this service has made, before it knows the table.
function METHODS.protocol(part)
	local name = part .. "col"
	skynet.register_protocol { name = name, id = 100, pack = skynet.pack, unpack = skynet.unpack }
	skynet.dispatch(name, function(_, _, x) skynet.retpack(x + 1) end)
	local t = sharetable.query "names"
	name = nil
	for i = 1, 1000 do
		collectgarbage "step"
		local other = "x" .. i .. "col"
		assert(not pcall(skynet.send, skynet.self(), other))
	end
	return skynet.call(skynet.self(), t[1], 1), skynet.call(skynet.self(), part .. "col", 2), pcall(skynet.send, skynet.self(), "lua", "query", "names")
end

function METHODS.update(...)
	sharetable.update(...)
end

local refs = {}

function METHODS.keep(name)
	local t = sharetable.query(name)
	refs = { t = t, sub = t.sub, gone = t.gone, [t] = "key", [t.sub] = "subkey", meta = setmetatable({}, { __index = t }) }
	refs.upvalue = function() return t.version, t.sub.version, t.gone end
	refs.co = coroutine.wrap(function(table, sub)
		coroutine.yield()
		while true do
			coroutine.yield(table.version, sub.version)
		end
	end)
	refs.co(t, t.sub)
	refs.userdata = io.tmpfile()
	debug.setmetatable(1, t)
	return string.format("%p", t)
end

function METHODS.kept()
	local t = refs.t
	local v1, v2 = refs.co()
	local gone = refs.gone
	return {
		t.version, refs.sub and refs.sub.version, tostring(gone), refs[t], refs[refs.sub], refs.meta.version,
		table.pack(refs.upvalue())[1], v1, v2, getmetatable(1) == t, string.format("%p", t) == string.format("%p", sharetable.query "v"),
	}
end

function METHODS.query(name)
	return sharetable.query(name) ~= nil
end

function role.reader()
	check.serve(METHODS)
end

local SAMPLE = [[
	local shared = { x = 1 }
	return {
		list = { 10, 20, 30, "forty" }, number = 1.5, yes = true, no = false, [1.25] = "float", [7] = "seven", [true] = 1,
		sub = { deep = shared }, again = shared, text = "a text that is longer than the forty characters of a short one",
		add = function(a, b) return a + b end, native = print, args = { ... },
	}
]]

function case.load_and_read()
	write("sample.lua", SAMPLE)
	sharetable.loadfile("sample.lua", 1, true)
	check.eq("unknown", { sharetable.query "nothing" }, {})
	local t = sharetable.query "sample.lua"
	check.eq("type", { type(t), t == sharetable.query "sample.lua", getmetatable(t) }, { "table", true, nil })
	check.eq("values", { t.number, t.yes, t.no, t[1.25], t[7], t[true], t.nothing, t.args[1], t.args[2] },
		{ 1.5, true, false, "float", "seven", 1, nil, 1, true })
	check.eq("one table in two places", { t.again == t.sub.deep, rawequal(t.again, t.sub.deep) }, { true, true })
	check.eq("length", { #t.list, rawlen(t.list), #t, select("#", table.unpack(t.list)) }, { 4, 4, 0, 4 })
	check.eq("table functions", { table.concat(t.list, "-"), table.unpack(t.list, 2, 3) }, { "10-20-30-forty", 20, 30 })
	check.eq("rawget and next", { rawget(t, "number"), rawget(t.list, 4), (next(t.again)) }, { 1.5, "forty", "x" })
	check.eq("functions", { t.add(2, 3), t.native == print, pcall(t.add, {}) }, { 5, true, false, select(2, pcall(t.add, {})) })
	check.eq("pack", { skynet.unpack(skynet.packstring(t.list, t.sub)) }, { { 10, 20, 30, "forty" }, { deep = { x = 1 } } })
	check.eq("as a key", { ({ [t] = 1 })[t], ({ [t.sub] = 2 })[t] }, { 1, nil })
	local copy = table.move(t.list, 1, 4, 1, {})
	check.eq("copied", copy, { 10, 20, 30, "forty" })
	local object = setmetatable({}, { __index = t })
	check.eq("as __index", { object.number, object.sub.deep.x, object.nothing }, { 1.5, 1, nil })
	collectgarbage()
	local others, here = {}, string.format("%p", t)
	for i = 1, 4 do
		others[i] = check.spawn "reader"
		local keys, list, x, n, sum, address = ask(others[i], "look", "sample.lua")
		check.eq("elsewhere", { keys, list, x, n, sum, address == here },
			{ "1.25,7,add,again,args,list,native,no,number,sub,text,true,yes", "10,20,30,forty", 1, 4, 3, true })
	end
end

function case.no_changes()
	sharetable.loadstring("t", "return { a = 1, list = { 1, 2 }, f = function() return 1 end }")
	local t = sharetable.query "t"
	check.fails("field", "attempt to index a table value", function() t.a = 2 end)
	check.fails("new field", "attempt to index a table value", function() t.b = 2 end)
	check.fails("element", "attempt to index a table value", function() t.list[1] = 2 end)
	check.fails("any key", "attempt to index a table value", function(k) t[k] = 2 end, "a")
	check.fails("insert", "attempt to index a table value", table.insert, t.list, 3)
	check.fails("remove", "attempt to index a table value", table.remove, t.list)
	check.fails("sort", "attempt to index a table value", table.sort, t.list, function() return true end)
	check.fails("move", "attempt to index a table value", table.move, { 1 }, 1, 1, 1, t.list)
	check.fails("rawset", "attempt to change a shared table", rawset, t, "a", 2)
	check.fails("rawset of an element", "attempt to change a shared table", rawset, t.list, 1, 2)
	check.fails("setmetatable", "can't setmetatable to shared table", setmetatable, t, {})
	check.fails("debug.setmetatable", "can't setmetatable to shared table", debug.setmetatable, t, {})
	check.fails("through __newindex", "attempt to index a table value", function()
		setmetatable({}, { __newindex = t }).x = 1
	end)
	local mt = setmetatable({}, t)
	check.fails("as a metatable", "attempt to index a table value", function() getmetatable(mt).x = 1 end)
	check.eq("nothing has changed", { t.a, t.b, #t.list, t.list[1] }, { 1, nil, 2, 1 })
	for k in pairs(t) do
		check.fails("while walking", "attempt to index a table value", function() t[k] = nil end)
	end
end

function case.what_can_be_shared()
	local function refused(why, source, ...)
		check.fails(why, "call failed", sharetable.loadstring, "bad", source, ...)
		check.eq("nothing of it: " .. why, { sharetable.query "bad" }, {})
	end
	refused("Not a table, it's a number.", "return 1")
	refused("Not a table, it's a nil.", "")
	refused("Can't share metatable", "return { setmetatable({}, {}) }")
	refused("Invalid function with upvalue", "return { function() return print end }")
	refused("Invalid type [userdata]", "return { io.stdout }")
	refused("Invalid type [thread]", "return { [coroutine.create(print)] = 1 }")
	refused("bad:1:", "return x.y")
	refused("Type invalid", "return {}", "text")
	check.fails("no file", "call failed", sharetable.loadfile, "no_such_file.lua")
	check.ok("no table", not pcall(sharetable.loadtable, "bad", 1))
	check.fails("pack refuses", "Unsupport type", sharetable.loadtable, "bad", { coroutine.create(print) })
	sharetable.loadtable("good", { 1, 2, { a = "b" } })
	local t = sharetable.query "good"
	check.eq("loadtable", { t[1], #t, t[3].a }, { 1, 3, "b" })
	sharetable.loadstring("args", "return { ... }", 1, 2.5, true)
	check.eq("arguments", { table.unpack((sharetable.query "args")) }, { 1, 2.5, true })
	sharetable.loadstring("cycle", "local t = {} t.t = t t[t] = t return t")
	local c = sharetable.query "cycle"
	check.eq("cycle", { c.t == c, c[c] == c, c.t.t.t == c }, { true, true, true })
	sharetable.loadstring("empty", "return {}")
	check.eq("empty", { #sharetable.query "empty", next(sharetable.query "empty") }, { 0 })
	sharetable.loadstring("holes", "local t = {} for i = 1, 100 do t[i] = i end for i = 50, 90 do t[i] = nil end t[1000] = 1 return t")
	local h, n = sharetable.query "holes", 0
	for k, v in pairs(h) do
		n = n + 1
		assert(h[k] == v)
	end
	check.ok("holes", n == 60 and h[#h] ~= nil and h[#h + 1] == nil and h[1000] == 1, n)
	sharetable.loadstring("many", "local t = {} for i = 1, 3000 do t['key' .. i] = i t[i * 1.5] = 'v' .. i end return t")
	local m = sharetable.query "many"
	for i = 1, 3000 do
		assert(m["key" .. i] == i and m[i * 1.5] == "v" .. i)
	end
	check.eq("many", m.key3000, 3000)
	local all = sharetable.queryall()
	check.eq("queryall", { all.many == m, all.good == t, all.nothing }, { true, true, nil })
	local some = sharetable.queryall { "many", "unknown" }
	check.eq("some", { some.many == m, next(some, (next(some))) }, { true })
end

-- Strings that services have made before they see the table become the same as those in the table.
function case.strings_are_one()
	local n = 60
	local lines = { "local t = { names = {}, find = function(x) return x.own3 end }" }
	for i = 1, n do
		lines[#lines + 1] = ("t.own%d = %d t.names[%d] = 'own%d'"):format(i, i, i, i)
	end
	lines[#lines + 1] = "return t"
	local readers = {}
	for i = 1, 4 do
		readers[i] = check.spawn "reader"
	end
	sharetable.loadstring("own", table.concat(lines, "\n"))
	local left = #readers
	for _, addr in ipairs(readers) do
		skynet.fork(function()
			for _ = 1, 3 do
				check.eq("made before", ask(addr, "made", "own", "own", n), "there")
			end
			left = left - 1
		end)
	end
	check.wait(function() return left == 0 end)
	check.eq("all", left, 0)
end

-- A query changes nothing that the service has: it may come in the middle of a walk that clears the current key.
function case.query_in_a_walk()
	local name = "ite" .. tostring "m_cfg" .. os.time()
	local pending, lines = {}, { "return {" }
	for i = 1, 8 do
		pending[name .. i] = true
		lines[#lines + 1] = ("['%s%d'] = %d,"):format(name, i, i)
	end
	sharetable.loadstring("cfg", table.concat(lines) .. "}")
	local sum = 0
	for key in pairs(pending) do
		pending[key] = nil
		collectgarbage()
		sum = sum + sharetable.query("cfg")[key]
	end
	check.eq("all of them", { sum, next(pending) }, { 36 })
end

function case.equality()
	sharetable.loadstring("cfg", "return { id = 1, sub = {} }")
	local t = sharetable.query "cfg"
	local calls = 0
	local function same(a, b)
		calls = calls + 1
		return a.id == b.id
	end
	local mine = setmetatable({ id = 1 }, { __eq = same })
	local other = setmetatable({ id = 2 }, { __eq = same })
	check.eq("__eq on either side", { mine == t, t == mine, other == t, t ~= other, mine == t.sub }, { true, true, false, true, false })
	check.eq("was called", calls, 5)
	check.eq("without", { t == {}, {} == t, rawequal(mine, t), t == t.sub, t == sharetable.query "cfg" }, { false, false, false, false, true })
	check.eq("calls", calls, 5)
end

-- Nothing of a version stays when it is replaced.
function case.nothing_stays()
	local function rss()
		local file = assert(io.open "/proc/self/statm")
		local pages = file:read "a":match "%d+ (%d+)"
		file:close()
		return pages * 4096
	end
	local function reload(from, to)
		for round = from, to do
			sharetable.loadstring("cfg", ("local t = {} for i = 1, 20000 do t[i] = 'name%d_' .. i end return t"):format(round))
		end
		return rss()
	end
	local before = reload(1, 20)
	local after = reload(21, 60)
	-- Versions that stay take 3 MB each; the allocator may give pages back late on a busy machine.
	check.ok("40 versions of 20,000 new names", after - before < 60 << 20, after - before)
end

-- A table that keeps its elements in an array with holes.
function case.holes_in_an_array()
	sharetable.loadstring("cfg", "local t = { 1, 2, nil, 4, nil, nil, nil, 8 } return { t = t, n = #t }")
	local t = sharetable.query("cfg").t
	check.eq("values", { t[1], t[2], t[4], t[8] }, { 1, 2, 4, 8 })
	check.eq("holes", { t[3] == nil, t[5] == nil, t[7] == nil, rawget(t, 6) == nil }, { true, true, true, true })
	local n = 0
	for k, v in pairs(t) do
		n = n + 1
		check.eq("walk", k, v)
	end
	check.eq("four", n, 4)
end

-- Whatever a service knows of a string, what it reads is the same: made before, made later, in code before or after the
-- table.
function case.strings_of_all_kinds()
	local part = "of" .. "_all_kinds"
	local early = {}
	for i = 1, 20 do
		early[i] = part .. i
	end
	local function code(i)
		local name = ("kinds%d.lua"):format(i)
		write(name, ("return '%s%d', function(t) return t.%s%d end"):format(part, i, part, i))
		return name
	end
	check.spawn("compiler", code(1))
	sharetable.loadstring("kinds", ([[
		local t = { list = {}, get = function(t) return t.%s2 end }
		for i = 1, 40 do t.list[i] = '%s' .. i t['%s' .. i] = i end
		return t
	]]):format(part, part, part))
	check.spawn("compiler", code(3))
	check.spawn("compiler", code(21))
	for _ = 1, 3 do
		local t = sharetable.query "kinds"
		for i = 1, 40 do
			local made = part .. i
			check.eq("value", { t.list[i] == made, rawequal(t.list[i], made), ({ [made] = 1 })[t.list[i]], t[made], rawget(t, made) },
				{ true, true, 1, i, i })
			if early[i] then
				check.ok("kept", rawequal(early[i], t.list[i]))
			end
		end
		local seen = {}
		for key in pairs(t) do
			seen[key] = true
		end
		for i = 1, 40 do
			check.ok("key", seen[part .. i] and seen[t.list[i]])
		end
		for _, i in ipairs { 1, 3, 21 } do
			local name, get = dofile(("kinds%d.lua"):format(i))
			check.eq("code", { name == t.list[i], get { [t.list[i]] = "there" }, get(t) }, { true, "there", i })
		end
		check.eq("its function", { t.get { [early[2]] = "there" }, t.get(t), t.get == t.get, rawget(t, "get") == t.get },
			{ "there", 2, true, true })
		check.eq("packed", skynet.unpack(skynet.packstring(t.list))[7], early[7])
		collectgarbage()
	end
end

function role.compiler(file)
	dofile(file)
	check.serve {}
end

-- Reading works at the limit of memory, too.
function case.reading_at_the_limit()
	sharetable.loadstring("cfg", "local t = {} for i = 1, 2000 do t[i] = 'limit' .. i end return t")
	check.eq("all read", ask(check.spawn "limited", "read"), 2000)
end

function role.limited()
	skynet.memlimit(8 << 20)
	check.serve {
		read = function()
			local t = sharetable.query "cfg"
			local fill = {}
			collectgarbage "stop"
			pcall(function() while true do fill[#fill + 1] = { #fill } end end)
			local n = 0
			for i = 1, 2000 do
				if rawget(t, i) then n = n + 1 end
			end
			fill = nil
			collectgarbage "restart"
			return n
		end,
	}
end

-- Random services that do all that at the same time.
function case.random()
	local words, readers = 60, 6
	local function source()
		local lines = { "local t = { names = {}, index = {}, count = 0 }" }
		for n = 1, words do
			if math.random(2) == 1 then
				lines[#lines + 1] = ("t.names[%d] = 'word_' .. %d t.index['word_' .. %d] = %d t.count = t.count + 1"):format(n, n, n, n)
			end
		end
		local n = math.random(words)
		lines[#lines + 1] = ("t.n = %d t.get = function(x) return x.word_%d end return t"):format(n, n)
		return table.concat(lines, "\n")
	end
	sharetable.loadstring("v", source())
	local left = readers
	for i = 1, readers do
		skynet.fork(function()
			for life = 1, 3 do
				local addr = check.spawn("random", i * 10 + life)
				for _ = 1, 4 do
					check.eq("a reader", ask(addr, "run", 60), "good")
				end
				skynet.kill(addr)
			end
			left = left - 1
		end)
	end
	while left > 0 do
		sharetable.loadstring("v", source())
		local n = math.random(words)
		write(("random%d.lua"):format(n), ("-- %d\nreturn function(x) return x == 'word_%d' and %d end"):format(math.random(1000), n, n))
		skynet.sleep(1)
	end
	check.eq("all have ended", left, 0)
end

function role.random(seed)
	math.randomseed(tonumber(seed))
	collectgarbage(tonumber(seed) % 2 == 0 and "incremental" or "generational")
	local random, words = math.random, 60
	local kept, set = {}, {}
	local function made(n) return "word" .. "_" .. n end
	local function same(a, b)
		assert(rawequal(a, b) and a == b and ({ [a] = true })[b], a)
	end
	local steps = {
		function()
			local n = random(words)
			kept[random(30)], set[made(n)] = made(n), n
		end,
		function()
			local t, n = sharetable.query "v", random(words)
			local s = t.names[n]
			if s then
				same(s, made(n))
				kept[random(30)], set[s] = s, n
				assert(t.index[s] == n and t.index[made(n)] == n and rawget(t.index, s) == n)
			end
		end,
		function()
			local t, count = sharetable.query "v", 0
			for k, v in pairs(t.index) do
				count = count + 1
				same(k, made(v))
				same(k, t.names[v])
				if random(20) == 1 then collectgarbage "step" end
				if random(5) == 1 then set[k] = v end
			end
			assert(count == t.count)
		end,
		function()
			for s, n in pairs(set) do
				same(s, made(n))
				if random(8) == 1 then set[s] = nil end
			end
			for _, s in pairs(kept) do
				same(s, made(s:match "%d+"))
			end
		end,
		function() sharetable.update "v" end,
		function() collectgarbage(random(2) == 1 and "step" or "collect") end,
		function()
			local t = sharetable.query "v"
			assert(t.get { [made(t.n)] = "yes" } == "yes" and t.get == rawget(t, "get"))
			assert(setmetatable({}, { __index = t.index })[made(t.n)] == t.index[made(t.n)])
		end,
		function()
			local t = sharetable.query "v"
			local other = skynet.unpack(skynet.packstring(t.index))
			for k, v in pairs(t.index) do
				assert(other[k] == v)
				other[k] = nil
			end
			assert(next(other) == nil)
		end,
		function()
			local n = random(words)
			local file = ("random%d.lua"):format(n)
			local ok, f = pcall(dofile, file)
			if ok and f then -- it may be half written
				assert(f(made(n)) == n)
			end
			if random(4) == 1 then skynet.cache.clear() end
		end,
		function() skynet.yield() end,
	}
	check.serve {
		run = function(n)
			for _ = 1, n do
				steps[random(#steps)]()
			end
			return "good"
		end,
	}
end

function case.names_of_protocols()
	local reader = check.spawn "reader"
	sharetable.loadstring("names", "return { 'protocol', 'lua', 'response' }")
	check.eq("found by their new addresses", { ask(reader, "protocol", "proto") }, { 2, 3, true, 0 })
	check.eq("lua too", ask(reader, "query", "names"), true)
end

function case.update()
	local function load(version, more)
		sharetable.loadstring("v", ("return { version = %d, sub = { version = %d }, %s }"):format(version, version, more or ""))
	end
	load(1, "gone = { 1 }")
	local reader = check.spawn "reader"
	local first = ask(reader, "keep", "v")
	load(2)
	check.eq("not before update", ask(reader, "kept")[1], 1)
	ask(reader, "update", "v", "never queried")
	check.eq("everywhere", ask(reader, "kept"), { 2, 2, "nil", "key", "subkey", 2, 2, 2, 2, true, true })
	ask(reader, "update", "v")
	load(3)
	load(4)
	ask(reader, "update", "v")
	check.eq("again", ask(reader, "kept"), { 4, 4, "nil", "key", "subkey", 4, 4, 4, 4, true, true })
	check.ok("an address", #first > 2)
	-- This service too, in its own locals.
	local t = sharetable.query "v"
	local sub, list = t.sub, { t, t.sub }
	load(5)
	sharetable.update "v"
	check.eq("locals", { t.version, sub.version, list[1].version, list[2].version, list[1] == t }, { 5, 5, 5, 5, true })
end

-- Old versions live as long as somebody may look at them.
function case.versions()
	sharetable.loadstring("v", "return { 1 }")
	local keeper = require "skynet.service".query "sharetable"
	local debug_info = function() return skynet.call(keeper, "debug", "INFO") end
	local a, b = check.spawn "reader", check.spawn "reader"
	ask(a, "query", "v")
	ask(b, "query", "v")
	local entry = debug_info().v
	check.ok("current", entry.current:find "^userdata" and entry.size > 0 and not entry.history, check.show(entry))
	sharetable.loadstring("v", "return { 2 }")
	sharetable.loadstring("v", "return { 3 }")
	entry = debug_info().v
	check.ok("history", entry.history:find("%[%d+%]: %(" .. skynet.address(a) .. "," .. skynet.address(b) .. "%)"), entry.history)
	skynet.kill(a)
	check.ok("one user less", check.wait(function() return debug_info().v.history:find("(" .. skynet.address(b) .. ")", 1, true) end))
	skynet.kill(b)
	check.ok("no user", check.wait(function() return debug_info().v.history == nil end))
	local t = sharetable.query "v"
	check.eq("the current one", t[1], 3)
end

-- A service that has gone over to a new version holds the old one only if it has something of it.
function case.updated_versions_go()
	local long = ("a text of a version "):rep(5)
	local function load(v)
		sharetable.loadstring("v", ("return { v = %d, sub = { name = 'name%d' }, text = %q .. %d, list = { 'a%d' } }"):format(v, v, long, v, v))
	end
	load(1)
	local keeper = require "skynet.service".query "sharetable"
	local function history()
		return skynet.call(keeper, "debug", "INFO").v.history
	end
	local t = sharetable.query "v"
	local sub, name, item = t.sub, t.sub.name, t.list[1]
	load(2)
	check.ok("in use", history() ~= nil)
	sharetable.update "v"
	check.eq("not any more", { history(), sub.name, name, item, t.list[1] }, { nil, "name2", "name1", "a1", "a2" })
	-- What keeps a version.
	local places = {
		function() return t.text end,
		function() return { t.text } end,
		function() return { [t.text] = true } end,
		function() local x = t.text return function() return x end end,
		function() local co = coroutine.wrap(function(x) coroutine.yield() return x end) co(t.text) return co end,
		function() local o = { [t.text] = true } o[t.text] = nil return o end,
	}
	for i, place in ipairs(places) do
		local kept = place()
		load(i + 2)
		sharetable.update "v"
		check.ok("kept by place " .. i, history() ~= nil and kept ~= nil)
		check.eq("it is there", t.text, long .. i + 2)
	end
	-- Two coroutines at the same time.
	local left = 4
	for _ = 1, left do
		skynet.fork(function()
			for _ = 1, 10 do
				sharetable.update "v"
				check.eq("whole", t.text, long .. t.v)
				local present = sharetable.query "v"
				check.eq("queried", present.sub.name, "name" .. present.v)
			end
			left = left - 1
		end)
	end
	for i = 100, 120 do
		load(i)
		skynet.yield()
	end
	check.ok("ended", check.wait(function() return left == 0 end))
	sharetable.loadstring("f", "return { f = function() return 1 end }")
	local f = sharetable.query("f").f
	sharetable.loadstring("f", "return {}")
	sharetable.update "f"
	check.eq("a function", { f(), skynet.call(keeper, "debug", "INFO").f.history ~= nil }, { 1, true })
end

-- Readers come and go, and update, while versions are replaced.
function case.churn_of_versions()
	local readers, left = 6, 0
	local source = "local t = { version = %d, sub = { version = %d }, list = {} } for i = 1, 200 do t.list[i] = 'item' .. %d + i end return t"
	sharetable.loadstring("v", source:format(0, 0, 0))
	for i = 1, readers do
		left = left + 1
		skynet.fork(function()
			for _ = 1, 5 do
				local addr = check.spawn("churner", i)
				local problem = ask(addr, "run", 8)
				if problem then
					check.eq("a reader", problem, nil)
				end
				skynet.kill(addr)
			end
			left = left - 1
		end)
	end
	local version = 0
	while left > 0 do
		version = version + 1
		sharetable.loadstring("v", source:format(version, version, version))
		skynet.sleep(1)
	end
	check.ok("done", version > 0)
end

function role.churner(seed)
	math.randomseed(tonumber(seed))
	collectgarbage(tonumber(seed) % 2 == 0 and "incremental" or "generational")
	check.serve {
		run = function(n)
			local t = sharetable.query "v"
			local items = {}
			for _ = 1, n do
				for i = 1, 50 do
					items[i] = "item" .. math.random(300)
				end
				sharetable.update "v"
				local v = t.version
				if t.sub.version ~= v or #t.list ~= 200 then
					return "mixed"
				end
				local own = {}
				for _, item in ipairs(t.list) do
					own[item] = true
				end
				for i = 1, 200 do
					if not own["item" .. v + i] then
						return "item" .. v + i
					end
				end
				if math.random(3) == 1 then
					collectgarbage(math.random(2) == 1 and "step" or "collect")
				end
				skynet.yield()
			end
		end,
	}
end

if stock then
	for name in pairs(case) do
		case[name] = function()
			check.fails("stock Lua shares no tables", "without the feature shared-code", require, "skynet.sharetable")
		end
	end
end

return check.main(role, case, ...)
