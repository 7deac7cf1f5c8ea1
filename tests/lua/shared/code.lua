-- Code and strings that all services share: nobody may notice, except by memory.
local skynet = require "skynet.manager"
local check = require "check"

local role, case = {}, {}

local function write(path, text)
	local file = assert(io.open(path, "w"))
	file:write(text)
	file:close()
end

-- What a role found out, as text.
local function ask(name, ...)
	local addr = check.spawn(name, ...)
	local answer = skynet.call(addr, "lua", "answer")
	skynet.kill(addr)
	return answer
end

-- The end of a role.
local function answer(value)
	check.serve { answer = function() return tostring(value) end }
end

-- A module with the given words as fields, methods, globals and values.
local function words_module(words)
	local lines = { "local M = {}" }
	for i, word in ipairs(words) do
		lines[#lines + 1] = ("function M.get_%s(t) return t.%s end"):format(word, word)
		lines[#lines + 1] = ("function M.set_%s(t, v) t.%s = v end"):format(word, word)
		lines[#lines + 1] = ("function M.is_%s(s) return s == '%s' end"):format(word, word)
		lines[#lines + 1] = ("M[%d] = '%s'"):format(i, word)
		lines[#lines + 1] = ("function M.nest_%s() return function(t) return function() return t.%s end end end"):format(word, word)
	end
	lines[#lines + 1] = "function M.plain(x) local y = x + 1 return y end"
	lines[#lines + 1] = "return M"
	return table.concat(lines, "\n")
end

-- Uses a module with strings that this service has made itself. Returns what is wrong, or nil.
local function use(M, words)
	local t = {}
	for i, word in ipairs(words) do
		t[word] = i
	end
	for i, word in ipairs(words) do
		if M["get_" .. word](t) ~= i or M["nest_" .. word]()(t)() ~= i then
			return "get " .. word
		end
		M["set_" .. word](t, -i)
		if t[word] ~= -i or rawget(t, word) ~= -i then
			return "set " .. word
		end
		if M[i] ~= word or not M["is_" .. word](word) or M["is_" .. word](word .. "x") then
			return "equal " .. word
		end
		if ({ [M[i]] = true })[word] ~= true or ({ [word] = true })[M[i]] ~= true then
			return "key " .. word
		end
	end
	local n = 0
	for _ in pairs(t) do
		n = n + 1
	end
	return n ~= #words and "number of keys" or nil
end

local function made_words(seed, n)
	local words = {}
	for i = 1, n do
		words[i] = ("w%s_%d"):format(seed, i * 7)
	end
	return words
end

-- The strings were there before the file that has them as constants.
function case.own_strings_before_the_code()
	local words = made_words("own", 50)
	local kept = { table.unpack(words, 1, 10) }
	write("own.lua", words_module(words))
	check.eq("the first load", use(dofile "own.lua", words), nil)
	check.eq("the second", use(dofile "own.lua", words), nil)
	collectgarbage()
	collectgarbage()
	check.eq("after a collection", use(dofile "own.lua", words), nil)
	check.eq("in another service", ask("use", "own.lua", "own", 50), "nil")
	check.eq("and still here", use(dofile "own.lua", made_words("own", 50)), nil)
	check.eq("old strings", kept[1], "wown_7")
end

-- Some functions of a file have constants that this service has made itself, the others are the shared ones.
function case.few_own_strings()
	local words = made_words("few", 40)
	write("few.lua", words_module(words))
	words = nil
	collectgarbage()
	collectgarbage()
	check.eq("known to others", ask("use", "few.lua", "few", 40), "nil")
	local mine = made_words("few", 3)
	local M = dofile "few.lua"
	check.eq("all of it", use(M, made_words("few", 40)), nil)
	check.eq("plain", M.plain(1), 2)
	check.eq("mine", use(M, mine), nil)
end

function role.use(file, seed, n)
	local problem = use(dofile(file), made_words(seed, tonumber(n)))
	answer(problem)
end

-- Every service makes the strings of all files, in an order of its own, while the others load the files.
function case.churn()
	local files = 12
	for i = 1, files do
		write(("churn%d.lua"):format(i), words_module(made_words(i, 30)))
	end
	local done, bad, workers = 0, nil, 8
	for w = 1, workers do
		skynet.fork(function()
			for round = 1, 3 do
				local problem = ask("churn", w * 100 + round, files)
				if problem ~= "nil" then
					bad = problem
				end
			end
			done = done + 1
		end)
	end
	while done < workers do
		skynet.sleep(1)
	end
	check.eq("all strings are one", bad, nil)
end

function role.churn(seed, files)
	seed, files = tonumber(seed), tonumber(files)
	math.randomseed(seed)
	local problem
	if seed % 2 == 0 then
		collectgarbage "incremental"
	end
	local modules, kept = {}, {}
	for _ = 1, 3 * files do
		local i = math.random(files)
		if math.random(2) == 1 then
			kept[i] = made_words(i, math.random(30))
		else
			modules[i] = dofile(("churn%d.lua"):format(i))
		end
		if math.random(4) == 1 then
			kept[math.random(files)] = nil
			collectgarbage(math.random(2) == 1 and "step" or "collect")
		end
		if math.random(8) == 1 then
			require "skynet.codecache".clear()
		end
		if modules[i] then
			problem = problem or use(modules[i], made_words(i, 30))
		end
	end
	answer(problem)
end

-- What the debug library sees of a function does not tell where the function lives.
function case.debug()
	write("dbg.lua", [[
		local up, other = 1, 2
		local function f(a, b)
			local c = a + b
			up = up + 1
			local d <const> = "a string that is longer than forty characters, so it is a long one"
			return c, d, up
		end
		local function g(x)
			return x.field.missing
		end
		return f, g, function() return other end, function(...) return select("#", ...), ... end
	]])
	local f, g, h, vararg = dofile "dbg.lua"
	local info = debug.getinfo(f, "SlnutL")
	check.eq("source", { info.source, info.short_src, info.linedefined, info.lastlinedefined, info.nparams, info.nups },
		{ "@dbg.lua", "dbg.lua", 2, 7, 2, 1 })
	check.ok("lines", info.activelines[3] and info.activelines[6])
	check.eq("parameters", { debug.getlocal(f, 1), debug.getlocal(f, 2) }, { "a", "b" })
	check.eq("upvalue", { debug.getupvalue(f, 1) }, { "up", 1 })
	check.eq("set it", debug.setupvalue(f, 1, 10), "up")
	check.eq("and use it", select(3, f(1, 2)), 11)
	debug.upvaluejoin(h, 1, f, 1)
	check.eq("joined", h(), 11)
	check.eq("vararg", { vararg(nil, 2) }, { 2, nil, 2 })
	local ok, err = pcall(g, { field = false })
	check.ok("error names the field", not ok and err:find("dbg.lua:9: attempt to index a boolean value (field 'field')", 1, true), err)
	local copy = load(string.dump(f))
	debug.setupvalue(copy, 1, 5)
	check.eq("dump", { copy(1, 2) }, { 3, "a string that is longer than forty characters, so it is a long one", 6 })
	check.eq("stripped", { load(string.dump(f, true)) ~= nil }, { true })
	local lines, calls = {}, 0
	debug.sethook(function(what, line)
		if what == "line" and debug.getinfo(2, "f").func == f then
			lines[#lines + 1] = line
			local i = 1
			while debug.getlocal(2, i) do
				if debug.getlocal(2, i) == "a" and line == 3 then
					debug.setlocal(2, i, 100)
				end
				i = i + 1
			end
		elseif what == "call" then
			calls = calls + 1
		end
	end, "cl")
	local c = f(1, 2)
	debug.sethook()
	check.eq("line hook", lines, { 3, 4, 6 })
	check.ok("call hook", calls > 0)
	check.eq("changed local", c, 102)
	local t = { [string.rep("k", 50)] = 1 }
	write("long.lua", "local t = ... return t." .. string.rep("k", 50))
	check.eq("long strings as keys", assert(loadfile "long.lua")(t), 1)
end

-- A file that was compiled elsewhere, without debug information: functions have no lines, and it is said so.
function case.stripped()
	local dump = string.dump(assert(load([[
		local up = 12
		local function f() local unused = 1 return up end
		local function fails(t) return t.field.missing end
		local M = {}
		function M.get() return up end
		return f, fails, debug.getinfo(1, "l").currentline, M
	]], "@stripped.lua")), true)
	write("stripped.lua", dump)
	local function found(chunk)
		local f, fails, line, M = chunk()
		local info = debug.getinfo(f, "SlL")
		local hooked = {}
		debug.sethook(function(_, at)
			hooked[#hooked + 1] = debug.getinfo(2, "f").func == M.get and tostring(at) or nil
		end, "l")
		M.get()
		debug.sethook()
		return { line, info.currentline, info.short_src, info.linedefined, info.activelines, hooked,
			{ debug.getupvalue(f, 1) }, { debug.getlocal(f, 1) }, { pcall(fails, {}) }, f(), M.get() }
	end
	check.eq("as a file and as a text", found(assert(loadfile "stripped.lua")), found(assert(load(dump))))
	check.eq("without lines", found(assert(loadfile "stripped.lua"))[1], -1)
end

-- A file of some thousand lines costs a service the closures that it makes, not the code.
local function large_module()
	local lines = { "local M = {}" }
	for i = 1, 400 do
		lines[#lines + 1] = ("function M.f%d(a, b)"):format(i)
		for j = 1, 10 do
			lines[#lines + 1] = ("  local v%d = a.field_%d + (b and b.other_%d or %d)"):format(j, i * j % 500, i + j, i * j)
		end
		lines[#lines + 1] = "  return v1 + v2\nend"
	end
	lines[#lines + 1] = "return M"
	return table.concat(lines, "\n")
end

function case.memory()
	write("large.lua", large_module())
	ask("weigh", "large.lua")
	local kilobytes = tonumber(ask("weigh", "large.lua"))
	if ask("address") ~= string.format("%p", "address") then
		return check.ok("stock Lua shares nothing", os.getenv "SKYNET_TEST_STOCK")
	end
	check.ok("much less than its code", kilobytes < 50, kilobytes)
end

-- Versions of a file that nobody runs any more take no memory.
function case.changing_code()
	local codecache = require "skynet.codecache"
	local function resident()
		local file <close> = assert(io.open "/proc/self/statm")
		local _, pages = file:read("n", "n")
		return pages * 4
	end
	local text = large_module()
	local function rounds(from, to)
		for round = from, to do
			write("changing.lua", ("local version = %d\n%s"):format(round, text))
			codecache.clear()
			ask("weigh", "changing.lua")
		end
		return resident()
	end
	local before = rounds(1, 60)
	local after = rounds(61, 260)
	check.ok("versions go away", after - before < 20 << 10, after - before)
	-- What a service runs stays, though the cache has forgotten it, whoever else comes and goes.
	write("changing.lua", "return function(n) return n + 1, 'a constant that is long enough not to be a short one' end")
	codecache.clear()
	local f = dofile "changing.lua"
	rounds(1, 3)
	collectgarbage()
	check.eq("it still runs", { f(1) }, { 2, "a constant that is long enough not to be a short one" })
end

function role.weigh(file)
	collectgarbage()
	collectgarbage()
	local before = collectgarbage "count"
	local M = dofile(file)
	collectgarbage()
	collectgarbage()
	answer(collectgarbage "count" - before)
	role.kept = M
end

function role.address()
	answer(string.format("%p", "address"))
end

-- Who runs out of memory while loading gets an error, and can go on.
function case.memory_limit()
	local words = made_words("limit", 200)
	write("limit.lua", words_module(words))
	write("tight.lua", [[
		local skynet = require "skynet"
		local file, n = ...
		local words = {}
		for i = 1, n do words[i] = ("wlimit_%d"):format(i * 7) end
		skynet.memlimit(math.floor(collectgarbage "count") * 1024 + 6000)
		skynet.start(function()
			skynet.dispatch("lua", function()
				local fails = 0
				for _ = 1, 20 do
					local f, err = loadfile(file)
					if not f then
						fails = fails + 1
						assert(err:find "not enough memory", err)
					end
				end
				skynet.retpack(fails, #words)
			end)
		end)
	]])
	local addr = skynet.newservice("tight", "limit.lua", 200)
	-- The constants are the other service's own strings by now.
	dofile "limit.lua"
	check.eq("refused, and in order otherwise", { skynet.call(addr, "lua") }, { 20, 200 })
end

-- The tables of the libraries are a service's own, whatever it does with them.
local LIBRARIES = { "coroutine", "table", "os", "string", "utf8", "debug", "math", "io" }

local function count(t)
	local n = 0
	for _, v in next, t do
		n = n + (v ~= nil and 1 or 0)
	end
	return n
end

local function libraries()
	local found = {}
	for _, name in ipairs(LIBRARIES) do
		local lib = _G[name]
		found[name] = count(lib)
		assert(package.loaded[name] == lib and getmetatable(lib) == nil and #lib == 0)
	end
	found.skynet = count(require "skynet")
	return found
end

function role.libraries()
	answer(check.show(libraries()))
end

function case.library_tables()
	local before = libraries()
	check.eq("functions of string", before.string, 17)
	check.eq("methods of strings", { ("x"):rep(3), "10" + 1, -"2", getmetatable("").__index == string }, { "xxx", 11, -2, true })
	-- A new field, a changed one, a removed one, each the first write to its table.
	string.trim = function(s) return (s:gsub("^ +", "")) end
	check.eq("a new method", ("  a"):trim(), "a")
	local insert = table.insert
	table.insert = print
	check.ok("changed", table.insert == print and insert ~= print)
	os.time = nil
	check.eq("removed", { os.time, count(os) }, { nil, before.os - 1 })
	rawset(utf8, "len", 1)
	check.eq("rawset", { utf8.len, count(utf8) }, { 1, before.utf8 })
	debug[1], debug[2] = "a", "b"
	check.eq("numbers as keys", { #debug, debug[2], type(debug.traceback) }, { 2, "b", "function" })
	-- A metatable: what exists is assigned, what does not goes to the handler.
	local seen = {}
	setmetatable(coroutine, { __newindex = function(_, k, v) seen[k] = v end, __index = function(_, k) return k .. "?" end })
	coroutine.status = 5
	coroutine.other = 6
	check.eq("__newindex", { coroutine.status, coroutine.other, seen }, { 5, "other?", { other = 6 } })
	setmetatable(coroutine, nil)
	check.eq("still there", { coroutine.status, coroutine.other }, { 5, nil })
	-- Fields may be assigned while the table is walked over.
	local walked, exit = 0, os.exit
	for k in pairs(os) do
		os[k] = false
		walked = walked + 1
	end
	check.eq("walk and clear", { walked, os.clock, os.exit == exit }, { before.os - 1, false, false })
	for k in pairs(skynet) do
		if k == "now" then
			skynet[k] = nil
		end
	end
	check.eq("skynet too", skynet.now, nil)
	for _, mode in ipairs { "generational", "incremental" } do
		collectgarbage(mode)
		collectgarbage()
		collectgarbage()
	end
	setmetatable(string, { __mode = "kv" })
	collectgarbage()
	check.eq("weak", { string.rep("x", 2), type(string.trim) }, { "xx", "nil" })
	check.eq("nothing of it elsewhere", ask "libraries", ask "libraries")
	before.skynet = nil
	local other = ask "libraries"
	for name, n in pairs(before) do
		check.ok(name .. " elsewhere", other:find(('["%s"]=%d'):format(name, n), 1, true), other)
	end
end

return check.main(role, case, ...)
