-- Has the lock `other` until it is told to go.
local skynet = require "skynet"
require "skynet.manager"
local discovery = require "skynet.discovery"

skynet.start(function()
	skynet.register ".locker"
	discovery.lock("other", 2)
	print "LOCKER HAS IT"
	skynet.dispatch("lua", skynet.exit)
end)
