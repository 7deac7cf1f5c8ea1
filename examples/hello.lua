-- Two services that talk to each other.
--
--     cargo run --release -- run examples/hello.lua
--
-- prints, besides the log of the services' start and end:
--
--     hello, world
--     hello, skynet
--     3 + 4 = 7
--
-- One file can hold several services: the arguments of newservice say which one is wanted.

local skynet = require "skynet"
require "skynet.manager" -- adds skynet.abort and others

local function greeter()
	local commands = {}

	function commands.greet(name)
		return "hello, " .. name
	end

	function commands.add(a, b)
		return a + b
	end

	skynet.start(function()
		-- Runs for every message of the type "lua", each in a coroutine of its own.
		skynet.dispatch("lua", function(_, _, name, ...)
			skynet.retpack(commands[name](...))
		end)
	end)
end

local function main()
	skynet.start(function()
		local other = skynet.newservice(SERVICE_NAME, "greeter")
		-- A call sends a message and waits for the answer; other messages are handled meanwhile.
		print(skynet.call(other, "lua", "greet", "world"))
		print(skynet.call(other, "lua", "greet", "skynet"))
		print("3 + 4 = " .. skynet.call(other, "lua", "add", 3, 4))
		skynet.abort() -- ends all services, and with them the node
	end)
end

if ... == "greeter" then
	greeter()
else
	main()
end
