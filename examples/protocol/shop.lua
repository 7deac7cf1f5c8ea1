-- Adds up what it is told in messages of the type "tally".

local skynet = require "skynet"
local tally = require "tally"

local noted

local function total(numbers)
	local sum = 0
	for _, number in pairs(numbers) do
		sum = sum + number
	end
	return sum
end

skynet.start(function()
	skynet.dispatch("tally", function(session, _, numbers)
		if session == 0 then
			noted = numbers -- a send: nobody waits for an answer
		else
			skynet.ret(tally.pack { total = total(numbers) })
		end
	end)
	skynet.dispatch("lua", function(_, _, command)
		assert(command == "noted")
		skynet.retpack(tally.pack(noted))
	end)
end)
