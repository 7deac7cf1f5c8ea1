-- A key-value service, and clients that use it at the same time.
--
--     cargo run --release -- run examples/kv
--
-- prints
--
--     counter: 300
--     waited for: red
--     missing: nil
--     a wrong command: false
--
-- store.lua keeps the values, client.lua is started three times, and this file starts them all.

local skynet = require "skynet"
require "skynet.manager"

skynet.start(function()
	local store = skynet.newservice "store"
	skynet.name(".store", store) -- from now on known to all services of this node

	-- A request that is answered later, by another one: the store keeps it until there is a value.
	skynet.fork(function()
		skynet.call(".store", "lua", "put", "colour", "red")
	end)
	local colour = skynet.call(".store", "lua", "wait", "colour")

	-- newservice returns when the start function of the client has ended, so the three are started side by side.
	local clients = skynet.request()
	for i = 1, 3 do
		clients:add { ".launcher", "lua", "LAUNCH", "snlua", "client", i, 100 }
	end
	for _, answer in clients:select() do
		assert(answer, "a client has failed; the log tells why")
	end

	print("counter: " .. skynet.call(".store", "lua", "get", "counter"))
	print("waited for: " .. colour)
	print("missing: " .. tostring(skynet.call(".store", "lua", "get", "nothing")))
	-- An error of the store is an error of this call; the store logs it and goes on.
	print("a wrong command: " .. tostring(pcall(skynet.call, ".store", "lua", "explode")))
	skynet.abort()
end)
