-- This node may run the match-maker. If the node that runs it dies, another one starts it.

local skynet = require "skynet"
local discovery = require "skynet.discovery"

skynet.start(function()
	discovery.singleton("match", { service = "match" })
end)
