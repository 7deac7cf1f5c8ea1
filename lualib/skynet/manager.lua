-- Starting, naming and stopping services by command. Adds its functions to `skynet`.

local skynet = require "skynet"
local core = require "skynet.core"

function skynet.launch(...)
	core.check(type((...)) == "string", 'the name of a module is a string, such as "snlua"')
	return core.addresscommand("LAUNCH", table.concat({ ... }, " "))
end

-- The launcher is told first, so that whoever waits for the victim's start learns of its end.
function skynet.kill(addr)
	local handle = addr
	if type(addr) == "string" then
		local hex = addr:match "^:(%x+)$"
		handle = hex and tonumber(hex, 16)
	else
		addr = skynet.address(addr)
	end
	if handle then
		skynet.send(".launcher", "lua", "REMOVE", handle, true)
	end
	core.command("KILL", addr)
end

function skynet.abort()
	core.command "ABORT"
end

local function check_global(name)
	if #name >= 16 or tonumber(name) or name:sub(1, 1) == ":" then
		core.raise(("assertion failed! (invalid global name %q: at most 15 bytes, no number, no leading colon)"):format(name))
	end
end

-- A global name is told to the network; true for a local one.
local function is_local(name, handle)
	core.check(type(name) == "string", 'the name of a service is a string, such as ".name" or "NAME"')
	if name:sub(1, 1) == "." then
		return true
	end
	check_global(name)
	skynet.send(".cslave", "lua", "REGISTER", name, handle)
end

function skynet.name(name, handle)
	if is_local(name, handle) then
		core.command("NAME", name .. " " .. skynet.address(handle))
	end
end

-- Unlike skynet.name it knows where a name ends that has blanks.
function skynet.register(name)
	if is_local(name, skynet.self()) then
		core.command("REG", name)
	end
end

-- Both replace skynet.start: the messages pass a function of the service on their way to the dispatcher.
local function start_with(callback, forward, start)
	core.callback(callback, forward)
	skynet.timeout(0, function()
		skynet.init_service(start)
	end)
end

function skynet.forward_type(map, start)
	local dispatch = skynet.dispatch_message
	start_with(function(kind, msg, sz, session, source)
		local as = map[kind]
		if as then
			return dispatch(as, msg, sz, session, source, true)
		end
		-- In forward mode the runtime frees nothing, so an ordinary message is freed here, whatever happens.
		local ok, err = pcall(dispatch, kind, msg, sz, session, source)
		core.trash(msg, sz)
		if not ok then
			error(err, 0)
		end
	end, true, start)
end

function skynet.filter(change, start)
	start_with(function(...)
		return skynet.dispatch_message(change(...))
	end, false, start)
end

function skynet.monitor(service, query)
	local find = query and skynet.queryservice or skynet.uniqueservice
	local handle = find(true, service)
	core.command("MONITOR", skynet.address(handle))
	return handle
end

return skynet
