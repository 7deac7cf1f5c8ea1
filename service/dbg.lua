-- Gives its arguments as a command to the launcher, and prints the table that is the answer.

local skynet = require "skynet"

local words = { ... }

local function sorted(t)
	local keys = {}
	for key in pairs(t) do
		keys[#keys + 1] = tostring(key)
	end
	table.sort(keys)
	return keys
end

local function row(value)
	if type(value) ~= "table" then
		return tostring(value)
	end
	local items = {}
	for key, item in pairs(value) do
		items[#items + 1] = ("%s:%s"):format(key, item)
	end
	table.sort(items)
	return table.concat(items, "\t")
end

skynet.start(function()
	local answer = skynet.call(".launcher", "lua", table.unpack(words))
	if type(answer) == "table" then
		for _, key in ipairs(sorted(answer)) do
			print(key, row(answer[key] or answer[math.tointeger(key)]))
		end
	else
		print(answer)
	end
	skynet.exit()
end)
