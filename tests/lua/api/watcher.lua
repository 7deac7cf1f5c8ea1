-- An exit monitor: counts the deaths that it is told of, and fails the calls of those who asked to watch a service.
local skynet = require "skynet"

local seen, watchers = {}, {}

skynet.register_protocol {
	name = "client",
	id = skynet.PTYPE_CLIENT,
	unpack = function() end,
	dispatch = function(_, address)
		seen[address] = (seen[address] or 0) + 1
		for watcher in pairs(watchers[address] or {}) do
			skynet.redirect(watcher, address, "error", 0, "")
		end
	end,
}

local command = {}

function command.seen()
	return seen
end

function command.watch(source, address)
	watchers[address] = watchers[address] or {}
	watchers[address][source] = true
end

skynet.start(function()
	skynet.dispatch("lua", function(_, source, name, ...)
		skynet.retpack(command[name](source, ...))
	end)
end)
