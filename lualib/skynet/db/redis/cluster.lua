-- Redis cluster: commands go to the node that has the slot of their key.
--
-- `slots` says which node that is, as far as this object knows; nodes correct it by MOVED and ASK. Connections are made
-- when they are needed, one for each node.

local skynet = require "skynet"
local socketchannel = require "skynet.socketchannel"
local redis = require "skynet.db.redis"
local core = require "skynet.db.redis.core"
local check, raise = require("skynet.core").check, require("skynet.core").raise

local keyslot = core.keyslot

local ATTEMPTS <const> = 16
local PATIENT <const> = 8 -- attempts that follow a socket error at once
local MAX_CONNECTIONS <const> = 256

-- Commands that belong to no key.
local nowhere = { info = true, multi = true, exec = true, slaveof = true, config = true, shutdown = true }
local scripts = { eval = true, evalsha = true }

local methods = {}
local commands = {}

local cluster = {
	__index = function(_, name)
		local f = methods[name] or commands[name]
		if not f then
			f = function(self, ...)
				return self:call(name, ...)
			end
			commands[name] = f
		end
		return f
	end,
}

local function own(self, name)
	return rawget(self, name)
end

-- Nodes and connections

function methods:set_node_name(node)
	node.name = node.name or ("%s:%s"):format(node.host, node.port)
	node.slaves = node.slaves or {}
	return node.name
end

local function options(self, node)
	local conf = {}
	for name, value in pairs(self.opt) do
		conf[name] = value
	end
	conf.host, conf.port, conf.db = node.host, node.port, self.opt.db or 0
	return conf
end

function methods:get_redis_link(node)
	return redis.connect(options(self, node))
end

local function close(self, name)
	local db = self.connections[name]
	self.connections[name] = nil
	if db then
		db:disconnect()
	end
end

function methods:close_all_connection()
	for name in pairs(self.connections) do
		close(self, name)
	end
end

function methods:close_existing_connection()
	local count = 0
	for _ in pairs(self.connections) do
		count = count + 1
	end
	while count >= self.max_connections and count > 0 do
		close(self, (next(self.connections)))
		count = count - 1
	end
end

-- Coroutines that want a connection to one node share the attempt to make it.
local function share_attempt(self, name, f)
	local attempt = self.__attempts[name]
	if attempt then
		local token = {}
		table.insert(attempt, token)
		repeat
			skynet.wait(token)
		until attempt.done
	else
		attempt = {}
		self.__attempts[name] = attempt
		attempt.ok, attempt.value = pcall(f)
		attempt.done = true
		self.__attempts[name] = nil
		for _, token in ipairs(attempt) do
			skynet.wakeup(token)
		end
	end
	if not attempt.ok then
		error(attempt.value, 0)
	end
	return attempt.value
end

function methods:get_connection(node)
	local name = self:set_node_name(node)
	return self.connections[name] or share_attempt(self, name, function()
		self:close_existing_connection()
		local db = self:get_redis_link(node)
		self.connections[name] = db
		return db
	end)
end

