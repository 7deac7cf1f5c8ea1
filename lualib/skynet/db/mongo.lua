-- MongoDB: clients, databases, collections.
--
-- A client is a channel in session mode, so answers may come in any order. Commands are documents of `bson`; the native
-- half makes messages of them, and tables of the documents in answers. Logging in is in mongo/login.lua, cursors are in
-- mongo/cursor.lua, and mongo/transaction.lua is loaded by `enable`.

local skynet = require "skynet"
local socketchannel = require "skynet.socketchannel"
local bson = require "bson"
local core = require "skynet.db.mongo.core"
local login = require "skynet.db.mongo.login"
local cursors = require "skynet.db.mongo.cursor"
local sessions = require "skynet.db.mongo.sessions"
local stats = require "skynet.db.stats"
local check, raise = require("skynet.core").check, require("skynet.core").raise

local encode, encode_order = bson.encode, bson.encode_order

local MAX_REPLY <const> = 64 * 1024 * 1024 -- servers send 48 MB at most
local MORE_TO_COME <const> = 2
local MAX_ID <const> = 0x7fffffff

local mongo = { null = bson.null, maxkey = bson.maxkey, minkey = bson.minkey, type = bson.type }

-- Collections

local collection = {}
local collection_meta = {}

local function new_collection(database, name, full_name)
	return setmetatable({
		connection = database.connection,
		database = database,
		name = name,
		full_name = full_name,
		__cmd = full_name .. ".$cmd",
	}, collection_meta)
end

function collection_meta:__index(key)
	local f = collection[key]
	if f ~= nil then
		return f
	end
	return collection.getCollection(self, key)
end

function collection_meta:__tostring()
	return ("[mongo collection :\t%s]"):format(self.full_name)
end

function collection:getCollection(name)
	local sub = new_collection(self.database, name, self.full_name .. "." .. name)
	rawset(self, name, sub)
	return sub
end

-- Is it well, why not, and the answer.
local function outcome(reply)
	local err
	if reply.writeErrors then
		err = reply.writeErrors[1] and reply.writeErrors[1].errmsg or "write error"
	elseif reply.writeConcernError then
		err = reply.writeConcernError.errmsg or "write concern error"
	else
		err = reply.errmsg
	end
	return reply.ok == 1 and not err, err, reply
end

sessions.outcome = outcome

local function change(query, update, upsert, multi)
	return encode { q = query, u = update, upsert = upsert, multi = multi }
end

local function changes(list)
	local all = {}
	for i, item in ipairs(list) do
		all[i] = change(item.query, item.update, item.upsert, item.multi)
	end
	return all
end

local function removal(query, single)
	return encode { q = query, limit = single and 1 or 0 }
end

-- Documents with ids, encoded in the place of the tables that the caller has given.
local function with_ids(docs)
	for i = 1, #docs do
		if docs[i]._id == nil then
			docs[i]._id = bson.objectid()
		end
		docs[i] = encode(docs[i])
	end
	return docs
end

function collection:insert(doc)
	if doc._id == nil then
		doc._id = bson.objectid()
	end
	self.database:send_command("insert", self.name, "documents", { encode(doc) })
end

function collection:batch_insert(docs)
	self.database:send_command("insert", self.name, "documents", with_ids(docs))
end

collection.insert_many = collection.batch_insert

function collection:update(query, update, upsert, multi)
	self.database:send_command("update", self.name, "updates", { change(query, update, upsert, multi) })
end

function collection:batch_update(list)
	self.database:send_command("update", self.name, "updates", changes(list))
end

function collection:delete(query, single)
	self.database:send_command("delete", self.name, "deletes", { removal(query, single) })
end

local function write(self, what, field, list)
	return outcome(self.database:runCommand(what, self.name, field, list))
end

function collection:safe_insert(doc)
	return write(self, "insert", "documents", { encode(doc) })
end

function collection:raw_safe_insert(doc)
	return write(self, "insert", "documents", { doc })
end

function collection:safe_batch_insert(docs)
	return write(self, "insert", "documents", with_ids(docs))
end

collection.safe_insert_many = collection.safe_batch_insert

function collection:safe_update(query, update, upsert, multi)
	return write(self, "update", "updates", { change(query, update, upsert, multi) })
end

function collection:raw_safe_update(update)
	return write(self, "update", "updates", { update })
end

function collection:safe_batch_update(list)
	return write(self, "update", "updates", changes(list))
end

function collection:safe_delete(query, single)
	return write(self, "delete", "deletes", { removal(query, single) })
end

function collection:raw_safe_delete(deletion)
	return write(self, "delete", "deletes", { deletion })
