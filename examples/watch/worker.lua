-- Ends after so many jobs: `worker JOBS`.

local skynet = require "skynet"

local jobs = tonumber(...)
local done = 0

skynet.start(function()
	skynet.dispatch("lua", function(session)
		if session ~= 0 then
			skynet.ignoreret() -- gives the request up: no answer will come from here
		end
		done = done + 1
		if done == jobs then
			skynet.exit()
		end
	end)
end)
