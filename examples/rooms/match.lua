-- The match-maker: pairs players. The name of a room has the token of this match-maker, so that another one, which takes
-- over, cannot give the same name to others.

local skynet = require "skynet"
local discovery = require "skynet.discovery"

local waiting -- answers a player who waits for another one
local games = 0

skynet.start(function()
	local token = discovery.token()
	skynet.dispatch("lua", function()
		local answer = skynet.response()
		if not waiting then
			waiting = answer
			return
		end
		games = games + 1
		local room = ("duel-%d-%d"):format(token, games)
		-- The first one may have gone: then this one waits.
		if waiting(true, room) then
			answer(true, room)
			waiting = nil
		else
			waiting = answer
		end
	end)
end)
