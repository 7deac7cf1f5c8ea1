-- Two nodes of one network: one has the master and a store, the other one uses what is over there as if it were here.
--
--     cargo run --release -- examples/network/first.config
--     cargo run --release -- examples/network/second.config
--
-- The first one waits for the second one, and ends after it. The second one prints
--
--     by name: set colour, was nil
--     by handle: colour is red, on node 1
--     large values: 200000 bytes
--     sent without waiting: shape is round
--     one store for all nodes: on node 1
--     on the channel, from node 2: hello
--     an error over there: false
--     nobody there: false
--
-- and ends. The configs say where the nodes are; first.lua is what the first one runs.

local skynet = require "skynet"
local harbor = require "skynet.harbor"
local datacenter = require "skynet.datacenter"
local multicast = require "skynet.multicast"
require "skynet.manager"

skynet.start(function()
	-- A global name is an address; a message to a name that nobody has yet waits for it.
	print("by name: set colour, was " .. tostring(skynet.call("STORE", "lua", "set", "colour", "red")))
	-- So is a handle of another node: its highest byte is the number of the node.
	local store = harbor.queryname "STORE"
	local node = skynet.harbor(store)
	print(("by handle: colour is %s, on node %d"):format(skynet.call(store, "lua", "get", "colour"), node))
	skynet.call(store, "lua", "set", "text", ("0123456789"):rep(20000))
	print(("large values: %d bytes"):format(#skynet.call(store, "lua", "get", "text")))
	-- What one service sends to another arrives in its order.
	skynet.send(store, "lua", "set", "shape", "round")
	print("sent without waiting: shape is " .. skynet.call(store, "lua", "get", "shape"))

	-- A service that exists once in the whole network is started where the master is.
	local only = skynet.uniqueservice(true, "store")
	print(("one store for all nodes: on node %d"):format((skynet.harbor(only))))

	-- A channel belongs to the node that made it; who subscribes and who publishes may be anywhere.
	local heard
	local news = multicast.new {
		channel = datacenter.wait("channels", "news"),
		dispatch = function(_, source, text)
			print(("on the channel, from node %d: %s"):format(skynet.harbor(source), text))
			skynet.wakeup(heard)
		end,
	}
	news:subscribe()
	heard = coroutine.running()
	news:publish "hello"
	skynet.wait(heard)

	print("an error over there: " .. tostring(pcall(skynet.call, store, "lua", "explode")))
	print("nobody there: " .. tostring(pcall(skynet.call, store | 0xffff00, "lua", "get", "colour")))
	skynet.abort()
end)
