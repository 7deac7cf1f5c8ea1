-- Answers calls, and returns balls.

local skynet = require "skynet"

local play = { call = skynet.retpack }

skynet.dispatch("lua", function(_, from, kind, ball)
	if play[kind] then
		play[kind](ball)
	else
		skynet.send(from, "lua", kind, ball)
	end
end)

skynet.start(function() end)
