-- Prints what is in the table of each module: module, name, type. The modules are in the config key `modules`.
local skynet = require "skynet"

local function walk(name, found)
	if type(found) ~= "table" then
		return print("walk", name, "", type(found))
	end
	print("walk", name, "", "table")
	for key, value in pairs(found) do
		if type(key) == "string" and key:sub(1, 1) ~= "_" then
			print("walk", name, key, type(value))
		end
	end
end

walk("skynet", skynet)
local common = {}
for key in pairs(skynet) do
	common[key] = true
end

skynet.start(function()
	-- Others add to the same table.
	local manager = require "skynet.manager"
	for key, value in pairs(manager) do
		if not common[key] then
			print("walk", "skynet.manager", key, type(value))
		end
	end
	for name in skynet.getenv("modules"):gmatch "%S+" do
		local ok, found = pcall(require, name)
		if ok then
			walk(name, found)
		else
			print("failed", name, found)
		end
	end
	print "done"
	manager.abort()
end)
