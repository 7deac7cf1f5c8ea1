-- Small modules before and after a reload, dry and real.
local skynet = require "skynet"
local codecache = require "skynet.codecache"
local service = require "skynet.reload.service"
local check = require "check"

local role, case = {}, {}

local number = 0

local function write(file, text)
	local f <close> = assert(io.open(file, "w"))
	f:write(text)
	f:close()
	codecache.clear("./" .. file)
end

-- A module under a name of its own, with `before` as its text. use(M) is called before the reload and returns what
-- look(M, used) gets afterwards: what that returns is compared with `old` after a dry run, and with `new` after a real
-- one. `changed` is how many functions are replaced.
local function try(t)
	number = number + 1
	local name = "module" .. number
	local title = ("%d, %s"):format(number, t[1])
	write(name .. ".lua", t.before)
	local M = require(name)
	local used = t.use and t.use(M)
	write(name .. ".lua", t.after)
	local report = service.judge(name, t.force)
	check.eq(title .. ": dry", t.look(M, used), t.old)
	check.eq(title .. ": conflicts", #report.conflicts, t.conflicts or 0)
	if t.changed then
		check.eq(title .. ": changed", #report.changed, t.changed)
	end
	report = service.apply(name, t.force)
	check.eq(title .. ": real", t.look(M, used), t.new)
	check.eq(title .. ": done", report.done or false, (t.conflicts or 0) == 0 and not t.broken or t.force or false)
	check.ok(title .. ": the table is the same", rawequal(require(name), M))
	if not t.conflicts and not t.broken then
		report = service.judge(name)
		check.eq(title .. ": nothing is left to do", { #report.changed, #report.new, #report.conflicts }, { 0, 0, 0 })
	end
end

local function call(name)
	return function(M)
		return M[name]()
	end
end

local f1, f2 = "local M = {} function M.f() return 1 end return M", "local M = {} function M.f() return 2 end return M"

function case.functions()
	try { "a function", before = f1, after = f2, look = call "f", old = 1, new = 2, changed = 1 }
	try { "the same file", before = f1, after = f1, look = call "f", old = 1, new = 1, changed = 0 }
	try { "another line", before = f1, after = "\n\n" .. f1, look = call "f", old = 1, new = 1, changed = 1 }
	try { "comments behind it", before = f1, after = f1 .. " -- a comment", look = call "f", old = 1, new = 1, changed = 0 }
	try { "a new function", before = f1, after = "local M = {} function M.f() return 1 end function M.g() return 2 end return M",
		look = function(M) return M.g and M.g() or 0 end, old = 0, new = 2, changed = 0 }
	try { "a function that is gone stays", before = "local M = {} function M.f() return 1 end function M.g() return 2 end return M",
		after = f1, look = call "g", old = 2, new = 2, changed = 0 }
	try { "a local function", before = "local M = {} local function h() return 1 end function M.f() return h() end return M",
		after = "local M = {} local function h() return 2 end function M.f() return h() end return M",
		look = call "f", old = 1, new = 2, changed = 1 }
	try { "a local function of a local function",
		before = "local M = {} local function g() return 1 end local function h() return g() end function M.f() return h() end return M",
		after = "local M = {} local function g() return 2 end local function h() return g() end function M.f() return h() end return M",
		look = call "f", old = 1, new = 2, changed = 1 }
	try { "a new local function", before = f1,
		after = "local M = {} local function h() return 2 end function M.f() return h() end return M",
		look = call "f", old = 1, new = 2, changed = 1 }
	try { "functions that call each other",
		before = "local M = {} local a, b function a(n) return n == 0 and 'a' or b(n - 1) end "
			.. "function b(n) return n == 0 and 'b' or a(n - 1) end M.f = function() return a(3) end return M",
		after = "local M = {} local a, b function a(n) return n == 0 and 'A' or b(n - 1) end "
			.. "function b(n) return n == 0 and 'B' or a(n - 1) end M.f = function() return a(3) end return M",
		look = call "f", old = "b", new = "B", changed = 2 }
	try { "recursion", before = "local M = {} function M.f(n) n = n or 3 return n == 0 and 1 or M.f(n - 1) end return M",
		after = "local M = {} function M.f(n) n = n or 3 return n == 0 and 2 or M.f(n - 1) end return M",
		look = call "f", old = 1, new = 2, changed = 1 }
	try { "local recursion", before = "local M = {} local function r(n) return n == 0 and 1 or r(n - 1) end "
		.. "function M.f() return r(3) end return M",
		after = "local M = {} local function r(n) return n == 0 and 2 or r(n - 1) end function M.f() return r(3) end return M",
		look = call "f", old = 1, new = 2 }
	try { "varargs", before = "local M = {} function M.f(...) return select('#', ...) end return M",
		after = "local M = {} function M.f(...) return select('#', ...) + 10 end return M",
		look = function(M) return M.f(nil, nil) end, old = 2, new = 12 }
	try { "goto", before = "local M = {} function M.f() local i = 0 ::top:: i = i + 1 if i < 3 then goto top end return i end return M",
		after = "local M = {} function M.f() local i = 0 ::top:: i = i + 1 if i < 5 then goto top end return i end return M",
		look = call "f", old = 3, new = 5 }
	try { "more parameters", before = "local M = {} function M.f(a) return a end return M",
		after = "local M = {} function M.f(a, b) return b end return M",
		look = function(M) return M.f(1, 2) end, old = 1, new = 2 }
	try { "a constant", before = "local N <const> = 1 local M = {} function M.f() return N end return M",
		after = "local N <const> = 2 local M = {} function M.f() return N end return M", look = call "f", old = 1, new = 2 }
	try { "a method", before = "local M = {n = 1} function M:f() return self.n end return M",
		after = "local M = {n = 1} function M:f() return self.n + 1 end return M",
		look = function(M) return M:f() end, old = 1, new = 2 }
	try { "a global function is called", before = "local M = {} function M.f() return type(print) end return M",
		after = "local M = {} function M.f() return type(print) .. '!' end return M",
		look = call "f", old = "function", new = "function!" }
	try { "a native function", before = "local M = {} M.f = math.abs return M", after = "local M = {} M.f = math.floor return M",
		look = function(M) return M.f(-1.5) end, old = 1.5, new = -2 }
	try { "two names for one function", before = "local M = {} function M.f() return 1 end M.g = M.f return M",
		after = "local M = {} function M.f() return 2 end M.g = M.f return M",
		look = function(M) return { M.f(), M.g() } end, old = { 1, 1 }, new = { 2, 2 } }
end

function case.state()
	try { "a local counter", before = "local n = 0 local M = {} function M.f() n = n + 1 return n end return M",
		after = "local n = 0 local M = {} function M.f() n = n + 10 return n end return M",
		use = function(M) M.f() end, look = call "f", old = 2, new = 12 }
	try { "a local table", before = "local t = {} local M = {} function M.put(x) t[#t + 1] = x end function M.f() return #t end return M",
		after = "local t = {} local M = {} function M.put(x) t[#t + 1] = x end function M.f() return #t * 10 end return M",
		use = function(M) M.put(1) M.put(2) end, look = call "f", old = 2, new = 20 }
	try { "a field", before = "local M = {n = 1} function M.f() return M.n end return M",
		after = "local M = {n = 100} function M.f() return M.n + 1 end return M",
		use = function(M) M.n = 5 end, look = call "f", old = 5, new = 6 }
	try { "a field that is replaced", before = "local M = {n = 1} function M.f() return M.n end return M",
		after = "local M = {n = 100, __reload = { replace = { 'n' } }} function M.f() return M.n end return M",
		look = call "f", old = 1, new = 100 }
	try { "a table that is replaced", before = "local M = {t = { 1, 2 }} function M.f() return #M.t end return M",
		after = "local M = {t = { 1, 2, 3 }, __reload = { replace = { 't' } }} function M.f() return #M.t end return M",
		look = call "f", old = 2, new = 3 }
	try { "a table that stays", before = "local M = {t = { 1, 2 }} function M.f() return #M.t end return M",
		after = "local M = {t = { 1, 2, 3 }} function M.f() return #M.t end return M", look = call "f", old = 2, new = 2 }
	try { "a new field", before = f1, after = "local M = {n = 7} function M.f() return M.n end return M",
		look = call "f", old = 1, new = 7 }
	try { "a new local", before = f1, after = "local n = 7 local M = {} function M.f() return n end return M",
		look = call "f", old = 1, new = 7 }
	try { "a local that gets a value later", before = "local t local M = {} function M.f() t = t or { 1 } return #t end return M",
		after = "local t local M = {} function M.f() t = t or { 1 } return #t + 1 end return M",
		use = function(M) M.f() end, look = call "f", old = 1, new = 2 }
	try { "a variable that two functions share",
		before = "local n = 0 local M = {} function M.up() n = n + 1 end function M.f() return n end return M",
		after = "local n = 0 local M = {} function M.up() n = n + 1 end function M.f() return -n end return M",
		use = function(M) M.up() M.up() end, look = function(M) M.up() return M.f() end, old = 3, new = -4 }
	try { "what was taken out of a table stays out", before = "local q = { 'a', 'b' } local M = {} function M.pop() return table.remove(q) end "
		.. "function M.f() return #q end return M",
		after = "local q = { 'a', 'b' } local M = {} function M.pop() return table.remove(q) end function M.f() return #q + 10 end return M",
		use = function(M) M.pop() end, look = call "f", old = 1, new = 11 }
	try { "what was put into a table stays", before = "local M = {handlers = {}} function M.on(n) M.handlers[n] = function() return n end end "
		.. "function M.f() return M.handlers.x() end return M",
		after = "local M = {handlers = {}} function M.on(n) M.handlers[n] = function() return n end end "
		.. "function M.f() return M.handlers.x() + 10 end return M",
		use = function(M) M.on("x") M.handlers.x = function() return 1 end end, look = call "f", old = 1, new = 11 }
	try { "the module table in a variable of its functions", before = "local M = {} function M.g() return 1 end function M.f() return M.g() end return M",
		after = "local M = {} function M.g() return 2 end function M.f() return M.g() end return M",
		look = call "f", old = 1, new = 2, changed = 1 }
	try { "another module", before = "local skynet = require 'skynet' local M = {} function M.f() return skynet.self() > 0 end return M",
		after = "local skynet = require 'skynet' local M = {} function M.f() return skynet.self() < 0 end return M",
		look = call "f", old = true, new = false }
	try { "a module that is required newly", before = f1,
		after = "local t = require 'skynet.queue' local M = {} function M.f() return type(t) end return M",
		look = call "f", old = 1, new = "function" }
	try { "a number becomes a string", before = "local n = 1 local M = {} function M.f() return n end return M",
		after = "local n = 'one' local M = {} function M.f() return n, 1 end return M",
		look = call "f", old = 1, new = 1 }
end

local class = [[
local Room = {}
Room.__index = Room
function Room:count() return #self.players * %d end
function Room:enter(p) self.players[#self.players + 1] = p end
local M = {}
function M.new() return setmetatable({ players = {} }, Room) end
return M]]
local inheritance = [[
local Base = {}
Base.__index = Base
function Base:name() return %q end
local Room = setmetatable({}, { __index = Base })
Room.__index = Room
function Room:title() return "room of " .. self:name() end
local M = { Base = Base, Room = Room }
function M.new() return setmetatable({}, Room) end
return M]]

function case.classes()
	try { "objects", before = class:format(1), after = class:format(10),
		use = function(M) local room = M.new() room:enter(1) room:enter(2) return room end,
		look = function(M, room) return { room:count(), #M.new().players } end, old = { 2, 0 }, new = { 20, 0 }, changed = 1 }
	try { "inheritance", before = inheritance:format "one", after = inheritance:format "two",
		use = function(M) return M.new() end, look = function(_, room) return room:title() end,
		old = "room of one", new = "room of two", changed = 1 }
	try { "a new method", before = class:format(1), after = class:format(1):gsub("local M =", "function Room:more() return 7 end\nlocal M ="),
		use = function(M) return M.new() end, look = function(_, room) return room.more and room:more() or 0 end, old = 0, new = 7 }
	try { "a metamethod", before = "local mt = { __add = function() return 1 end } local M = { x = setmetatable({}, mt) } return M",
		after = "local mt = { __add = function() return 2 end } local M = { x = setmetatable({}, mt) } return M",
		look = function(M) return M.x + 1 end, old = 1, new = 2 }
	try { "__call of the module", before = "return setmetatable({}, { __call = function() return 1 end })",
		after = "return setmetatable({}, { __call = function() return 2 end })", look = function(M) return M() end, old = 1, new = 2 }
	try { "__index as a function", before = "return setmetatable({}, { __index = function(_, k) return k .. 1 end })",
		after = "return setmetatable({}, { __index = function(_, k) return k .. 2 end })",
		look = function(M) return M.x end, old = "x1", new = "x2" }
	try { "a metatable is new", before = "return {}", after = "return setmetatable({}, { __index = { x = 1 } })",
		look = function(M) return M.x or 0 end, old = 0, new = 1 }
	try { "nested tables of functions", before = "return { a = { b = { f = function() return 1 end } } }",
		after = "return { a = { b = { f = function() return 2 end } } }", look = function(M) return M.a.b.f() end, old = 1, new = 2 }
	try { "a table that holds itself", before = "local M = {} M.me = M function M.f() return 1 end return M",
		after = "local M = {} M.me = M function M.f() return 2 end return M", look = function(M) return M.me.f() end, old = 1, new = 2 }
	try { "keys that are no strings", before = "local k = 1 return { [1] = function() return 1 end, [true] = function() return 1 end }",
		after = "local k = 1 return { [1] = function() return 2 end, [true] = function() return 3 end }",
		look = function(M) return { M[1](), M[true]() } end, old = { 1, 1 }, new = { 2, 3 } }
end

function case.held_elsewhere()
	local elsewhere
	try { "in a table", before = f1, after = f2, use = function(M) elsewhere = { f = M.f } end,
		look = function() return elsewhere.f() end, old = 1, new = 2 }
	try { "in a variable", before = f1, after = f2, use = function(M) local f = M.f return function() return f() end end,
		look = function(_, g) return g() end, old = 1, new = 2 }
	try { "as a key", before = f1, after = f2, use = function(M) elsewhere = { [M.f] = "x" } end,
		look = function() return next(elsewhere)() end, old = 1, new = 2 }
	try { "in a weak table", before = f1, after = f2, use = function(M) elsewhere = setmetatable({ M.f }, { __mode = "v" }) end,
		look = function() return elsewhere[1]() end, old = 1, new = 2 }
	try { "in a metatable", before = f1, after = f2, use = function(M) return setmetatable({}, { __len = M.f }) end,
		look = function(_, t) return #t end, old = 1, new = 2 }
	local value
	try { "in a timer", before = "local M = {} function M.f() setenv(1) end return M",
		after = "local M = {} function M.f() setenv(2) end return M",
		use = function(M)
			_G.setenv = function(x) value = x end
			skynet.timeout(30, M.f)
		end,
		look = function() return value end, old = nil, new = nil }
	check.ok("the timer calls", check.wait(function() return value end))
	check.eq("the new one", value, 2)
	_G.setenv = nil
	local got
	try { "as a handler", before = "local M = {} function M.f(...) got(1, ...) end return M",
		after = "local M = {} function M.f(...) got(2, ...) end return M",
		use = function(M)
			_G.got = function(x) got = x end
			skynet.register_protocol { name = "reloaded", id = 100, pack = skynet.pack, unpack = skynet.unpack, dispatch = M.f }
		end, look = function() return got end, old = nil, new = nil }
	skynet.send(skynet.self(), "reloaded")
	check.ok("a message comes", check.wait(function() return got end))
	check.eq("to the new one", got, 2)
	_G.got = nil
	local closures
	try { "closures of a loop keep their code", before = "local M = {} function M.all() local t = {} for i = 1, 3 do "
		.. "t[i] = function() return i end end return t end return M",
		after = "local M = {} function M.all() local t = {} for i = 1, 3 do t[i] = function() return i * 10 end end return t end return M",
		use = function(M) closures = M.all() end,
		look = function(M) return { closures[2](), M.all()[2]() } end, old = { 2, 2 }, new = { 2, 20 } }
	local co
	try { "a coroutine finishes in the old code", before = "local M = {} function M.f(n) while true do n = coroutine.yield(n + 1) end end return M",
		after = "local M = {} function M.f(n) while true do n = coroutine.yield(n + 2) end end return M",
		use = function(M) co = coroutine.wrap(M.f) co(0) end,
		look = function(M) return { co(10), coroutine.wrap(M.f)(10) } end, old = { 11, 11 }, new = { 11, 12 } }
end

function case.conflicts()
	try { "a table becomes a function", before = "return { x = {} }", after = "return { x = function() end }",
		look = function(M) return type(M.x) end, old = "table", new = "table", conflicts = 1 }
	try { "by force", before = "return { x = {} }", after = "return { x = function() end }", force = true,
		look = function(M) return type(M.x) end, old = "table", new = "function", conflicts = 1 }
	try { "a function becomes a number, and another one changes", before = "return { x = function() end, f = function() return 1 end }",
		after = "return { x = 1, f = function() return 2 end }",
		look = call "f", old = 1, new = 1, conflicts = 1 }
	try { "a variable", before = "local x = {} local M = {} function M.f() return type(x) end return M",
		after = "local x = function() end local M = {} function M.f() return type(x) .. '!' end return M",
		look = call "f", old = "table", new = "table", conflicts = 1 }
	for text, why in pairs {
		["return {"] = "expected",
		["error 'at load'"] = "at load",
		["x = 1 return {}"] = "assigns to the global variable x",
		["function f() end return {}"] = "assigns to the global variable f",
		["return 1"] = "returns a number, not a table",
		[""] = "returns a nil, not a table",
		["coroutine.yield() return {}"] = "waits for something",
		["return {} .. 1"] = "concatenate",
	} do
		number = number + 1
		local name = "module" .. number
		write(name .. ".lua", f1)
		local M = require(name)
		write(name .. ".lua", text)
		for _, report in ipairs { service.judge(name), service.apply(name), service.apply(name, true) } do
			check.ok(why, report.failed and report.conflicts[1]:find(why, 1, true), report.conflicts[1])
			check.eq(why .. ": not done", report.done, nil)
		end
		check.eq(why .. ": the old one is there", M.f(), 1)
		write(name .. ".lua", f2)
		check.ok("mended", service.apply(name).done)
		check.eq("the new one", M.f(), 2)
	end
	number = number + 1
	package.loaded.odd = 1
	check.ok("no table", service.judge("odd").conflicts[1]:find("is a number", 1, true))
	check.eq("not loaded", service.judge "nowhere", nil)
	package.loaded.nofile = {}
	check.ok("no file", service.judge("nofile").conflicts[1]:find("its file is not there", 1, true))
end

function case.hooks()
	local log = {}
	_G.log = function(...) table.insert(log, table.concat({ ... }, " ")) end
	local text = "local M = {n = %d} function M.f() return %d end function M.__before_reload(new) log('before', M.n, new.n) end "
		.. "function M.__after_reload(old) log('after', M.n, type(old)) end return M"
	try { "called", before = text:format(1, 1), after = text:format(5, 2), look = call "f", old = 1, new = 2 }
	check.eq("once each", log, { "before 1 5", "after 1 table" })
	try { "not for nothing", before = text:format(1, 1), after = text:format(1, 1), look = call "f", old = 1, new = 1 }
	check.eq("no more", #log, 2)
	try { "one that fails before", before = "local M = {} function M.f() return 1 end function M.__before_reload() error 'no' end return M",
		after = f2, look = call "f", old = 1, new = 1, broken = true }
	try { "one that fails after", before = f1,
		after = "local M = {} function M.f() return 2 end function M.__after_reload() error 'no' end return M",
		look = call "f", old = 1, new = 2, broken = true }
end

-- Whatever the file is, loading it again changes nothing.
function case.untouched()
	for _, text in ipairs { f1, class:format(1), inheritance:format "x",
		"local n = 0 local t = setmetatable({}, { __mode = 'k' }) local M = {} function M.f() n = n + 1 t[{}] = n return n end return M",
		"local M = {} for i = 1, 3 do M['f' .. i] = function() return i end end return M",
		"local M = { __reload = { replace = { 'x' } }, x = { 1, { 2 }, f = function() end } } return M",
		"local function make(n) return function() return n end end return { a = make(1), b = make(2) }" } do
		number = number + 1
		local name = "module" .. number
		write(name .. ".lua", text)
		local M = require(name)
		local before = {}
		for key, value in pairs(M) do
			before[key] = value
		end
		for _, report in ipairs { service.judge(name), service.apply(name) } do
			check.eq("nothing to do", { #report.changed, #report.new, #report.removed, #report.conflicts, report.held }, { 0, 0, 0, 0, 0 })
		end
		for key, value in pairs(before) do
			check.ok("the same", rawequal(M[key], value))
		end
		check.eq("as many", #before, #M)
	end
end

-- References of every kind, of all ages, whatever the collector is doing.
function case.references()
	local core = require "skynet.core"
	for _, mode in ipairs { "generational", "incremental" } do
		collectgarbage(mode)
		local function old()
			return 1
		end
		local function new()
			return 2
		end
		local holders, inside = {}, nil
		local function hold(call, holder)
			holders[#holders + 1] = { call, holder }
		end
		for round = 1, 50 do
			hold(function(t) return t[3]() end, { 1, 2, old })
			hold(function(t) return t.f() end, { f = old })
			hold(function(t) return next(t)() end, { [old] = round })
			hold(function(t) return next(t)() end, setmetatable({ [old] = {} }, { __mode = "k" }))
			hold(function(t) return t[1]() end, setmetatable({ old }, { __mode = "v" }))
			hold(function(t) return t.anything() end, setmetatable({}, { __index = { anything = old } }))
			hold(function(t) return #t end, setmetatable({}, { __len = old, __gc = function() end }))
			hold(function(f) return f() end, (function(f) return function() return f() end end)(old))
			hold(function(co) return select(2, coroutine.resume(co)) end, coroutine.create(old)) -- has yet to start
			hold(function(t)
				local co = table.remove(t) -- once the next one is resumed, this one is gone
				return co and co() or 2
			end, { coroutine.wrap(function() return old() end) })
			collectgarbage "step"
		end
		inside = coroutine.create(function(f)
			local kept = f -- on a stack
			coroutine.yield()
			return kept()
		end)
		coroutine.resume(inside, old)
		local function within()
			coroutine.yield()
			return 1
		end
		local co = coroutine.create(within)
		coroutine.resume(co)
		local map, skip = { [old] = new, [within] = new }, { [holders] = true }
		local held, running = core.exchange(map, skip)
		check.ok(mode .. ": all are counted", held >= 450 and held < 600, held)
		check.eq(mode .. ": a coroutine is inside", running, 1)
		check.eq(mode .. ": they are only counted", holders[2][1](holders[2][2]), 1)
		check.eq(mode .. ": as many", core.exchange(map, skip, true), held)
		local wrong = 0
		for pass = 1, 2 do
			for i, holder in ipairs(holders) do
				-- A coroutine is called once.
				if pass == 1 or (i - 1) % 10 ~= 8 then
					wrong = wrong + (holder[1](holder[2]) == 2 and 0 or 1)
				end
			end
			collectgarbage()
		end
		check.eq(mode .. ": all call the new one", wrong, 0)
		check.eq(mode .. ": what is on a stack stays", select(2, coroutine.resume(inside)), 1)
		check.eq(mode .. ": who is inside stays there", select(2, coroutine.resume(co)), 1)
	end
	collectgarbage "generational"
	check.fails("no table", "two tables expected", core.exchange, {}, 1)
end

return check.main(role, case, ...)
