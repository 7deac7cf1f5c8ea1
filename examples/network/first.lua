-- The node that has the master, a store (that of examples/cluster), and a channel. See second.lua.

local skynet = require "skynet"
local harbor = require "skynet.harbor"
local datacenter = require "skynet.datacenter"
local multicast = require "skynet.multicast"
require "skynet.manager"

skynet.start(function()
	-- A name without a dot is known to all nodes.
	skynet.name("STORE", skynet.newservice "store")
	datacenter.set("channels", "news", multicast.new().channel)

	skynet.error "waiting for node 2"
	harbor.connect(2)
	skynet.error "node 2 is there"
	harbor.link(2)
	skynet.error "node 2 has gone"
	skynet.abort()
end)
