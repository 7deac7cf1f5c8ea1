-- What all connections to databases, and all pools of them, have done so far: of a service, and of a node.
--
-- Drivers and pools note themselves here. What an application has dropped goes by itself.

local skynet = require "skynet"

local stats = {}

local entries = setmetatable({}, { __mode = "k" }) -- object -> its kind, what knows its numbers, its name
local count = 0

local function name_of(source)
	return source.host and ("%s:%s"):format(source.host, source.port or "?")
end

function stats.add(kind, object, source, name)
	count = count + 1
	-- The source may lead back to the object; what is reachable only from its own entry goes all the same.
	entries[object] = { kind = kind, source = source, name = name, number = count }
end

function stats.here()
	local list = {}
	for _, entry in pairs(entries) do
		local source = entry.source
		if not source.closed then
			local item = source:stats()
			item.kind, item.number = entry.kind, entry.number
			item.name = entry.name or name_of(source)
			list[#list + 1] = item
		end
	end
	table.sort(list, function(a, b)
		return a.number < b.number
	end)
	return list
end

function stats.node(timeout)
	local services, waiting, me = {}, 0, {}
	for address in pairs(skynet.call(".launcher", "lua", "LIST")) do
		waiting = waiting + 1
		skynet.fork(function()
			local ok, list = pcall(skynet.timeoutcall, timeout or 100, address, "debug", "DBSTATS")
			if ok and list and #list > 0 then
				services[address] = list
			end
			waiting = waiting - 1
			if waiting == 0 then
				skynet.wakeup(me)
			end
		end)
	end
	if waiting > 0 then
		skynet.wait(me)
	end
	return services
end

return stats
