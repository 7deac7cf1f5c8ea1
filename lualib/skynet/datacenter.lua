-- A tree of values that all services of the network share; kept by the service `datacenterd`.

local skynet = require "skynet"

-- Centiseconds of a wait that may be as long as it likes, whatever the key `calltimeout` says.
local FOREVER <const> = 0x7fffffff

local function ask(cmd)
	return function(...)
		return skynet.call("DATACENTER", "lua", cmd, ...)
	end
end

local function wait(...)
	return skynet.timeoutcall(FOREVER, "DATACENTER", "lua", "WAIT", ...)
end

return { get = ask "QUERY", set = ask "UPDATE", wait = wait }
