-- A service that reads the shared table "config".
local skynet = require "skynet"
local measure = require "measure"
local sharetable = require "skynet.sharetable"

local C, config = {}, nil

function C.ready() return true end

-- Its first item's price and version.
function C.open()
	config = sharetable.query "config"
	return config.items[1].price, config.version
end

function C.update()
	sharetable.update "config"
	return config.items[1].price, config.version
end

-- Walks over 1,000 items until n fields have been read; returns the seconds.
local function read(items, n)
	local began, sum = measure.now(), 0
	for _ = 1, n // 4000 do
		for i = 1, 1000 do
			local item = items[i]
			sum = sum + item.price + item.need.level + #item.name
		end
	end
	assert(sum > 0)
	return measure.now() - began
end

-- Seconds for n fields of the shared table, and of a copy.
function C.read(n)
	local copy = {}
	for i = 1, 1000 do
		local item = config.items[i]
		copy[i] = { id = item.id, price = item.price, name = item.name, text = item.text, need = { level = item.need.level } }
	end
	read(config.items, 4000)
	read(copy, 4000)
	return read(config.items, n), read(copy, n)
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, cmd, ...) skynet.retpack(C[cmd](...)) end)
end)
