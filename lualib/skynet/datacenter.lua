-- A tree of values that all services of the network share; kept by the service `datacenterd`.

local skynet = require "skynet"

local function ask(cmd)
	return function(...)
		return skynet.call("DATACENTER", "lua", cmd, ...)
	end
end

return { get = ask "QUERY", set = ask "UPDATE", wait = ask "WAIT" }
