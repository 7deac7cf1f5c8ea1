-- A singleton whose start function never ends.
local skynet = require "skynet.manager"

skynet.start(function()
	skynet.register ".forever"
	skynet.wait "for ever"
end)
