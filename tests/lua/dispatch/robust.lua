-- What Lua code can do to its service: it may harm itself, but never the dispatcher or the node.
local skynet = require "skynet"
local core = require "skynet.core"
local check = require "check"

local role, case = {}, {}

local nasty = setmetatable({}, { __tostring = function() error "tostring fails too" end })
local not_text = setmetatable({}, { __tostring = function() return {} end })
local named = setmetatable({}, { __name = "a named type" })
local looping = setmetatable({}, {})
getmetatable(looping).__tostring = function() error(looping) end

local values = {
	function() error(nil) end,
	function() error(false) end,
	function() error(true) end,
	function() error(12) end,
	function() error(1.5) end,
	function() error "" end,
	function() error("zero\0byte") end,
	function() error({}) end,
	function() error(nasty) end,
	function() error(not_text) end,
	function() error(named) end,
	function() error(looping) end,
	function() error(print) end,
	function() error(coroutine.create(print)) end,
	function() error(io.stdout) end,
	function() error(("x"):rep(3000)) end,
}

local method = {}

function method.raise(i)
	values[i]()
end

function method.raise_after_waiting(i)
	skynet.sleep(0)
	values[i]()
end

function method.raise_in_fork(i)
	skynet.fork(values[i])
end

function method.raise_in_timeout(i)
	skynet.timeout(0, values[i])
end

function method.raise_in_close(i)
	local _ <close> = setmetatable({}, { __close = values[i] })
	error "the first error"
end

function method.raise_in_close_without_error(i)
	local _ <close> = setmetatable({}, { __close = values[i] })
end

function method.raise_in_gc(i)
	for _ = 1, 10 do
		setmetatable({}, { __gc = values[i] })
	end
	collectgarbage()
	collectgarbage()
end

function method.raise_in_message_handler(i)
	xpcall(error, function() values[i]() end, "inside")
end

function method.close_waits()
	local _ <close> = setmetatable({}, { __close = function() skynet.sleep(1) end })
	error "closing waits"
end

function method.overflow()
	local function deeper(n)
		return 1 + deeper(n + 1)
	end
	return deeper(1)
end

function method.overflow_in_handler()
	local function deeper()
		return 1 + deeper()
	end
	return xpcall(deeper, deeper)
end

function method.overflow_by_metamethods()
	local t = setmetatable({}, {})
	getmetatable(t).__index = function(self, k) return self[k .. "x"] end
	return t.x
end

function method.overflow_by_pcall()
	local function deeper()
		return pcall(deeper)
	end
	return deeper()
end

function method.overflow_by_resume()
	local function deeper()
		return coroutine.wrap(deeper)()
	end
	return deeper()
end

function method.overflow_by_gsub()
	local function deeper()
		return (("x"):gsub(".", deeper))
	end
	return deeper()
end

function method.overflow_by_pattern()
	return ("x"):rep(300000):find("^" .. (".?"):rep(1000) .. "y")
end

function method.overflow_by_tostring()
	local t = setmetatable({}, { __tostring = function(self) return tostring(self) end })
	return tostring(t)
end

function method.overflow_in_close()
	local function deeper()
		return 1 + deeper()
	end
	local _ <close> = setmetatable({}, { __close = deeper })
	return deeper()
end

function method.too_many_results()
	return table.unpack({}, 1, 10000000)
end

function method.huge_string()
	return ("x"):rep(1 << 62)
end

function method.pack_cycle()
	local t = {}
	t.t = t
	return t
end

function method.pack_function()
	return { print }
end

function method.echo(...)
	return ...
end

function role.victim()
	skynet.start(function()
		skynet.dispatch("lua", function(session, _, name, ...)
			if session == 0 then
				method[name](...)
			else
				skynet.retpack(method[name](...))
			end
		end)
	end)
end

local function each_value(name)
	local to = check.spawn "victim"
	for i = 1, #values do
		skynet.send(to, "lua", name, i)
		pcall(skynet.call, to, "lua", name, i)
		check.eq("value " .. i, skynet.call(to, "lua", "echo", i), i)
	end
end

for _, name in ipairs { "raise", "raise_after_waiting", "raise_in_fork", "raise_in_timeout", "raise_in_close",
	"raise_in_close_without_error", "raise_in_gc", "raise_in_message_handler" } do
	case[name] = function()
		each_value(name)
	end
