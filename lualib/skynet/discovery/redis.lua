-- Nodes in Redis: a key for each, which runs out unless its node renews it, and a set of their names. Looked at every
-- second, since a server tells of keys that run out only if it was set up to.
--
-- There are no singletons and no locks here: what Redis has acknowledged may be lost when its primary changes, so that
-- two could hold the same.

local skynet = require "skynet"
local redis = require "skynet.db.redis"
local values = require "skynet.discovery.values"

local EVERY <const> = 100 -- centiseconds

local Source = {}
Source.__index = Source

local sources = {}

function sources.new(settings, nodes, own)
	local host, port = settings.endpoints[1]:match "^(.*):(%d+)$"
	return setmetatable({
		conf = {
			host = host:match "^%[(.*)%]$" or host,
			port = tonumber(port),
			db = settings.db,
			username = settings.user,
			auth = settings.password,
			timeout = math.max(20, math.min(300, settings.ttl * 100 // 3)) | 0,
		},
		names = settings.prefix .. "nodes",
		prefix = settings.prefix .. "node:",
		ttl = settings.ttl,
		name = settings.name,
		address = settings.address,
		nodes = nodes,
		own = own,
		status = { up = false },
	}, Source)
end

local function connection(self)
	self.db = self.db or redis.connect(self.conf)
	return self.db
end

local function look(self)
	local db = connection(self)
	local names = db:smembers(self.names)
	local list, gone = {}, {}
	if names[1] then
		local keys = {}
		for i, name in ipairs(names) do
			keys[i] = self.prefix .. name
		end
		local texts = db:mget(table.unpack(keys))
		for i, name in ipairs(names) do
			if texts[i] then
				list[#list + 1] = values.read(name, texts[i])
			else
				gone[#gone + 1] = name
			end
		end
	end
	self.nodes:replace(list)
	if gone[1] then
		db:srem(self.names, table.unpack(gone))
	end
end

-- Has another node this name? Looked at before the first time.
local function is_taken(self, db)
	local text = not self.registered and db:get(self.prefix .. self.name)
	local other = text and values.read(self.name, text)
	if not other or other.address == self.address then
		self.registered = true
		return false
	end
	if self.holder ~= other.address then
		self.holder = other.address
		skynet.error(("error: discovery: the node name `%s` is taken by %s; this node waits for it"):format(
			self.name, other.address))
	end
	return true
end

local function renew(self)
	local db = connection(self)
	if is_taken(self, db) then
		return
	end
	db:set(self.prefix .. self.name, self.own(), "PX", self.ttl * 1000 // 1 | 0)
	db:sadd(self.names, self.name)
	self.renewed, self.dirty = skynet.now(), false
end

local function step(self)
	if self.wanted and (self.dirty or skynet.now() - self.renewed >= self.ttl * 100 // 3) then
		renew(self)
	end
	look(self)
end

-- Follows for ever.
function Source:run()
	while true do
		local ok, why = pcall(step, self)
		why = not ok and tostring(why) or nil
		if not ok and why ~= self.why then
			skynet.error(("warning: discovery: redis: %s; what was known stays"):format(why))
		end
		self.status.up, self.why = ok, why
		skynet.sleep(EVERY)
	end
end

function Source:register()
	self.wanted, self.renewed = true, -math.huge
end

function Source:touch()
	self.dirty = true
end

function Source:leave()
	self.wanted = false
	pcall(function()
		connection(self):del(self.prefix .. self.name)
	end)
end

return sources