end

function collection:safe_batch_delete(queries, single)
	local all = {}
	for i, query in ipairs(queries) do
		all[i] = removal(query, single)
	end
	return write(self, "delete", "deletes", all)
end

function collection:findOne(query, projection)
	local reply = self.database:runCommand("find", self.name, "filter", encode(query or {}), "limit", 1, "projection",
		encode(projection or {}))
	if reply.ok ~= 1 then
		raise(reply.errmsg or "Reply from mongod error")
	end
	return reply.cursor.firstBatch[1]
end

function collection:find(query, projection)
	return cursors.find(self, encode(query or {}), encode(projection or {}))
end

function collection:aggregate(pipeline, options)
	check(pipeline, "assertion failed! (aggregate needs a pipeline)")
	return cursors.aggregate(self, pipeline, options)
end

function collection:findAndModify(doc)
	check(doc.query, "assertion failed! (findAndModify needs query)")
	check(doc.update or doc.remove, "assertion failed! (findAndModify needs update or remove)")
	local pairs_ = {}
	for key, value in pairs(doc) do
		table.move({ key, value }, 1, 2, #pairs_ + 1, pairs_)
	end
	return self.database:runCommand("findAndModify", self.name, table.unpack(pairs_))
end

-- Indexes

-- Of { { k1 = 1 }, "k2", unique = true }: the document of an index.
local function index_of(list)
	local index, keys, name = {}, {}, {}
	for key, value in pairs(list) do
		if type(key) == "string" then
			index[key] = value
		end
	end
	for _, item in ipairs(list) do
		local key, direction = item, 1
		if type(item) == "table" then
			key, direction = next(item)
		end
		table.move({ key, direction }, 1, 2, #keys + 1, keys)
		table.move({ key, tostring(direction) }, 1, 2, #name + 1, name)
	end
	check(#keys > 0, "Need keys")
	index.key = encode_order(table.unpack(keys))
	index.name = index.name or table.concat(name, "_")
	return index
end

function collection:createIndexes(...)
	local indexes = {}
	for i, list in ipairs { ... } do
		indexes[i] = index_of(list)
	end
	return self.database:runCommand("createIndexes", self.name, "indexes", indexes)
end

function collection:createIndex(keys, option)
	if keys[1] ~= nil then
		return self:createIndexes(keys)
	end
	local key, direction = next(keys)
	check(next(keys, key) == nil, "Use new api for multi-keys")
	local list = { { [key] = direction } }
	for name, value in pairs(option or {}) do
		list[name] = value
	end
	return self:createIndexes(list)
end

collection.ensureIndex = collection.createIndex

function collection:dropIndex(name)
	return self.database:runCommand("dropIndexes", self.name, "index", name)
end

function collection:drop()
	return self.database:runCommand("drop", self.name)
end

-- Databases

local db = {}
local db_meta = {}

local function new_db(client, name)
	local self = {
		connection = client,
		name = name,
		full_name = name,
		__cmd = name .. ".$cmd",
	}
	self.database = self
	return setmetatable(self, db_meta)
end

function db_meta:__index(key)
	local f = db[key]
	if f ~= nil then
		return f
	end
	return db.getCollection(self, key)
end

function db_meta:__tostring()
	return ("[mongo db :\t%s]"):format(self.name)
end

function db:getCollection(name)
	local coll = new_collection(self, name, self.full_name .. "." .. name)
	rawset(self, name, coll)
	return coll
end

local function ask(client, document)
	local id = client:genId()
	return client.__sock:request(core.message(id, 0, document), id)
end

function db:runCommand(cmd, value, ...)
	local session = sessions.current()
	if session then
		return ask(self.connection, session:document(self.name, cmd, value, ...))
	elseif not value then
		return ask(self.connection, encode_order(cmd, 1, "$db", self.name))
	end
	return ask(self.connection, encode_order(cmd, value, "$db", self.name, ...))
end

local unacknowledged = { w = 0 }

function db:send_command(cmd, value, ...)
	local client, session = self.connection, sessions.current()
	local document
	if session then
		document = session:document(self.name, cmd, value, ...)
	elseif not value then
		document = encode_order(cmd, 1, "$db", self.name, "writeConcern", unacknowledged)
	else
		document = encode_order(cmd, value, "$db", self.name, "writeConcern", unacknowledged, ...)
	end
	client.__sock:request(core.message(client:genId(), MORE_TO_COME, document))
	return { ok = 1 }
end

function db:auth(user, password)
	return login.authenticate(self, self.connection.authmod, user, password)
end

-- Clients

local client = {}
local client_meta = {}

function client_meta:__index(key)
	local f = client[key]
	if f ~= nil then
		return f
	end
	return new_db(self, key)
end

function client_meta:__tostring()
	return ("[mongo client :\t%s:%s]"):format(self.host, self.port)
end

local function reader(limit)
	return function(link)
		return link:decode(core.receive, limit)
	end
end

-- A connection string, or the option `url` with further options.
local function given(conf)
	local text = type(conf) == "string" and conf or conf.url
	if not text then
		return conf
	end
	local options = require "skynet.db.mongo.url"(text)
	for key, value in pairs(type(conf) == "table" and conf or {}) do
		options[key] = value
	end
	return options
end

function mongo.client(conf)
	conf = given(conf)
	local first = conf.rs and conf.rs[1] or conf
	local self = setmetatable({
		host = first.host,
		port = first.port or 27017,
		username = first.username,
		password = first.password,
		authmod = first.authmod or "scram_sha1",
		authdb = first.authdb,
		__id = 0,
		__set = conf.set or false,
		__sock = false,
	}, client_meta)
	local channel = socketchannel.channel {
		host = self.host,
		port = self.port,
		response = reader(conf.maxreply or MAX_REPLY),
		auth = login.of(self),
		backup = conf.rs or conf.hosts,
		nodelay = true,
		tls = conf.tls,
		overload = conf.overload,
		timeout = conf.timeout or tonumber(skynet.getenv "calltimeout"),
	}
	self.__sock = channel
	channel:connect(true)
	stats.add("mongo", self, channel)
	return self
end

function client:getDB(name)
	return new_db(self, name)
end

function client:disconnect()
	local channel = self.__sock
	if channel then
		self.__sock = false
		channel:close()
	end
end

function client:genId()
	local id = self.__id + 1
	if id > MAX_ID then
		id = 0
	end
	self.__id = id
	return id
end

function client:runCommand(...)
	if not rawget(self, "admin") then
		rawset(self, "admin", self:getDB "admin")
	end
	return self.admin:runCommand(...)
end

function client:logout()
	return self:runCommand "logout".ok == 1
end

function client:stats()
	return self.__sock:stats()
end

-- What each operation of bulkWrite is on the wire.
local operations = {}

function operations.insert(ns, item)
	return encode_order("insert", ns, "document", item.insert)
end

local function with(list, more)
	for _, pair in ipairs(more) do
		if pair[2] ~= nil then
			table.move(pair, 1, 2, #list + 1, list)
		end
	end
	return encode_order(table.unpack(list))
end

function operations.delete(ns, item)
	local list = { "delete", ns, "filter", item.filter, "multi", item.multi or false }
	return with(list, { { "hit", item.hit }, { "collation", item.collation } })
end

function operations.update(ns, item)
	local list = { "update", ns, "filter", item.filter, "updateMods", item.update, "multi", item.multi or false,
		"upsert", item.upsert or false }
	return with(list, { { "hit", item.hit }, { "constants", item.constants }, { "collation", item.collation } })
end

function client:bulkWrite(datas, comment, ordered, verify, errors_only)
	local ops, spaces, numbers = {}, {}, {}
	for i, item in ipairs(datas) do
		local f = operations[item.op]
		if not f then
			raise(tostring(item.op))
		end
		local name = item.collection
		if not numbers[name] then
			spaces[#spaces + 1] = { ns = name }
			numbers[name] = #spaces - 1
		end
		ops[i] = f(numbers[name], item)
	end
	local list = { "ops", ops, "nsInfo", spaces }
	local options = { { "ordered", ordered }, { "bypassDocumentValidation", verify }, { "comment", comment },
		{ "errorsOnly", errors_only } }
	for _, pair in ipairs(options) do
		if pair[2] ~= nil then
			table.move(pair, 1, 2, #list + 1, list)
		end
	end
	local reply = self:runCommand("bulkWrite", 1, table.unpack(list))
	local ok, err = outcome(reply)
	local indexes
	if reply.nErrors and reply.nErrors > 0 and reply.cursor then
		local texts = {}
		indexes = {}
		for i, item in ipairs(reply.cursor.firstBatch) do
			if item.ok ~= 1 then
				indexes[#indexes + 1] = i
				texts[#texts + 1] = (item.errmsg or "") .. ";"
			end
		end
		err = table.concat(texts)
	end
	return ok, err, reply, indexes
end

function mongo.enable(name)
	local add = require("skynet.db.mongo." .. name)
	if type(add) == "function" then
		add(db)
	end
	return true
end

return mongo
