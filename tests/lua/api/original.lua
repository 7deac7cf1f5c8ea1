-- What programs written for skynet (C) rely on without its being documented: functions that they replace, `x or
-- default`, protocols that they exchange.
local skynet = require "skynet"
require "skynet.manager"
local check = require "check"

local role, case = {}, {}

function role.patched_start()
	local native, timeout = skynet.init_service, skynet.timeout
	local seen = {}
	function skynet.timeout(...) seen[#seen + 1] = "timeout" return timeout(...) end
	function skynet.init_service(start)
		seen[#seen + 1] = "starting"
		native(start)
		seen[#seen + 1] = "up"
	end
	skynet.dispatch("lua", function() skynet.retpack(table.concat(seen, " ")) end)
	skynet.start(function() seen[#seen + 1] = "start" end)
end

function case.replaced_start()
	check.eq("all of it", skynet.call(check.spawn "patched_start", "lua"), "timeout starting start up")
end

-- Counts the calls of functions of `skynet` that it replaces.
local function counting(...)
	local counts, natives = {}, {}
	for _, name in ipairs { ... } do
		natives[name], counts[name] = skynet[name], 0
		skynet[name] = function(...)
			counts[name] = counts[name] + 1
			return natives[name](...)
		end
	end
	return counts, natives
end

function role.patched_library()
	local counts, natives = counting("ret", "pack", "sleep", "now")
	local function reset() for name in pairs(counts) do counts[name] = 0 end end
	local commands = {}
	function commands.retpack() skynet.retpack("packed", nil, 3, nil) end
	function commands.response() skynet.response()(true, "packed") end
	function commands.own_pack() skynet.response(skynet.packstring)(true, "packed") end
	function commands.yield() skynet.yield() natives.ret(natives.pack()) end
	function commands.time()
		function natives.now() return 123456 end
		local time = skynet.time() - skynet.starttime()
		skynet.now = function() return nil end
		natives.ret(natives.pack(time, pcall(skynet.time)))
	end
	skynet.dispatch("lua", function(_, _, command, ...)
		if command == "counts" then
			natives.ret(natives.pack(counts))
			reset()
		elseif command == "grow" then
			for i = 1, 1000 do skynet["own" .. i] = i end
			for i = 1, 1000 do skynet["own" .. i] = nil end
			skynet.own = true
			natives.ret()
		elseif command == "restore" then
			for name, f in pairs(natives) do skynet[name] = f end
			natives.ret()
		elseif command == "nothing" then
			skynet.ret = nil
			local ok, text = pcall(skynet.retpack)
			natives.ret(natives.pack(ok, text))
		else
			commands[command](...)
		end
	end)
	skynet.start(function() end)
end

-- Functions of the library use those that the application has put in the place of others.
function case.replaced_library()
	local s = check.spawn "patched_library"
	local function try(name, want, ...)
		check.returns(name, table.pack(...), skynet.call, s, "lua", name)
		local counts = skynet.call(s, "lua", "counts")
		for key, count in pairs(counts) do
			check.eq(name .. " uses " .. key, count, want[key] or 0)
		end
	end
	for _ = 1, 2 do
		try("retpack", { ret = 1, pack = 1 }, "packed", nil, 3, nil)
		try("response", { pack = 1 }, "packed")
		try("own_pack", {}, "packed")
		try("yield", { sleep = 1 })
		skynet.call(s, "lua", "grow")
	end
	local time, ok, text = skynet.call(s, "lua", "time")
	check.ok("the time is by the now of the application", math.abs(time - 1234.56) < 0.001, time)
	check.ok("which has to give a number", not ok and text:find "arithmetic on a nil value", text)
	skynet.call(s, "lua", "counts")
	skynet.call(s, "lua", "restore")
	try("retpack", {}, "packed", nil, 3, nil)
	try("yield", {})
	local works, why = skynet.call(s, "lua", "nothing")
	check.ok("nothing is called", not works and why:find "attempt to call a nil value", why)
end

function role.patched_exit()
	local exit = skynet.exit
	function skynet.exit()
		skynet.call(".patched", "lua", "exits")
		exit()
	end
	skynet.start(function() error "no start" end)
end

function case.replaced_exit()
	skynet.register ".patched"
	local got
	skynet.dispatch("lua", function(_, _, text)
		got = text
		skynet.ret()
	end)
	check.fails("it does not start", "call failed", check.spawn, "patched_exit")
	check.eq("it leaves by its own exit", got, "exits")
end

function role.patched_error(what)
	local lines = {}
	function skynet.error(...) lines[#lines + 1] = table.concat({ ... }, "|") end
	if what == "init" then
		skynet.register_protocol {
			name = "report", id = 50, pack = skynet.pack, unpack = skynet.unpack,
			dispatch = function() skynet.send(".patched", "lua", lines) end,
		}
		skynet.start(function() error "no start" end)
		-- Told while it leaves.
		local exit = skynet.exit
		function skynet.exit() skynet.call(".patched", "lua", lines) exit() end
		return
	end
	skynet.dispatch("lua", function(_, _, command)
		if command == "lines" then
			skynet.retpack(lines)
		elseif command == "trace" then
			skynet.trace()
			skynet.ret()
		elseif command == "drop" then
			local _ = skynet.response() --RESPONSE
			_ = nil
			collectgarbage()
			collectgarbage()
		end
	end)
	skynet.start(function() end)
end

function case.replaced_error()
	local s = check.spawn "patched_error"
	local asked = false
	skynet.fork(function() pcall(skynet.call, s, "lua", "forgets") end)
	skynet.fork(function() asked = { pcall(skynet.call, s, "lua", "drop") } end)
	require("skynet.core").send(s, 99, 0, "x")
	require("skynet.core").send(s, skynet.PTYPE_RESPONSE, 12345, "y")
	check.ok("the dropped one fails", check.wait(function() return asked end))
	check.eq("with", asked[1], false)
	skynet.call(s, "lua", "trace")
	local lines = table.concat(skynet.call(s, "lua", "lines"), "\n") .. "\n"
	for name, pattern in pairs {
		forgotten = "Maybe forgot response session %d+ from :%x+ : [^\n]*original.lua:%d+\n",
		dropped = "Maybe forgot response session %d+ from :%x+ : response%(%) of [^\n]*original.lua:%d+ was dropped unused\n",
		request = "Unknown request %(99%): x\n",
		answer = "Response message : y\n",
		trace = "TRACE\n",
	} do
		check.ok(name, lines:find(pattern), lines)
	end
end

-- The log line names the place of `response()`, not that of the collection.
function case.dropped_response()
	local line
	skynet.dispatch("lua", function(_, _, how)
		line = debug.getinfo(1, "l").currentline + 1
		local r = skynet.response()
		if how == "used" then r(true) end
	end)
	check.fails("unused", "call failed", function()
		skynet.fork(function() skynet.yield() collectgarbage() collectgarbage() end)
		skynet.call(skynet.self(), "lua", "unused")
	end)
	skynet.call(skynet.self(), "lua", "used")
	collectgarbage()
	collectgarbage()
	check.emit("the place is original.lua:", tostring(line), " was")
end

-- `false` is what nil is, where the function takes something or a default.
function case.falses()
	local me = skynet.self()
	skynet.dispatch("lua", function(_, _, what)
		if what == "ret" then skynet.ret(false)
		elseif what == "response" then skynet.response(false)(true, "answer") end
	end)
	check.returns("ret", {}, skynet.call, me, "lua", "ret")
	check.returns("response", { "answer" }, skynet.call, me, "lua", "response")
	local log = {}
	for name, f in pairs {
		sleep = function() return skynet.sleep(100000, false) end, wait = function() return skynet.wait(false) end,
		sleepms = function() return skynet.sleepms(100000, false) end,
	} do
		local co = skynet.fork(function() f() log[#log + 1] = name end)
		skynet.yield()
		check.eq(name, skynet.wakeup(co), true)
		skynet.yield()
		check.eq(name .. " is woken", table.remove(log), name)
	end
	local f = function() end
	skynet.dispatch("lua", f)
	check.eq("dispatch tells", skynet.dispatch("lua", false), f)
	check.eq("and leaves", skynet.dispatch "lua", f)
	check.returns("task", {}, skynet.task, false)
	check.returns("task of something else", {}, skynet.task, "else")
	local co = require "skynet.coroutine"
	check.eq("thread", co.thread(false), (coroutine.running()))
end

-- The first value of a plain coroutine is its own, whatever it is.
function case.user()
	local c = coroutine.wrap(function() coroutine.yield("USER", "alice") coroutine.yield "USER" end)
	check.returns("two", { "USER", "alice" }, c)
	check.returns("one", { "USER" }, c)
	local co = require "skynet.coroutine"
	c = co.wrap(function() co.yield("USER", 1) co.yield() coroutine.yield("USER", 2) end)
	check.returns("of skynet.coroutine", { "USER", 1 }, c)
	check.returns("none", {}, c)
	check.returns("mixed", { "USER", 2 }, c)
	check.returns("none of skynet.coroutine", { false, "cannot resume none skynet coroutine" }, co.resume, nil)
	check.returns("a number", { false, "cannot resume none skynet coroutine" }, co.resume, 1)
	check.returns("a plain one", { false, "cannot resume none skynet coroutine" }, co.resume, coroutine.create(print))
	check.returns("the task's", { false, "cannot resume none skynet coroutine" }, co.resume, coroutine.running())
	check.returns("before the first run", { nil, false, n = 2 }, co.thread, co.create(print))
end

local function class(tag, id)
	return {
		name = tag, id = id or 60, pack = skynet.pack, unpack = function(m, sz) return tag, skynet.unpack(m, sz) end,
	}
end

-- A protocol that is registered again, or put into skynet._proto, takes the place of the old one, in both directions.
function case.exchanged_protocols()
	local me, got = skynet.self(), nil
	local function dispatcher(as)
		return function(_, _, tag, what)
			got = { as, tag, what }
			if skynet.context() ~= 0 then skynet.ret(skynet.pack(as)) end
		end
	end
	local function try(name, proto, want)
		got = nil
		skynet.send(me, proto, "x")
		skynet.sleep(1)
		check.eq(name, got, want)
	end
	local p = class "exchanged"
	p.dispatch = dispatcher "old"
	skynet.register_protocol(p)
	check.fails("twice", "assertion failed!", skynet.register_protocol, p)
	try("old", "exchanged", { "old", "exchanged", "x" })
	skynet._proto.exchanged, skynet._proto[60] = nil, nil
	check.eq("nobody", skynet.dispatch "exchanged", nil)
	check.fails("not there", "attempt to index a nil value", skynet.send, me, "exchanged", 1)
	p = class "exchanged"
	p.dispatch = dispatcher "new"
	skynet.register_protocol(p)
	try("new", "exchanged", { "new", "exchanged", "x" })
	check.eq("its handler", skynet.dispatch "exchanged", p.dispatch)
	p = class "exchanged"
	p.dispatch = dispatcher "put"
	skynet._proto.exchanged, skynet._proto[60] = p, p
	try("put there", "exchanged", { "put", "exchanged", "x" })
	check.eq("called", { skynet.call(me, "exchanged", "y") }, { "exchanged", "put" })
	p = class("added", 61)
	p.dispatch = dispatcher "added"
	skynet._proto.added, skynet._proto[61] = p, p
	try("added", "added", { "added", "added", "x" })
	local lua = skynet._proto.lua
	skynet._proto.lua, skynet._proto[10] = nil, nil
	local function another(_, _, ...) skynet.retpack("another lua", ...) end
	skynet.register_protocol { name = "lua", id = 10, pack = skynet.pack, unpack = skynet.unpack, dispatch = another }
	check.returns("even lua", { "another lua", 1 }, skynet.call, me, "lua", 1)
	skynet._proto.lua, skynet._proto[10] = lua, lua
	skynet.dispatch("lua", function() skynet.retpack "the first" end)
	check.returns("and back", { "the first" }, skynet.call, me, "lua", 1)
	skynet._proto.added, skynet._proto[61] = nil, nil
end

function role.inheritor()
	local base = { pack = skynet.pack, unpack = skynet.unpack, name = "heir" }
	function base.dispatch(_, _, ...) skynet.retpack(...) end
	skynet.register_protocol(setmetatable({ id = 62 }, { __index = base }))
	skynet.register_protocol(setmetatable({ name = "poor", id = 63, unpack = skynet.unpack }, { __index = {} }))
	local unknown = {}
	skynet.dispatch_unknown_request(function(session, source, msg, sz, name) unknown[#unknown + 1] = name end)
	skynet.dispatch("lua", function() skynet.retpack(unknown) end)
	skynet.start(function() end)
end

-- What a class has may come from its metatable.
function case.inherited_protocols()
	local base = { pack = skynet.pack, unpack = skynet.unpack }
	skynet.register_protocol(setmetatable({ name = "heir", id = 62 }, { __index = base }))
	skynet.register_protocol(setmetatable({ name = "poor", id = 63 }, { __index = base }))
	local s = check.spawn "inheritor"
	check.returns("all of it", { 1, "two" }, skynet.call, s, "heir", 1, "two")
	check.fails("no handler there either", "call failed", skynet.call, s, "poor", 1)
	skynet.send(s, "poor", 1)
	check.eq("and a send of it", skynet.call(s, "lua"), { "poor" })
end

function case.small_things()
	check.fails("an address that is no integer", "number has no integer representation", skynet.address, 1.5)
	check.eq("an address", skynet.address(10), ":0000000a")
	check.eq("loaded with skynet", package.loaded["skynet.codecache"], skynet.cache)
	for _, name in ipairs { "skynet.core", "skynet.profile", "skynet.require" } do
		check.eq("loaded with it: " .. name, package.loaded[name], require(name))
	end
	check.fails("its name", "bad argument #1 to 'mode' (invalid option 'x')", function() local _ = skynet.cache.mode "x" end)
	check.fails("its name where nothing names it", "'skynet.codecache.mode' (invalid option 'x')", skynet.cache.mode, "x")
	check.fails("core.trace", "'skynet.core.trace' (string expected, got nil)", require("skynet.core").trace, nil)
	check.fails("tracelog", "'tracelog' (string expected, got nil)", skynet.tracelog, nil)
	local name = os.tmpname()
	local f <close> = io.open(name, "w")
	f:write "#!/a line\nreturn 1, ..."
	f:flush()
	check.returns("a text is no binary", { nil, "attempt to load a text chunk (mode is 'b')", n = 2 }, loadfile, name, "b")
	check.returns("a text", { 1, 2 }, assert(loadfile(name, "t")), 2)
	f:seek "set"
	f:write(string.dump(function() return "binary" end))
	f:flush()
	skynet.cache.clear()
	check.returns("a binary is no text", { nil, "attempt to load a binary chunk (mode is 't')", n = 2 }, loadfile, name, "t")
	check.returns("a binary", { "binary" }, assert(loadfile(name, "b")))
	check.eq("standard input is empty here", { loadfile()() }, {})
	os.remove(name)
	package.preload.prepared = function() return "prepared" end
	check.returns("require in a coroutine", { "prepared" }, require, "prepared")
	check.returns("again", { "prepared" }, require, "prepared")
	skynet.trace_timeout(true)
	local co = skynet.timeout(1, function() end)
	local text = skynet.task(skynet.task(co))
	check.ok("where a timer was made", text:find "^TIMER %d+%+1 : \nstack traceback:\n", text)
	skynet.trace_timeout(false)
	local cluster = require "skynet.cluster.core"
	local msg, size = cluster.concat { 6, "abc", "def", false, "ghi" }
	check.eq("parts up to what is none", msg and skynet.tostring(msg, size), "abcdef")
	skynet.trash(msg, size)
	check.returns("too few", {}, cluster.concat, { 7, "abc", 1 })
end

-- The collector is the application's.
function case.collector()
	local s = check.spawn("collecting")
	check.eq("mode, and a parameter through growth", skynet.call(s, "lua"), { "incremental", "generational", 100 })
end

function role.collecting()
	collectgarbage "incremental"
	skynet.dispatch("lua", function()
		local seen = { collectgarbage "generational", collectgarbage "generational" }
		collectgarbage("param", "minormul", 100)
		local keep = {}
		for i = 1, 200000 do keep[i] = { i } end
		skynet.yield()
		skynet.yield()
		seen[3] = collectgarbage("count") > 8192 and collectgarbage("param", "minormul")
		skynet.retpack(seen)
	end)
	skynet.start(function() end)
end

function role.budgeted()
	skynet.dispatch("lua", function()
		local t0 = skynet.hpc()
		debug.sethook(function() error "budget used up" end, "", 20000000)
		local ok, err = pcall(function() while skynet.hpc() - t0 < 20e9 do for _ = 1, 1000 do end end end)
		debug.sethook()
		skynet.retpack(ok, err)
	end)
	skynet.start(function() end)
end

-- Samples of a profiler, each of which sets a hook of its own for a moment, take nothing from what a hook has counted.
function case.budget()
	local socket = require "skynet.socket"
	local listener, _, port = socket.listen("127.0.0.1", 0)
	socket.close(listener)
	skynet.newservice("debug_console", port)
	local s = check.spawn "budgeted"
	local id = socket.open("127.0.0.1", port)
	socket.write(id, ("profile %s 3 1000\n"):format(skynet.address(s)))
	skynet.sleep(20)
	local ok, err = skynet.call(s, "lua")
	check.ok("the hook was called", not ok and tostring(err):find "budget used up", err)
end

-- A request that fails says nothing about what is in use, and later warnings come.
function case.warnings()
	check.fails("too much", "not enough memory", string.rep, "x", 1 << 60)
	local s = string.rep("x", 80 << 20)
	skynet.yield()
	check.eq("it is there", #s, 80 << 20)
end

return check.main(role, case, ...)
