-- Who hears of the end of a Lua service: by the debug command LINK, which is answered by nothing but that. A service that
-- its supervisor starts again in its place (`keep`) has lost what it knew, and LINK tells that as well, which skynet.watch
-- does not.

local skynet = require "skynet"
local patient = require "skynet.patient"

local ends = {}

-- Calls f once when the service has gone. The result takes that back.
function ends.of(handle, f)
	local wanted = true
	skynet.fork(function()
		pcall(patient, handle, "debug", "LINK")
		if wanted then
			f()
		end
	end)
	return function()
		wanted = false
	end
end

return ends
