-- Shows keys of the config; see node.config for how to start it. All values are text.

local skynet = require "skynet"
require "skynet.manager"

skynet.start(function()
	print(("%s from %s, %s threads, log level %s"):format(
		skynet.getenv "greeting",
		skynet.getenv "name",
		skynet.getenv "thread",
		skynet.getenv "level"
	))
	skynet.abort()
end)
