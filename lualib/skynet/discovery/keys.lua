-- Nodes as keys of etcd: PREFIX nodes/NAME for each, which goes with its node's lease. The key's create revision is the
-- incarnation of the node. One watch follows everything below the prefix, singletons and locks as well.
--
-- While etcd cannot be reached, what is known stays.

local skynet = require "skynet"
local etcd = require "skynet.discovery.etcd"
local lease = require "skynet.discovery.lease"
local values = require "skynet.discovery.values"

local MINUTE <const> = 6000
local SHORTEST <const>, LONGEST <const> = 10, 1000 -- centiseconds between attempts

local Source = {}
Source.__index = Source

local keys = {}

-- own() gives what this node says of itself. hooks: at_risk(why), registered(), changed(kind, key, record)
function keys.new(settings, nodes, own, hooks)
	local ttl = settings.ttl
	local client = etcd.new {
		endpoints = settings.endpoints,
		tls = settings.tls,
		user = settings.user,
		password = settings.password,
		timeout = math.max(20, math.min(300, ttl * 100 // 3)) | 0,
	}
	return setmetatable({
		etcd = client,
		prefix = settings.prefix,
		ttl = ttl,
		name = settings.name,
		address = settings.address,
		nodes = nodes,
		own = own,
		hooks = hooks,
		status = { up = false, revision = 0 },
		records = {}, -- all but nodes, by key without the prefix
	}, Source)
end

-- While it is away, another reason is worth a line once a minute.
local function report(self, up, why)
	local status, now = self.status, skynet.now()
	if up and not status.up then
		skynet.error(("discovery: etcd is there, at revision %d"):format(status.revision))
	elseif not up and (status.up or why ~= self.why and now - (self.told or -MINUTE) >= MINUTE) then
		self.told, self.why = now, why
		skynet.error(("warning: discovery: %s; what was known stays"):format(why))
	end
	status.up = up
end

-- What happens to a key

local function node_name(self, key)
	local rest = key:sub(#self.prefix + 1)
	return rest:match "^nodes/(.+)$", rest
end

local function on_put(self, record)
	local name, rest = node_name(self, record.key)
	if not name then
		self.records[rest] = record
		return self.hooks.changed("PUT", rest, record)
	end
	local node = values.read(name, record.value, record.created)
	if node then
		self.nodes:set(node)
	elseif record.value ~= self.strange then
		self.strange = record.value
		skynet.error(("warning: discovery: the key %s has no node's value; it is left out"):format(record.key))
	end
end

local function on_delete(self, record)
	local name, rest = node_name(self, record.key)
	if not name then
		self.records[rest] = nil
		return self.hooks.changed("DELETE", rest, record)
	end
	self.nodes:gone(name)
end

local function take_list(self, list)
	local present, rests = {}, {}
	for _, record in ipairs(list) do
		local name, rest = node_name(self, record.key)
		if name then
			present[#present + 1] = values.read(name, record.value, record.created)
		else
			rests[rest] = record
		end
	end
	self.nodes:replace(present)
	for rest, record in pairs(self.records) do
		if not rests[rest] then
			self.records[rest] = nil
			self.hooks.changed("DELETE", rest, record)
		end
	end
	for rest, record in pairs(rests) do
		self.records[rest] = record
		self.hooks.changed("PUT", rest, record)
	end
end

-- Lists what is there, and follows what changes until the stream ends.
local function follow(self)
	local list, revision = self.etcd:list(self.prefix)
	self.status.revision = revision
	take_list(self, list)
	local why = self.etcd:watch(self.prefix, revision + 1, function()
		self.delay = SHORTEST
		report(self, true)
	end, function(kind, record, at)
		self.status.revision = at or self.status.revision
		if kind == "PUT" then
			on_put(self, record)
		else
			on_delete(self, record)
		end
	end)
	return why
end

-- An endpoint that has stopped without a word keeps its streams open: questions with a deadline find that out.
local function probe(self)
	while true do
		skynet.sleep(self.ttl * 100 // 3 | 0)
		if self.status.up and not self.lease then
			local ok, why = pcall(self.etcd.list, self.etcd, self.prefix .. "probe/")
			self.heard(ok, why)
		end
	end
end

-- Follows for ever.
function Source:run()
	self.heard = function(ok, why)
		if not ok then
			report(self, false, why)
			self.etcd:stop_watch()
		end
	end
	skynet.fork(probe, self)
	self.delay = SHORTEST
	while true do
		local ok, why = pcall(follow, self)
		self.etcd:turn()
		report(self, false, ok and "etcd: the watch has ended: " .. why or why)
		skynet.sleep(self.delay)
		self.delay = math.min(self.delay * 2, LONGEST)
	end
end

-- Being there

local function own_key(self)
	return self.prefix .. "nodes/" .. self.name
end

-- Somebody has our name. True if it was this node's own past, which is over now.
local function displace(self, there)
	local other = there and values.read(self.name, there.value, there.created)
	if other and other.address == self.address and there.lease then
		pcall(self.etcd.revoke, self.etcd, there.lease)
		return true
	end
	local holder = other and other.address or "somebody else"
	if self.holder ~= holder then
		self.holder = holder
		local since = other and other.since and os.date(", since %Y-%m-%d %H:%M:%S", other.since // 1) or ""
		skynet.error(("error: discovery: the node name `%s` is taken by %s%s; this node waits for it"):format(
			self.name, holder, since))
	end
	return false
end

-- One attempt. Raises.
local function register(self)
	local held = lease.grant(self.etcd, self.ttl, {
		at_risk = self.hooks.at_risk,
		lost = function()
			self.lease = nil
			skynet.error "warning: discovery: the lease of this node is over; it registers anew"
			skynet.wakeup(self)
		end,
		heard = self.heard,
	})
	local ok, revision, there = pcall(self.etcd.create, self.etcd, own_key(self), self.own(), held.id)
	if ok and not revision and displace(self, there) then
		ok, revision = pcall(self.etcd.create, self.etcd, own_key(self), self.own(), held.id)
	end
	if not ok or not revision then
		held:revoke()
		return not ok and error(revision, 0)
	end
	self.lease, self.incarnation, self.holder = held, revision, nil
	skynet.error(("discovery: this node is %s at %s, lease of %g s"):format(self.name, self.address, self.ttl))
	self.hooks.registered()
end

local function rewrite(self)
	local ok, done = pcall(self.etcd.rewrite, self.etcd, own_key(self), self.own(), self.lease.id)
	if ok and done then
		self.dirty = false
	end
end

-- Registers this node, and does so again whenever its lease was lost.
function Source:register()
	self.wanted = true
	while self.wanted do
		if not self.lease then
			local ok, why = pcall(register, self)
			if not ok then
				report(self, false, why)
			end
		end
		if self.lease and self.dirty then
			rewrite(self)
			skynet.sleep(100) -- changes of a node's labels go out once a second at most
		else
			skynet.sleep(self.lease and 6000 or math.max(SHORTEST, self.ttl * 100 // 3 | 0), self)
		end
	end
end

-- What this node says of itself has changed.
function Source:touch()
	self.dirty = true
	skynet.wakeup(self)
end

-- Takes this node out, at once.
function Source:leave()
	self.wanted = false
	local held = self.lease
	self.lease = nil
	if held then
		held:revoke()
	end
	skynet.wakeup(self)
end

return keys