end

-- A request that fails answers with an error, whatever the error is.
function case.raise_answers()
	local to = check.spawn "victim"
	for i = 1, #values do
		check.fails("value " .. i, "call failed", skynet.call, to, "lua", "raise", i)
	end
end

local function each_name(names)
	local to = check.spawn "victim"
	for _, name in ipairs(names) do
		skynet.send(to, "lua", name)
		pcall(skynet.call, to, "lua", name)
		check.eq(name, skynet.call(to, "lua", "echo", name), name)
	end
end

function case.overflows()
	each_name { "overflow", "overflow_in_handler", "overflow_by_metamethods", "overflow_by_pcall", "overflow_by_resume",
		"overflow_by_gsub", "overflow_by_pattern", "overflow_by_tostring", "overflow_in_close" }
end

function case.impossible_results()
	each_name { "too_many_results", "huge_string", "pack_cycle", "pack_function", "close_waits" }
end

function case.raise_in_init()
	for i = 1, #values do
		check.eq("start function, value " .. i, (pcall(check.spawn, "failing", "start", i)), false)
		check.eq("main chunk, value " .. i, (pcall(check.spawn, "failing", "chunk", i)), false)
		check.eq("init function, value " .. i, (pcall(check.spawn, "failing", "init", i)), false)
	end
	check.ok("the node is well", check.spawn "victim")
end

function role.failing(where, i)
	i = tonumber(i)
	if where == "chunk" then
		values[i]()
	elseif where == "init" then
		skynet.init(values[i])
	end
	skynet.start(values[i])
end

-- Finalizers that fail, block or start new work while the state is closed.
function role.closing(i)
	i = tonumber(i)
	keep = setmetatable({}, { __gc = values[i] })
	also = setmetatable({}, { __gc = function() skynet.sleep(1) end })
	more = setmetatable({}, { __gc = function() skynet.send(".launcher", "lua", "NOSUCH") end })
	again = setmetatable({}, { __gc = function(self) setmetatable(self, getmetatable(self)) skynet.fork(print) end })
	skynet.start(function()
		skynet.fork(function()
			local _ <close> = setmetatable({}, { __close = values[i] })
			skynet.wait {}
		end)
	end)
end

function case.raise_while_closing()
	for i = 1, #values do
		local a, b = check.spawn("closing", i), check.spawn("closing", i)
		skynet.kill(a)
		pcall(skynet.call, b, "debug", "EXIT")
		check.ok("both are gone, value " .. i, check.wait(function() return check.dead(a) and check.dead(b) end))
	end
end

-- Wrong arguments everywhere: errors, not crashes.
function case.wrong_arguments()
	local odd = { 0, -1, 1.5, 1 << 62, math.mininteger, "", "x", ":", ".", ":xyz", true, {}, print, coroutine.create(print), io.stdout }
	local n = 0
	-- These end the service or the node, or wait for ever, when they get arguments that make sense.
	local skip = { exit = true, abort = true, start = true, init_service = true, wait = true, call = true, rawcall = true,
		tracecall = true, sleep = true, kill = true, queryservice = true, uniqueservice = true, newservice = true,
		dispatch_message = true, forward_type = true, filter = true, monitor = true, launch = true, callback = true,
		command = true, intcommand = true, addresscommand = true, unpack = true, trash = true, tostring = true, rawsend = true,
		send = true, redirect = true, timeoutcall = true, sleepms = true, setenv = true, register = true, name = true,
		dispatch_unknown_request = true, dispatch_unknown_response = true, mqlimit = true, setsession = true, term = true,
		genid = true, trace = true, error = true, ret = true, response = true, timeout = true, timer = true, fork = true,
		killthread = true, pcall = true, init = true, trace_timeout = true, traceproto = true, tracelog = true, memlimit = true }
	for _, module in ipairs { skynet, core } do
		for name, f in pairs(module) do
			if name == "pack" then
				-- What it returns is the caller's to free.
				f = function(...)
					core.trash(core.pack(...))
				end
			end
			if type(f) == "function" and not skip[name] then
				for _, a in ipairs(odd) do
					pcall(f, a)
					for _, b in ipairs(odd) do
						pcall(f, a, b)
						n = n + 1
					end
				end
			end
		end
	end
	check.ok("many tried", n > 1000, n)
	-- Those that can be tried with addresses that nobody has.
	for _, name in ipairs { "send", "redirect", "rawsend" } do
		for _, a in ipairs(odd) do
			for _, b in ipairs(odd) do
				pcall(skynet[name], 0x123456, a, b)
				pcall(skynet[name], 0x123456, "lua", a, b)
				pcall(skynet[name], 0x123456, 0x123456, "lua", a, b)
				if name ~= "rawsend" then
					pcall(core[name], 0x123456, a, b, "x")
					pcall(core[name], 0x123456, 20, a, b)
					pcall(core[name], 0x123456, 20, 0, 20, a, b)
				end
			end
			pcall(skynet[name], a)
			pcall(skynet[name])
		end
	end
	for _, name in ipairs { "command", "intcommand", "addresscommand" } do
		for _, a in ipairs(odd) do
			pcall(core[name], a)
			for _, command in ipairs { "STAT", "QUERY", "GETENV", "SETENV", "NAME", "REG", "LOGON", "LOGOFF", "LAUNCH" } do
				pcall(core[name], command, a)
			end
		end
	end
	check.ok("the node is well", check.spawn "victim")
