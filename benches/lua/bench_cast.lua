-- A subscriber of a multicast channel.
local skynet = require "skynet"
local multicast = require "skynet.multicast"

local C, home = {}, nil

-- What is published: who, what, and whether it is the last time; or "hold", and then the block is kept.
local function hear(_, _, who, sz, last)
	if last then
		skynet.send(home, "lua")
	elseif who == nil then
		skynet.send(home, "lua", sz)
		skynet.wait()
	end
end

-- A large block is not copied into Lua.
local function unpack(msg, sz)
	if sz > 1000 then return nil, sz end
	return skynet.unpack(msg, sz)
end

function C.join(id, h)
	home = h
	multicast.new({ channel = id, unpack = unpack, dispatch = hear }):subscribe()
	skynet.ret()
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, cmd, ...) C[cmd](...) end)
end)