function methods:get_random_connection()
	local nodes = table.move(self.nodes, 1, #self.nodes, 1, {})
	for last = #nodes, 1, -1 do
		local at = math.random(last)
		local node = nodes[at]
		nodes[at] = nodes[last]
		local ok, db = pcall(self.get_connection, self, node)
		if ok then
			local answered, answer = pcall(db.ping, db)
			if answered and answer == "PONG" then
				return db
			end
			if self.connections[node.name] == db then
				close(self, node.name)
			end
		end
	end
	-- Whoever has no node at all looks for them again at the next call.
	self.refresh_table_asap = self.refresh_table_asap or #self.nodes == 0
	raise "Can't reach a single startup node."
end

function methods:get_connection_by_slot(slot)
	local node = self.slots[slot]
	if not node then
		return self:get_random_connection()
	end
	local ok, db = pcall(self.get_connection, self, node)
	if ok then
		return db
	end
	local slaves = node.slaves
	if self.opt.read_slave and slaves and #slaves > 0 then
		ok, db = pcall(self.get_connection, self, slaves[math.random(#slaves)])
		if ok and pcall(db.readonly, db) then
			return db
		end
	end
	return self:get_random_connection()
end

-- The map of slots

function methods:flush_slots_cache()
	self.slots = {}
end

local function read_map(self, start, answer)
	local slots, nodes, known = {}, {}, {}
	local function node_of(entry)
		-- Without an address, the node that was asked is meant.
		local host = entry[1]
		local node = { host = host and host ~= "" and host or start.host, port = entry[2] }
		self:set_node_name(node)
		return node
	end
	for _, range in ipairs(answer) do
		local master = node_of(range[3])
		if known[master.name] then
			master = known[master.name]
		else
			known[master.name] = master
			nodes[#nodes + 1] = master
			for i = 4, #range do
				table.insert(master.slaves, node_of(range[i]))
			end
		end
		for slot = range[1], range[2] do
			slots[slot] = master
		end
	end
	self.slots, self.nodes = slots, nodes
end

local function ask_for_map(self, node)
	local db = self:get_connection(node)
	read_map(self, node, db:cluster "slots")
end

function methods:initialize_slots_cache()
	self.refresh_table_asap = false
	for _, list in ipairs { self.startup_nodes, self.nodes } do
		for _, node in ipairs(list) do
			if pcall(ask_for_map, self, node) then
				return
			end
		end
	end
end

-- Calls

function methods.keyslot(_, key)
	return keyslot(key)
end

function methods:get_key_from_command(cmd, argv)
	local name = cmd:lower()
	if nowhere[name] then
		return nil
	elseif not scripts[name] then
		return argv[1]
	end
	local count = math.tointeger(argv[2]) or 0
	if count < 2 then
		return argv[3]
	end
	local slot = keyslot(argv[3])
	for i = 4, count + 2 do
		if keyslot(argv[i]) ~= slot then
			raise(("%s - all keys must map to the same key slot"):format(cmd))
		end
	end
	return argv[3]
end

-- The address that MOVED or ASK names.
local function parse_redirection(self, text)
	local slot, host, port = text:match "^%u+ (%d+) ([^:]+):(%d+)$"
	check(slot, "assertion failed! (no address of IPv4 in: " .. text .. ")")
	local node = { host = host, port = math.tointeger(tonumber(port)) }
	self:set_node_name(node)
	return math.tointeger(tonumber(slot)), node
end

-- Commands whose number is a boolean, and how many arguments of them are sent. Those of a connection would lose the
-- text of an error, which may be a redirection.
local as_boolean = { exists = 1, sismember = 2 }

-- One attempt: whether it went well, and the answer.
local function run(db, asking, cmd, argv)
	local count, boolean = argv.n, as_boolean[cmd]
	if boolean then
		count = boolean
	end
	local ok, answer
	if asking then
		ok, answer = pcall(db.pipeline, db, { { "asking" }, table.move(argv, 1, count, 2, { cmd }) })
	else
		ok, answer = pcall(db[boolean and cmd:upper() or cmd], db, table.unpack(argv, 1, count))
	end
	if ok and boolean then
		return true, answer ~= 0
	end
	return ok, answer
end

local function result(answer)
	if answer ~= nil then
		return answer
	end
end

function methods:call(cmd, ...)
	if self.refresh_table_asap then
		self:initialize_slots_cache()
	end
	local argv = table.pack(...)
	local key = self:get_key_from_command(cmd, argv)
	if key == nil then
		raise("No way to dispatch this command to Redis Cluster: " .. cmd)
	end
	local slot = keyslot(key)
	local ask, anywhere, last
	for attempt = 1, ATTEMPTS do
		local db
		if ask then
			db = self:get_connection(ask)
		elseif anywhere then
			db = self:get_random_connection()
		else
			db = self:get_connection_by_slot(slot)
		end
		local ok, answer = run(db, ask ~= nil, cmd, argv)
		if ok then
			return result(answer)
		elseif answer == socketchannel.timeout then
			error(answer)
		end
		ask, anywhere = nil, false
		if answer == socketchannel.error then
			anywhere, last = true, tostring(answer)
			if attempt > PATIENT then
				skynet.sleep(10)
			end
		else
			local text = type(answer) == "string" and answer:gsub("^.-:%d+:%s", "", 1) or tostring(answer)
			last = text
			if text:find "^MOVED " then
				local moved, node = parse_redirection(self, text)
				self.slots[moved] = node
				self.refresh_table_asap = true
			elseif text:find "^ASK " then
				local _
				_, ask = parse_redirection(self, text)
			else
				raise(text)
			end
		end
	end
	raise(("Too many Cluster redirections?,maybe node is disconnected (last error: %q)"):format(last))
end

-- Messages that others publish

function methods:get_watch_connection(node)
	local name = self:set_node_name(node)
	return self.__watching[name] or share_attempt(self, "watch " .. name, function()
		local watcher = redis.watch(options(self, node))
		self.__watching[name] = watcher
		local onmessage = own(self, "__onmessage")
		skynet.fork(function()
			while getmetatable(watcher) do
				local ok, data, channel, pattern = pcall(watcher.message, watcher)
				if ok and onmessage then
					local done, why = pcall(onmessage, data, channel, pattern)
					if not done then
						skynet.error("redis cluster: the function for messages failed:", why)
					end
				end
			end
		end)
		return watcher
	end)
end

function methods:get_watch_connection_by_slot(slot)
	if not self.slots[slot] then
		self:initialize_slots_cache()
	end
	return self:get_watch_connection(check(self.slots[slot], "assertion failed! (no node has slot " .. slot .. ")"))
end

for _, name in ipairs { "subscribe", "psubscribe", "unsubscribe", "punsubscribe" } do
	methods[name] = function(self, channel, ...)
		local watcher = self:get_watch_connection_by_slot(keyslot(channel))
		watcher[name](watcher, channel, ...)
	end
end

local module = {}

function module.new(nodes, opt, onmessage)
	if nodes.host then
		nodes = { nodes }
	end
	check(#nodes > 0, "assertion failed! (a cluster needs a node to start with)")
	local self = setmetatable({
		startup_nodes = nodes,
		opt = opt or {},
		max_connections = opt and opt.max_connections or MAX_CONNECTIONS,
		slots = {},
		nodes = {},
		connections = {},
		refresh_table_asap = false,
		__onmessage = onmessage,
		__watching = {},
		__attempts = {},
	}, cluster)
	self:initialize_slots_cache()
	return self
end

return module
