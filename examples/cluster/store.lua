-- A key-value service. That its callers are on other nodes makes no difference to it.

local skynet = require "skynet"

local values = {}
local command = {}

function command.get(key)
	return values[key]
end

-- Returns the old value.
function command.set(key, value)
	local old = values[key]
	values[key] = value
	return old
end

skynet.start(function()
	skynet.dispatch("lua", function(session, _, name, ...)
		local f = command[name] or error("unknown command " .. tostring(name))
		if session == 0 then -- nobody waits for an answer
			f(...)
		else
			skynet.retpack(f(...))
		end
	end)
end)
