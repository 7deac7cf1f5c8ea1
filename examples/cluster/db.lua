-- The node that has the store, and serves it under the names db and db2. See client.lua.

local skynet = require "skynet"
local cluster = require "skynet.cluster"
require "skynet.manager"

skynet.start(function()
	local store = skynet.newservice "store"
	skynet.name(".sdb", store) -- as everywhere: other nodes may use it, too
	cluster.register("sdb", store) -- a name for other nodes only
	-- Both addresses come from nodes.lua.
	cluster.open "db"
	cluster.open "db2"
	skynet.error "serving db and db2"
end)
