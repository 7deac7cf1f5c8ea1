-- Channels: what is published on one reaches all its subscribers, who share one copy of the packed values. The
-- service `multicastd` knows who they are.

local skynet = require "skynet"
local core = require "skynet.multicast.core"
local check = require("skynet.core").check

---@class skynet.multicast.channel
---@field channel integer? nil once deleted
local Channel = {}
Channel.__index = Channel

local multicast = {}
local subscribed = {} ---@type table<integer, skynet.multicast.channel> they receive, whoever else refers to them
local daemon

skynet.init(function()
	daemon = skynet.uniqueservice "multicastd"
end)

local function handle(self, source, msg, sz)
	return self.dispatch(self, source, self.unpack(msg, sz))
end

local function release(package, ok, ...)
	core.close(package)
	if not ok then
		error((...), 0)
	end
end

local protocol = { name = "multicast", id = skynet.PTYPE_MULTICAST }

function protocol.unpack(msg, sz)
	return msg, sz
end

function protocol.dispatch(id, source, msg, sz)
	local self = subscribed[id]
	if not self then
		core.values(msg, sz) -- unsubscribed meanwhile
	elseif self.unpack == skynet.unpack then
		return self.dispatch(self, source, core.values(msg, sz))
	else
		-- The handler may want the block for as long as it runs.
		local package, data, size = core.unpack(msg, sz)
		release(package, pcall(handle, self, source, data, size))
	end
end

skynet.register_protocol(protocol)

local function id_of(self)
	return check(self.channel, "assertion failed! (the channel has been deleted)")
end

function Channel:publish(...)
	local id = id_of(self)
	skynet.call(daemon, "lua", "PUB", id, core.pack(self.pack(...)))
end

function Channel:subscribe()
	local id = id_of(self)
	if self.active then
		return
	end
	self.active = true
	subscribed[id] = self
	skynet.call(daemon, "lua", "SUB", id)
end

function Channel:unsubscribe()
	local id = id_of(self)
	local other = subscribed[id] ~= nil and subscribed[id] ~= self -- a later object for the same channel
	if self.active and not other then
		subscribed[id] = nil
		skynet.send(daemon, "lua", "USUB", id)
	end
	self.active = false
end

function Channel:delete()
	local id = id_of(self)
	skynet.send(daemon, "lua", "DEL", id)
	self.active, self.channel, subscribed[id] = false, nil, nil
end

function Channel:__tostring()
	return ("[Multicast:%x]"):format(self.channel or 0)
end

function Channel:__gc()
	if self.active then
		self:unsubscribe()
	end
end

---@param options table?
function multicast.new(options)
	options = options or {}
	check(type(options) == "table", "a table of options expected, or nothing")
	local self = {
		channel = options.channel or skynet.call(daemon, "lua", "NEW"),
		pack = options.pack or skynet.pack,
		unpack = options.unpack or skynet.unpack,
		dispatch = options.dispatch or function() end,
		active = false,
	}
	return setmetatable(self, Channel)
end

return multicast
