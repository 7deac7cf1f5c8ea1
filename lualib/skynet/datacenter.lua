-- A tree of values that all services of the network share; kept by the service `datacenterd`.

local skynet = require "skynet"
local patient = require "skynet.patient"

local function ask(cmd)
	return function(...)
		return skynet.call("DATACENTER", "lua", cmd, ...)
	end
end

local function wait(...)
	return patient("DATACENTER", "lua", "WAIT", ...)
end

return { get = ask "QUERY", set = ask "UPDATE", wait = wait }
