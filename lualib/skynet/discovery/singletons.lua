-- Services of which one of all nodes has one: the node that holds the key `singletons/NAME` runs it. The key's create
-- revision is the holder's fencing token: it grows with each holder.
--
-- The service is killed when the node's lease is at risk, before etcd can give the key to another node.

local skynet = require "skynet"
require "skynet.manager"
local cjson = require "cjson"
local cluster = require "skynet.cluster"
local ends = require "skynet.discovery.ends"

local FIRST <const>, LAST <const> = 100, 3000 -- centiseconds after a failure

local Singletons = {}
Singletons.__index = Singletons

local singletons = {}

-- source: the keys of discovery
function singletons.new(source)
	return setmetatable({ source = source, wanted = {}, line = {}, handles = {} }, Singletons)
end

local function key_of(name)
	return "singletons/" .. name
end

local function full_key(self, name)
	return self.source.prefix .. key_of(name)
end

-- The key goes, so that the next holder has another token, this node included. If etcd cannot be reached, that is done
-- before this node tries again under the same lease.
local function give_up_key(self, one, id)
	one.owed = id
	if pcall(self.source.etcd.delete, self.source.etcd, full_key(self, one.name), id) and one.owed == id then
		one.owed = nil
	end
end

local function let_go(self, one, held)
	one.token, one.handle, one.running = nil, nil, false
	if held and held.id then
		give_up_key(self, one, held.id)
	end
end

local function postpone(one)
	one.delay = math.min((one.delay or FIRST // 2) * 2, LAST)
	one.after = skynet.now() + one.delay
end

-- One service starts after the other, so that the launcher's word of a new handle is about the one that starts.
local function start_in_turn(self, one)
	while self.starting do
		table.insert(self.line, one)
		skynet.wait(one)
	end
	self.starting = one
	local ok, handle = pcall(skynet.call, ".launcher", "lua", "LAUNCHTOLD", "snlua", one.service, table.unpack(one.args))
	self.starting = nil
	local next_one = table.remove(self.line, 1)
	if next_one then
		skynet.wakeup(next_one)
	end
	return ok and handle or nil
end

local function publish(name, handle)
	pcall(cluster.unregister, name)
	local ok, why = pcall(cluster.register, name, handle)
	if not ok then
		skynet.error(("warning: discovery: the singleton %s has no cluster name: %s"):format(name, why))
	end
end

local function run(self, one, held, token)
	one.token, one.running = token, true
	skynet.error(("discovery: this node runs the singleton %s, token %d"):format(one.name, token))
	local handle = start_in_turn(self, one)
	if one.token ~= token then
		return -- at risk meanwhile, and killed
	elseif not handle then
		skynet.error(("error: discovery: the singleton %s does not start; another node may try"):format(one.name))
		let_go(self, one, held)
		return postpone(one)
	end
	one.handle, one.began = handle, skynet.now()
	publish(one.name, handle)
	self.handles[handle] = nil
	ends.of(handle, function()
		if one.handle == handle then
			skynet.error(("discovery: the singleton %s has ended"):format(one.name))
			pcall(cluster.unregister, one.name)
			let_go(self, one, held)
			if skynet.now() - one.began > LAST then
				one.delay = nil
			end
			postpone(one)
		end
	end)
end

local function campaign(self, one)
	local held = self.source.lease
	if not held or held.risk or one.running or one.busy or self.stopped or skynet.now() < (one.after or 0) then
		return
	end
	one.busy = true
	if one.owed == held.id then
		give_up_key(self, one, held.id)
		if one.owed == held.id then
			one.busy = false
			return
		end
	end
	local value = cjson.encode { node = self.source.name }
	local ok, token = pcall(self.source.etcd.create, self.source.etcd, full_key(self, one.name), value, held.id)
	if ok and token and not held.risk and not self.stopped then
		run(self, one, held, token)
	end
	one.busy = false
end

-- This node may run it from now on.
function Singletons:add(name, options)
	local one = self.wanted[name]
	if one then
		return
	end
	one = { name = name, service = options.service, args = options.args or {} }
	self.wanted[name] = one
	skynet.fork(function()
		while not self.stopped do
			campaign(self, one)
			skynet.sleep(math.max(20, self.source.ttl * 100 // 3) | 0, one.name)
		end
	end)
end

-- The keys have changed.
function Singletons:changed(kind, key)
	local name = key:match "^singletons/(.+)$"
	if name and kind == "DELETE" and self.wanted[name] then
		skynet.wakeup(name)
	end
end

-- The node has its lease again.
function Singletons:registered()
	for name in pairs(self.wanted) do
		skynet.wakeup(name)
	end
end

local function kill(one)
	local handle = one.handle or one.beginning
	one.token, one.handle, one.beginning, one.running = nil, nil, nil, false
	if handle then
		skynet.kill(handle)
	end
end

-- The lease is at risk: what runs ends now.
function Singletons:at_risk(why)
	for name, one in pairs(self.wanted) do
		if one.running then
			skynet.error(("warning: discovery: the singleton %s is killed: %s"):format(name, why))
			kill(one)
			pcall(cluster.unregister, name)
			-- Under the same lease the key would go on, with the same token.
			local held = self.source.lease
			skynet.fork(let_go, self, one, held)
		end
	end
end

-- The launcher tells of a new service.
function Singletons:launched(handle)
	local one = self.starting
	if not one then
		return
	elseif one.token then
		one.beginning = handle
		self.handles[handle] = one.token
		for waiting in pairs(self.asking or {}) do
			skynet.wakeup(waiting)
		end
	else
		skynet.kill(handle) -- the lease was at risk before it began
	end
end

-- The token of a service; nil if it is no singleton.
function Singletons:token(source)
	local function find()
		if self.handles[source] then
			return self.handles[source]
		end
		for _, one in pairs(self.wanted) do
			if one.handle == source or one.beginning == source then
				return one.token
			end
		end
	end
	local token = find()
	if not token and self.starting then
		-- It may be ahead of the launcher's word.
		local place = {}
		self.asking = self.asking or {}
		self.asking[place] = true
		skynet.sleep(100, place)
		self.asking[place] = nil
		token = find()
	end
	return token
end

-- Node and token of a singleton, as far as this node knows.
function Singletons:whereis(name)
	local record = self.source.records[key_of(name)]
	local ok, value = pcall(cjson.decode, record and record.value or "")
	if ok and type(value) == "table" and type(value.node) == "string" then
		return value.node, record.created
	end
end

-- The node stops: nothing new, and what runs ends. `keep`: what runs goes on.
function Singletons:stop(keep)
	self.stopped = true
	for _, one in pairs(self.wanted) do
		if one.running and not keep then
			kill(one)
			let_go(self, one, self.source.lease)
		end
		skynet.wakeup(one.name)
	end
end

return singletons
