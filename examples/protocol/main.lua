-- A message type of your own, with its own way of packing and unpacking.
--
--     cargo run --release -- run examples/protocol
--
-- prints
--
--     total of coffee=2 tea=3: 5
--     noted: coffee=2 tea=3
--     a bad message: call failed
--
-- tally.lua registers the type and is used by both sides; shop.lua handles the messages.

local skynet = require "skynet"
require "skynet.manager"
require "tally"

skynet.start(function()
	local shop = skynet.newservice "shop"

	-- A call: the table is packed as text, and the answer is unpacked as text.
	local order = { coffee = 2, tea = 3 }
	local answer = skynet.call(shop, "tally", order)
	print("total of coffee=2 tea=3: " .. answer.total)

	-- A send of the same type, and a question of another one to the same service.
	skynet.send(shop, "tally", order)
	print("noted: " .. skynet.call(shop, "lua", "noted"))

	-- Bytes that the receiver cannot unpack fail the call; the receiver logs why, and goes on.
	local ok, reason = pcall(skynet.rawcall, shop, "tally", "no equals sign")
	print("a bad message: " .. (ok and "accepted" or reason:match "call failed"))
	skynet.abort()
end)
