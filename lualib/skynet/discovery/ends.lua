-- Who hears of the end of a service.

local skynet = require "skynet"

local ends = {}

-- Calls f once when the service has gone. The result takes that back.
function ends.of(handle, f)
	local id = skynet.watch(handle, function()
		f()
	end)
	return function()
		skynet.unwatch(id)
	end
end

return ends
