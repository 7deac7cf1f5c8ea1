-- Keeps values under keys. Commands: get key; put key value, returns the old value; add key n, returns the sum;
-- wait key, returns the value as soon as there is one.

local skynet = require "skynet"

local values = {}
local waiting = {} -- key -> responses to those who wait for it

local command = {}

function command.get(key)
	return values[key]
end

function command.put(key, value)
	local old = values[key]
	values[key] = value
	for _, respond in ipairs(waiting[key] or {}) do
		respond(true, value)
	end
	waiting[key] = nil
	return old
end

-- No other message is handled in the middle of this, because nothing in it waits.
function command.add(key, n)
	values[key] = (values[key] or 0) + n
	return values[key]
end

local function wait(key)
	if values[key] ~= nil then
		return skynet.retpack(values[key])
	end
	waiting[key] = waiting[key] or {}
	-- The answer is given later. Should this service die before, the caller gets an error.
	table.insert(waiting[key], skynet.response())
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		if name == "wait" then
			return wait(...)
		end
		local f = command[name] or error("unknown command " .. tostring(name))
		skynet.retpack(f(...))
	end)
end)
