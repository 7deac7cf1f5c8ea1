-- Services that exist once: per node (`.service`), and in the whole network (`SERVICE`).
--
-- `entries` maps a key to a table, which is one of
--   { handle = the service's },
--   { failure = why there is none },
--   { child = the coroutine that launches, first = the waiter it works for, [i] = a waiter }: nobody knows yet.
-- The key of a network-wide service begins with "@"; a snax service is "snaxd.<its name>".

local skynet = require "skynet"
require "skynet.manager"

local entries = {}
local managers = {} -- handles of the managers of other nodes, on the node that has the master

local function key_of(name, sub)
	if name == "snaxd" or name == "@snaxd" then
		return name .. "." .. sub
	end
	return name
end

local function is_settled(entry)
	return entry.handle ~= nil or entry.failure ~= nil
end

-- Answers at once if the outcome is known, else when it is. Returns the entry.
local function ask(key, source, session)
	local entry = entries[key] or {}
	entries[key] = entry
	if is_settled(entry) then
		skynet.retpack(entry.handle, entry.failure)
	else
		entry[#entry + 1] = { source = source, session = session, response = skynet.response() }
	end
	return entry
end

-- The first who asks for a launch makes start(...) run; its outcome goes to all who wait by then.
local function resolve(key, source, session, start, ...)
	local entry = ask(key, source, session)
	if is_settled(entry) or entry.child then
		return
	end
	entry.child, entry.first = coroutine.running(), entry[#entry]
	local ok, outcome = pcall(start, ...)
	local handle, failure
	if not ok then
		failure = tostring(outcome):gsub("^service/service_mgr%.lua:%d+: ", "") -- those who wait have places of their own
		entries[key] = { failure = failure }
	elseif outcome then
		handle = outcome
		entries[key] = { handle = handle }
	else -- the next one who asks for it launches it anew
		failure = ("%s has exited while it started"):format(key)
		entries[key] = nil
	end
	for _, waiter in ipairs(entry) do
		waiter.response(true, handle, failure)
	end
end

local function launch(name, ...)
	name = name:gsub("^@", "")
	if name == "snaxd" then
		return require("skynet.snax").rawnewservice(...)
	end
	return skynet.newservice(name, ...)
end

local command = {}

function command.LAUNCH(source, session, name, ...)
	resolve(key_of(name, ...), source, session, launch, name, ...)
end

function command.QUERY(source, session, name, sub)
	ask(key_of(name, sub), source, session)
end

-- A supervisor has started it, or started it again: it is the one from now on.
function command.PUT(_, _, name, handle)
	local entry = entries[name] or {}
	entries[name] = { handle = handle }
	for _, waiter in ipairs(entry) do
		waiter.response(true, handle)
	end
	skynet.ret()
end

-- Another service has taken the place of one. Answers who keeps the names of the cluster, if somebody does.
function command.MOVE(_, _, from, to)
	for name, entry in pairs(entries) do
		if entry.handle == from then
			entries[name] = { handle = to }
		end
	end
	local clusterd = entries.clusterd
	skynet.retpack(clusterd and clusterd.handle)
end

-- Of another service, for LIST: a traceback, or why there is none.
local function traceback(addr, task)
	local ok, text = pcall(skynet.timeoutcall, 100, addr, "debug", "TASK", task)
	return ok and tostring(text) or ("(%s)"):format(text)
end

local function describe_pending(pending)
	local lines = {}
	local function add(line)
		lines[#lines + 1] = line
	end
	if pending.child then
		local session = skynet.task(pending.child)
		local child = session and skynet.call(".launcher", "lua", "QUERY", session)
		if child then
			add("Init as " .. skynet.address(child))
			add(traceback(child, "init"))
		end
		add("Launching from " .. skynet.address(pending.first.source))
		add(traceback(pending.first.source, pending.first.session))
	end
	if #pending > (pending.first and 1 or 0) then
		add "Querying:"
	end
	for _, waiter in ipairs(pending) do
		if waiter ~= pending.first then
			add(("%s %s"):format(skynet.address(waiter.source), traceback(waiter.source, waiter.session)))
		end
	end
	return table.concat(lines, "\n")
end

local function describe(entry)
	if entry.handle then
		return skynet.address(entry.handle)
	elseif entry.failure then
		return "Error: " .. entry.failure
	end
	return describe_pending(entry)
end

local function list_local()
	local copy, list = {}, {}
	for key, entry in pairs(entries) do
		copy[key] = entry
	end
	for key, entry in pairs(copy) do -- describe() blocks, and `entries` changes meanwhile
		list[key] = describe(entry)
	end
	return list
end

function command.LIST()
	local list = list_local()
	for manager in pairs(managers) do
		local ok, theirs = pcall(skynet.call, manager, "lua", "LIST")
		for key, text in pairs(ok and theirs or {}) do
			if key:sub(1, 1) ~= "@" then
				list[("%s@%d"):format(key, skynet.harbor(manager))] = text
			end
		end
	end
	skynet.retpack(list)
end

local function use_as_master()
	function command.GLAUNCH(source, session, name, ...)
		command.LAUNCH(source, session, "@" .. name, ...)
	end

	function command.GQUERY(source, session, name, sub)
		command.QUERY(source, session, "@" .. name, sub)
	end

	function command.REPORT(source, _, manager)
		managers[manager or source] = true
		skynet.ret()
	end

	skynet.register "SERVICE"
end

local function use_as_slave()
	local function forward(cmd)
		return function(_, _, name, ...)
			local key = "@" .. key_of(name, ...)
			local entry = entries[key]
			if entry then
				return skynet.retpack(entry.handle, entry.failure)
			end
			local handle, failure = skynet.call("SERVICE", "lua", cmd, name, ...)
			entries[key] = handle and { handle = handle }
			skynet.retpack(handle, failure)
		end
	end
	command.GLAUNCH, command.GQUERY = forward "GLAUNCH", forward "GQUERY"
	skynet.call("SERVICE", "lua", "REPORT", skynet.self())
end

skynet.dispatch("lua", function(session, source, cmd, ...)
	local f = command[cmd]
	if f then
		f(source, session, ...)
	else
		skynet.retpack(nil, ("Invalid command %s"):format(cmd))
	end
end)

skynet.start(function()
	local other = skynet.localname ".service"
	if other then
		skynet.error(".service is already register by", skynet.address(other))
		skynet.exit()
	end
	skynet.register ".service"
	if skynet.getenv "standalone" then
		use_as_master()
	else
		use_as_slave()
	end
end)
