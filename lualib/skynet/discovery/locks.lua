-- Locks of all nodes: the key `locks/NAME`, with a lease of its own. Its create revision is the token.

local skynet = require "skynet"
local cjson = require "cjson"
local ends = require "skynet.discovery.ends"
local lease = require "skynet.discovery.lease"

local Locks = {}
Locks.__index = Locks

local locks = {}

function locks.new(source)
	return setmetatable({ source = source, held = {}, waiting = {}, last = 0 }, Locks)
end

local function wake(self, name)
	for place in pairs(self.waiting[name] or {}) do
		skynet.wakeup(place)
	end
end

local function wait(self, name, cs)
	local list = self.waiting[name] or {}
	self.waiting[name] = list
	local place = {}
	list[place] = true
	skynet.sleep(cs, place)
	list[place] = nil
	if not next(list) and self.waiting[name] == list then
		self.waiting[name] = nil
	end
end

local function finish(self, one, why)
	if self.held[one.id] then
		self.held[one.id] = nil
		one.why = why
		skynet.fork(one.lease.revoke, one.lease)
		if one.response then
			one.response(true, why)
		end
	end
end

-- One attempt; what is held, or nothing.
local function attempt(self, owner, name, seconds)
	local one = { owner = owner, name = name }
	local value = cjson.encode { node = self.source.name, service = skynet.address(owner) }
	one.lease = lease.grant(self.source.etcd, seconds, {
		at_risk = function(why)
			finish(self, one, why)
		end,
		lost = function() end,
	})
	local key = self.source.prefix .. "locks/" .. name
	local ok, token = pcall(self.source.etcd.create, self.source.etcd, key, value, one.lease.id)
	if ok and token and not one.lease.risk then
		self.last = self.last + 1
		one.id, one.token = self.last, token
		return one
	end
	one.lease:revoke()
end

-- Waits until the service has the lock. Its id and token; nothing if the service has died meanwhile.
function Locks:acquire(owner, name, seconds)
	local gone = false
	local forget = ends.of(owner, function()
		gone = true
		wake(self, name)
		for _, one in pairs(self.held) do
			if one.owner == owner then
				finish(self, one, "its owner has gone")
			end
		end
	end)
	while not gone do
		local taken = self.source.records["locks/" .. name]
		local ok, one = true, nil
		if not taken then
			ok, one = pcall(attempt, self, owner, name, seconds)
		end
		if ok and one then
			self.held[one.id] = one
			one.forget = forget
			if gone then
				return finish(self, one, "its owner has gone")
			end
			return one.id, one.token
		end
		wait(self, name, ok and 500 or 100)
	end
end

local function owned(self, owner, id)
	local one = self.held[id]
	return one and one.owner == owner and one
end

function Locks:release(owner, id)
	local one = owned(self, owner, id)
	if not one then
		return false
	end
	self.held[id] = nil
	one.forget()
	one.lease:revoke()
	if one.response then
		one.response(true, false)
	end
	return true
end

-- Answers when the lock is lost: why, or false if it was released.
function Locks:on_loss(owner, id, response)
	local one = owned(self, owner, id)
	if one then
		one.response = response
	else
		response(true, "it is not held any more")
	end
end

-- The keys have changed.
function Locks:changed(kind, key)
	local name = key:match "^locks/(.+)$"
	if name and kind == "DELETE" then
		wake(self, name)
	end
end

return locks