end

function case.deep_coroutines()
	local depth = 0
	local function deeper(n)
		depth = math.max(depth, n)
		local co = coroutine.create(deeper)
		local ok, err = coroutine.resume(co, n + 1)
		return ok, err
	end
	deeper(1)
	check.ok("an error, at some depth", depth > 50, depth)
	check.ok("the node is well", check.spawn "victim")
end

function case.pending_sessions()
	local to = check.spawn "victim"
	local done, sleepers = 0, {}
	for i = 1, 100000 do
		sleepers[i] = skynet.fork(function()
			skynet.sleep(1000000)
			done = done + 1
		end)
	end
	skynet.yield()
	check.eq("all wait", skynet.task(), 100000)
	check.eq("calls work meanwhile", skynet.call(to, "lua", "echo", 1), 1)
	for i = 1, 100000 do
		skynet.wakeup(sleepers[i])
	end
	skynet.yield()
	check.eq("all are woken", done, 100000)
	check.eq("none waits", skynet.task(), 0)
end

-- A hundred thousand calls that wait for one answer each.
function case.pending_calls()
	local to = check.spawn "late_answers"
	local sum, n = 0, 0
	for i = 1, 100000 do
		skynet.fork(function()
			local answer = skynet.call(to, "lua", i)
			sum = sum + answer
			n = n + 1
		end)
	end
	skynet.yield()
	check.eq("all wait", skynet.task(), 100000)
	skynet.send(to, "lua")
	check.ok("all are answered", check.wait(function() return n == 100000 end))
	check.eq("with their own answers", sum, 100000 * 100001 // 2)
end

-- Lua leaves hooks off in a thread that an error of a hook has ended, and the thread keeps its hook: the next task must
-- have neither.
function case.raise_in_hook()
	local function over_budget()
		debug.sethook(function()
			error "budget used up"
		end, "", 10000)
		local t0 = skynet.hpc()
		while skynet.hpc() - t0 < 2e9 do end
		check.ok("interrupted", false)
	end
	for _ = 1, 4 do
		local before = skynet.fork(over_budget)
		skynet.yield()
		local hook, counted = "not run", 0
		local after = skynet.fork(function()
			hook = debug.gethook()
			debug.sethook(function()
				counted = counted + 1
			end, "", 100)
			for _ = 1, 1000 do end
			debug.sethook()
		end)
		skynet.yield()
		check.eq("ended", coroutine.status(before), "dead")
		check.ok("another coroutine", after ~= before)
		check.eq("no hook of another task", hook, nil)
		check.ok("hooks work", counted > 0)
	end
end

function role.late_answers()
	local open = {}
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, i)
			if i then
				open[#open + 1] = { skynet.response(), i }
			else
				for j = #open, 1, -1 do
					open[j][1](true, open[j][2])
				end
			end
		end)
	end)
end

return check.main(role, case, ...)
