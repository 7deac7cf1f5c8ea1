-- Counts in the store: `client NUMBER TIMES`.

local skynet = require "skynet"

local number, times = ... -- arguments are text

skynet.start(function()
	for _ = 1, tonumber(times) do
		skynet.call(".store", "lua", "add", "counter", 1)
	end
	skynet.error("client", number, "has counted to", times)
	-- It stays, as a service does, until somebody ends it.
end)
