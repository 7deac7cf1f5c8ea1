-- The exit monitor: gets an empty message of type client from every service that exits or is killed.
-- Request: watch handle name.

local skynet = require "skynet"

local names = {} -- handle -> its name
local observers = {} -- handle -> those who want to know

local function tell(handle)
	local name = names[handle]
	for observer in pairs(observers[handle] or {}) do
		-- In the name of the dead: whatever the observer still expects from it fails.
		skynet.redirect(observer, handle, "error", 0, "")
		skynet.send(observer, "lua", "gone", name)
	end
	names[handle], observers[handle] = nil, nil
end

skynet.register_protocol {
	id = skynet.PTYPE_CLIENT,
	name = "client",
	unpack = function() end, -- there is nothing in the message; its source has gone
	dispatch = function(_, handle)
		tell(handle)
	end,
}

local function watch(source, handle, name)
	names[handle] = name
	observers[handle] = observers[handle] or {}
	observers[handle][source] = true
end

skynet.start(function()
	skynet.dispatch("lua", function(_, source, command, ...)
		assert(command == "watch")
		skynet.retpack(watch(source, ...))
	end)
end)
