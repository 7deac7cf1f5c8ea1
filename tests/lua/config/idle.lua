-- A node that only lives, and says so.
local skynet = require "skynet"

skynet.start(function()
	skynet.fork(function()
		while true do
			skynet.sleep(2)
			skynet.error "tick"
		end
	end)
end)
