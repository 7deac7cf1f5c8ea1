-- A chat room, and its members: `newservice("bench_room", "member")`.
local skynet = require "skynet"

local role = ...

local function room()
	local members, left, C = {}, 0, {}
	-- The room tells everybody of so many sayings before the last one, which members report.
	function C.open(all, sayings)
		members, left = all, sayings
		skynet.retpack(true)
	end
	function C.say(who, text)
		left = left - 1
		local last = left == 0
		for i = 1, #members do skynet.send(members[i], "lua", "said", who, text, last) end
		skynet.retpack(#members)
	end
	return C
end

local function member()
	local heard, home, C = 0, nil, {}
	function C.join(h)
		home = h
		skynet.retpack(true)
	end
	function C.said(_, _, last)
		heard = heard + 1
		if last then skynet.send(home, "lua", heard) end
	end
	return C
end

local C = (role == "member" and member or room)()

skynet.start(function()
	skynet.dispatch("lua", function(_, _, cmd, ...) C[cmd](...) end)
end)
