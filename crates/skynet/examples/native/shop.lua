-- The Lua half of the example: starts the Rust service, asks it, and is asked by it.

local skynet = require "skynet"
require "skynet.manager"

local budget = 10

local commands = {}

function commands.budget()
	return budget
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, command, ...)
		skynet.retpack(commands[command](...))
	end)

	-- A module that was registered in Rust is launched by its name.
	local prices = assert(skynet.launch "prices", "the node has no Rust service")
	skynet.send(prices, "lua", "set", "apple", 0.5)
	skynet.call(prices, "lua", "set", "pear", 0.75)

	print("an apple costs", skynet.call(".prices", "lua", "price", "apple"))
	for _, item in ipairs { "apple", "pear" } do
		local quote = skynet.call(prices, "lua", "quote", item)
		print(("for %d: %d of %s at %.2f"):format(budget, quote.count, quote.item, quote.price))
	end

	-- An error in Rust is an error of the call, as from a Lua service.
	print("a melon", pcall(skynet.call, prices, "lua", "price", "melon"))

	skynet.kill(prices)
	print("afterwards", pcall(skynet.call, prices, "lua", "price", "apple"))
	skynet.abort()
end)
