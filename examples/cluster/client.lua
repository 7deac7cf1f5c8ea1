-- Two nodes: one has a key-value store, the other one calls it in all ways that there are.
--
--     cargo run --release -- run -s cluster=examples/cluster/nodes.lua examples/cluster/db.lua
--     cargo run --release -- run -s cluster=examples/cluster/nodes.lua examples/cluster/client.lua
--
-- The first one serves until it is stopped; the second one prints
--
--     by registered name: set colour, was nil
--     by local name: colour is red
--     by handle: colour is red
--     through a proxy: colour is red
--     sent without waiting: shape is round
--     large values: 200000 bytes
--     an error over there: false
--     nobody of that name: false
--
-- and ends. nodes.lua says where the nodes are, db.lua is the first node, store.lua the service.

local skynet = require "skynet"
local cluster = require "skynet.cluster"
require "skynet.manager"

skynet.start(function()
	-- A name that was registered for other nodes begins with @.
	print("by registered name: set colour, was " .. tostring(cluster.call("db", "@sdb", "set", "colour", "red")))
	-- A local name of the other node, which is reached by its other address here.
	print("by local name: colour is " .. cluster.call("db2", ".sdb", "get", "colour"))
	-- A handle is asked for once, and saves looking up the name.
	local handle = cluster.query("db", "sdb")
	print("by handle: colour is " .. cluster.call("db", handle, "get", "colour"))
	-- A proxy is a service of this node, for code that knows nothing of other nodes.
	local proxy = cluster.proxy "db@sdb"
	print("through a proxy: colour is " .. skynet.call(proxy, "lua", "get", "colour"))

	-- What one service sends to one node arrives in its order.
	cluster.send("db", "@sdb", "set", "shape", "round")
	print("sent without waiting: shape is " .. cluster.call("db", "@sdb", "get", "shape"))
	cluster.call("db", "@sdb", "set", "text", ("0123456789"):rep(20000))
	print(("large values: %d bytes"):format(#cluster.call("db", "@sdb", "get", "text")))

	-- The log tells why a call has failed.
	print("an error over there: " .. tostring(pcall(cluster.call, "db", "@sdb", "explode")))
	print("nobody of that name: " .. tostring(pcall(cluster.query, "db", "nobody")))
	skynet.abort()
end)
