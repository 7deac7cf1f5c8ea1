-- Starts the main service of `skynet run`, whose name and arguments are the own arguments. If that fails, the node
-- stops, unless the key startfail says otherwise, and the command finds out why from the environment.

local skynet = require "skynet"
require "skynet.manager"

local main = table.pack(...)

skynet.start(function()
	local ok, reason = pcall(skynet.newservice, table.unpack(main, 1, main.n))
	-- Without a launcher the node is being stopped, perhaps by the main service itself.
	if not ok and skynet.localname ".launcher" and skynet.getenv "startfail" ~= "continue" then
		skynet.setenv("skynet_run_failed", tostring(reason))
		skynet.abort()
	end
	skynet.exit()
end)
