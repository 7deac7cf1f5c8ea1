-- The service's side of a debugger session (debug command REMOTEDEBUG).
--
-- The session is a coroutine that looks at the channel twenty times a second. A watched message
-- gets a line hook on its coroutine. The hook suspends that coroutine at a line where it is to
-- stop, from within; the session looks into its frame and lets it go on by debugchannel.resume.
-- Everything else in the service runs as usual meanwhile.

local skynet = require "skynet"
local core = require "skynet.core"
local debugchannel = require "skynet.debugchannel"

local POLL <const> = 5 -- centiseconds
local HERE <const> = debug.getinfo(1, "S").source

local session -- the present one

---@class skynet.remotedebug.session
---@field write fun(text: string)
---@field stopped thread? the coroutine that has stopped, at `place`
---@field place string?
---@field mode "into"|"over"|nil what it stops at when it runs again; nil: nothing
---@field depth integer of the stack, where it has stopped
---@field watched table<table, function> protocol class -> its own dispatch function

local function writer(out)
	local console, connection = tostring(out):match "^console (%d+) (%d+)$"
	if console then
		return function(text)
			core.send(tonumber(console), skynet.PTYPE_SYSTEM, 0, skynet.pack(tonumber(connection), "output", text))
		end
	end
	local driver = require "skynet.socketdriver"
	return function(text)
		driver.send(out, text)
	end
end

-- Breakpoints

local function depth_here()
	local n = 3
	while debug.getinfo(n, "l") do
		n = n + 1
	end
	return n
end

-- Runs at every line of a watched coroutine; true: stop there.
local function on_line(_, line)
	local s = session
	if not s or not s.mode then
		return false
	end
	local info = debug.getinfo(2, "S")
	if info.source == HERE then
		return false
	end
	local depth = depth_here()
	if s.mode == "over" and depth > s.depth then
		return false
	end
	s.stopped, s.depth, s.mode = coroutine.running(), depth, nil
	s.place = ("%s(%d)>"):format(info.short_src, line)
	return true
end

local function go_on(s, mode)
	local co = s.stopped
	s.stopped, s.place, s.mode = nil, nil, mode
	if co then
		debugchannel.resume(co)
	end
end

local function unwatch(s, class)
	class.dispatch = s.watched[class] or class.dispatch
	s.watched[class] = nil
end

local unhook = {
	__close = function(guard)
		debugchannel.sethook(guard.co)
		local s = guard.session
		if s.stepping == guard.co then
			s.stepping, s.mode = nil, nil
		end
	end,
}

local function run_watched(s, dispatch, ...)
	local co = coroutine.running()
	local _ <close> = setmetatable({ co = co, session = s }, unhook)
	s.stepping, s.mode = co, "into"
	debugchannel.sethook(co, on_line, "l")
	dispatch(...)
end

-- Arms a breakpoint for the next message of a protocol for which cond(session, source, ...) holds.
local function watch(s, name, cond)
	local class = assert(skynet._proto[name], "no such protocol")
	local dispatch = assert(s.watched[class] or class.dispatch, "the protocol has no dispatch function")
	s.watched[class] = dispatch
	class.dispatch = function(...)
		if s ~= session or cond and not cond(...) then
			return dispatch(...)
		end
		unwatch(s, class)
		run_watched(s, dispatch, ...)
	end
end

-- Evaluation

-- Names of the stopped frame: get() and set() for each local variable and upvalue.
local function variables(co)
	local found = {}
	local f = debug.getinfo(co, 0, "f").func
	local i = 1
	while true do
		local name = debug.getupvalue(f, i)
		if not name then
			break
		end
		local at = i
		found[name] = {
			get = function() return select(2, debug.getupvalue(f, at)) end,
			set = function(value) debug.setupvalue(f, at, value) end,
		}
		i = i + 1
	end
	i = 1
	while true do
		local name = debug.getlocal(co, 0, i)
		if not name then
			break
		end
		local at = i
		if name:sub(1, 1) ~= "(" then
			found[name] = {
				get = function() return select(2, debug.getlocal(co, 0, at)) end,
				set = function(value) debug.setlocal(co, 0, at, value) end,
			}
		end
		i = i + 1
	end
	return found
end

local function environment(s, extra)
	local vars = s.stopped and variables(s.stopped) or {}
	local own = vars._ENV and vars._ENV.get()
	local globals = type(own) == "table" and own or _G
	return setmetatable({}, {
		__index = function(_, name)
			local var = vars[name]
			if var then
				return var.get()
			end
			local value = extra[name]
			if value == nil then
				value = globals[name]
			end
			return value
		end,
		__newindex = function(_, name, value)
			local var = vars[name]
			if var then
				var.set(value)
			else
				globals[name] = value
			end
		end,
	})
end

local function join(...)
	local values = table.pack(...)
	for i = 1, values.n do
		values[i] = tostring(values[i]) .. "\t"
	end
	return table.concat(values) .. "\n"
end

local function evaluate(s, line)
	local env = environment(s, {
		print = function(...)
			s.write(join(...))
		end,
		watch = function(...)
			watch(s, ...)
		end,
		_CO = s.stopped,
	})
	local chunk = load("return " .. line, "=(debug)", "t", env)
	local expression = chunk ~= nil
	local err
	if not chunk then
		chunk, err = load(line, "=(debug)", "t", env)
	end
	if not chunk then
		return s.write(err .. "\n")
	end
	local values = table.pack(pcall(chunk))
	if not values[1] then
		s.write(tostring(values[2]) .. "\n")
	elseif expression and values.n > 1 then
		s.write(join(table.unpack(values, 2, values.n)))
	end
end

-- The session

local steps = { s = "into", n = "over" }

-- False: it is over.
local function obey(s, line)
	if line == "cont" then
		return false
	elseif s.stopped and (steps[line] or line == "c") then
		go_on(s, steps[line])
		skynet.yield() -- the next line is often reached by then
	elseif line:find "%S" then
		evaluate(s, line)
	end
	return true
end

local function converse(s, channel)
	local shown
	while true do
		local prompt = s.place or ("%s>"):format(skynet.address(skynet.self()))
		if prompt ~= shown then
			s.write(prompt)
			shown = prompt
		end
		local line, ended = channel:read()
		if line then
			shown = nil
			if not obey(s, (line:gsub("%s+$", ""))) then
				return
			end
		elseif ended then
			return
		else
			skynet.sleep(POLL)
		end
	end
end

local leave = {
	__close = function(guard)
		local s = guard.session
		session = nil
		for class in pairs(s.watched) do
			unwatch(s, class)
		end
		go_on(s, nil)
		skynet.error "Leave debug mode"
	end,
}

local remotedebug = {}

-- Returns when the session is over.
---@param out integer|string a socket, or the console's name for a connection
---@param pointer lightuserdata of a debugchannel
function remotedebug.start(out, pointer)
	assert(not session, "Already in debug mode")
	local channel = debugchannel.connect(pointer)
	local s = { write = writer(out), watched = {}, depth = 0 }
	session = s
	skynet.error "Enter debug mode"
	local _ <close> = setmetatable({ session = s }, leave)
	converse(s, channel)
end

return remotedebug
