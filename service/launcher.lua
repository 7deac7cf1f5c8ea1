-- Starts Lua services and knows them: a request to launch is answered when the new service
-- reports that its start function has ended. Known as `.launcher`.

local skynet = require "skynet"
local core = require "skynet.core"

local services = {} -- handle -> "snlua name args"
local starting = {} -- handle -> response of the request that launched it
local supervisors = {} -- handle -> true
local origin = {} -- handle -> that request, see key()

-- One integer for a request, so that a launch makes no table for it.
local function key(source, session)
	return source << 32 | session
end

-- The new service has reported, or will not: its requester gets the answer.
local function settle(handle, ...)
	local answer = starting[handle]
	if answer then
		starting[handle], origin[handle] = nil, nil
		answer(...)
	end
end

local function forget(handle, killed)
	services[handle], supervisors[handle] = nil, nil
	settle(handle, not killed)
end

-- A list with a nil is as long as Lua says, as in skynet (C): mostly what follows is lost.
local function launch(session, source, module, ...)
	local line = module .. " " .. table.concat({ ... }, " ")
	local handle = core.addresscommand("LAUNCH", line)
	if handle then
		services[handle] = line
		starting[handle] = skynet.response()
		origin[handle] = key(source, session)
	else
		skynet.response()(false)
	end
	return handle
end

-- What every service answers to a debug command; show(answer, line) makes the text for one of them.
local function survey(timeout, cmd, show)
	local requests, report = skynet.request(), {}
	for handle, line in pairs(services) do
		requests:add { handle, "debug", cmd, line = line }
		report[skynet.address(handle)] = show("TIMEOUT", line)
	end
	for req, resp in requests:select(timeout) do
		report[skynet.address(req[1])] = show(resp and resp[1] or "ERROR", req.line)
	end
	return report
end

local function show_memory(answer, line)
	local text = type(answer) == "number" and ("%.2f Kb"):format(answer) or answer
	return ("%s (%s)"):format(text, line)
end

-- Commands: f(session, source, ...). What one of `command` returns is the answer; one of `silent` answers later or
-- never.
local command, silent = {}, {}

silent.LAUNCH = launch

-- As LAUNCH; besides, the requester is told the handle while the service has yet to start.
function silent.LAUNCHTOLD(session, source, ...)
	local handle = launch(session, source, ...)
	if handle then
		skynet.send(source, "lua", "LAUNCHED", handle)
	end
end

-- For supervisors: the new service ends with the requester, and errors end it if they are fatal. Answers the handle; or
-- nil, why it has ended before it had started, and more about that.
function silent.LAUNCHBOUND(_, source, fatal, module, ...)
	local line = module .. " " .. table.concat({ ... }, " ")
	local answer = skynet.response()
	local handle = core.addresscommand("LAUNCH", line)
	if not handle then
		return answer(true, nil, "init", "the log says why")
	end
	services[handle] = line
	core.bind(handle, source)
	if fatal then
		core.fatal(handle)
	end
	local watch = skynet.watch(handle, function(_, reason, text)
		if answer then
			answer(true, nil, reason, text)
		end
	end)
	starting[handle] = function(started)
		if started then -- else the watch tells why not
			skynet.unwatch(watch)
			answer(true, handle)
			answer = nil
		end
	end
end

function silent.SUPERVISOR(_, source)
	supervisors[source] = true
end

function silent.LOGLAUNCH(...)
	local handle = launch(...)
	if handle then
		core.command("LOGON", skynet.address(handle))
	end
end

function silent.LAUNCHOK(_, source)
	settle(source, true, source)
end

-- A service written in Rust has started, whoever launched it.
function silent.ADOPT(_, source, line)
	services[source] = line
	settle(source, true, source)
end

function silent.ERROR(_, source)
	forget(source, true)
end

function silent.REMOVE(_, _, handle, killed)
	forget(handle, killed)
end

function command.LIST()
	local list = {}
	for handle, line in pairs(services) do
		list[skynet.address(handle)] = line
	end
	return list
end

function command.SUPERVISORS()
	local list = {}
	for handle in pairs(supervisors) do
		list[#list + 1] = handle
	end
	table.sort(list)
	return list
end

function command.QUERY(_, source, session)
	local wanted = key(source, session)
	for handle, request in pairs(origin) do
		if request == wanted then
			return handle
		end
	end
end

function command.STAT(_, _, timeout)
	return survey(timeout, "STAT", function(answer) return answer end)
end

function command.MEM(_, _, timeout)
	return survey(timeout, "MEM", show_memory)
end

function command.GC(session, source, timeout)
	for handle in pairs(services) do
		skynet.send(handle, "debug", "GC")
	end
	return command.MEM(session, source, timeout)
end

function command.KILL(_, _, handle)
	if type(handle) == "string" then -- ":0000000a", as people type it
		handle = assert(tonumber(handle:match "^:(%x+)$", 16), "not an address")
	end
	local killed = { [skynet.address(handle)] = tostring(services[handle]) }
	forget(handle, true)
	core.command("KILL", skynet.address(handle))
	return killed
end

skynet.dispatch("lua", function(session, source, cmd, ...)
	if not command[cmd] and not silent[cmd] then
		cmd = tostring(cmd):upper()
	end
	if silent[cmd] then
		silent[cmd](session, source, ...)
	elseif command[cmd] then
		skynet.retpack(command[cmd](session, source, ...))
	else
		skynet.retpack { "Unknown command" }
	end
end)

-- The container of a Lua service that cannot be loaded reports so, and services written in C report both.
local text = { [""] = silent.LAUNCHOK, ERROR = silent.ERROR }

skynet.register_protocol {
	id = skynet.PTYPE_TEXT,
	name = "text",
	unpack = skynet.tostring,
	dispatch = function(session, source, report)
		local f = text[report or ""]
		if not f then
			error(("Invalid text command %s"):format(core.shown(report)))
		end
		f(session, source)
	end,
}

skynet.start(function() end)
