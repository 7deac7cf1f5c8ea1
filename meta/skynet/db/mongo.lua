---@meta skynet.db.mongo

---MongoDB: clients, databases, collections. Documents are tables; see `bson` for values that Lua has no type for. Any
---number of coroutines of a service may use one client.
---@class skynet.db.mongo
---@field null string
---@field minkey string
---@field maxkey string
---@field type fun(value: any): string, any bson.type
local mongo = {}

---@class skynet.db.mongo.conf
---@field host string
---@field port integer? 27017 by default
---@field username string?
---@field password string?
---@field authmod "scram_sha1"|"scram_sha256"|"mongodb_cr"? scram_sha1 by default
---@field authdb string? admin by default
---@field rs skynet.db.mongo.conf[]? members of a replica set; the first has the user and the password
---@field url string? a connection string; the other fields win
---@field set string? the name of the replica set; a server of another one is refused
---@field overload fun(high: boolean)? see skynet.socketchannel
---@field timeout integer? deadline of each call in centiseconds; the config key `calltimeout` by default
---@field tls skynet.socket.tls|true|nil TLS, with these options; the server is verified
---@field maxreply integer? the longest answer in bytes, 64 MiB by default

---A client. Connects once, to the primary of a replica set; raises `socketchannel.error` if that or the login fails,
---and logs why. A lost connection is made again by the next call. Blocks.
---@param conf skynet.db.mongo.conf|string a table, or mongodb://user:password@host1:port,host2/database?replicaSet=rs0
---@return skynet.db.mongo.client
function mongo.client(conf) end

---`enable "transaction"` adds `run_transaction` to databases.
---@param what string
---@return boolean
function mongo.enable(what) end

---A client. Any other name is a database: `client.game`.
---@class skynet.db.mongo.client
---@field host string
---@field port integer
local client = {}

---A database.
---@param name string
---@return skynet.db.mongo.db
function client:getDB(name) end

---A command to the database `admin`; see db:runCommand. Blocks.
---@param ... any
---@return table reply
function client:runCommand(...) end

---Closes the connection.
function client:disconnect() end

---Ends the login. Blocks.
---@return boolean
function client:logout() end

---The number of the next request.
---@return integer
function client:genId() end

---What has happened so far; see skynet.socketchannel.
---@return skynet.socketchannel.stats
function client:stats() end

---Operations on several collections, for servers from 8.0 on: `{ op = "insert", collection = "db.coll", insert = doc
---}`, `{ op = "delete", collection, filter, multi }`, `{ op = "update", collection, filter, update, multi, upsert }`.
---Also returns which of them have failed. Blocks.
---@param datas table[]
---@param comment any
---@param ordered boolean?
---@param verify boolean? bypassDocumentValidation
---@param errorsOnly boolean?
---@return boolean ok
---@return string? err
---@return table reply
---@return integer[]? indexes
function client:bulkWrite(datas, comment, ordered, verify, errorsOnly) end

---A database. Any other name is a collection: `client.game.players`.
---@class skynet.db.mongo.db
---@field name string
---@field full_name string
---@field connection skynet.db.mongo.client
local db = {}

---A collection; for names with a dot, too.
---@param name string
---@return skynet.db.mongo.collection
function db:getCollection(name) end

---Runs a command: the document `{ cmd = value, ["$db"] = name, ... }`, its keys in this order. Without a value the
---other arguments are dropped. Returns the answer, also that of a failure (`ok` is not 1 then). Blocks.
---@param cmd string
---@param value any 1 by default
---@param ... any keys and values
---@return table reply
function db:runCommand(cmd, value, ...) end

---The same without waiting for an answer.
---@param cmd string
---@param value any
---@param ... any
---@return table always { ok = 1 }
function db:send_command(cmd, value, ...) end

---Logs in to this database, on this connection only. Blocks.
---@param user string
---@param password string
---@return boolean
function db:auth(user, password) end

---After `mongo.enable "transaction"`: runs f; the commands of this coroutine are one transaction, which is aborted if f
---raises. Returns nil, or what went wrong; a value that f returns is taken for that. Blocks.
---@param f fun(): any
---@return any err
function db:run_transaction(f) end

---A collection.
---@class skynet.db.mongo.collection
---@field name string
---@field full_name string
---@field database skynet.db.mongo.db
---@field connection skynet.db.mongo.client
local collection = {}

---A collection whose name is `name` alone; use `db["a.b"]` for one with a dot.
---@param name string
---@return skynet.db.mongo.collection
function collection:getCollection(name) end

---Adds a document, and gives it an `_id` if it has none. Nothing is awaited.
---@param doc table
function collection:insert(doc) end

---Adds documents; the list has encoded documents afterwards. Nothing is awaited.
---@param docs table[]
function collection:batch_insert(docs) end

---The same as batch_insert.
---@param docs table[]
function collection:insert_many(docs) end

---Changes documents. Nothing is awaited.
---@param query table
---@param update table
---@param upsert boolean?
---@param multi boolean?
function collection:update(query, update, upsert, multi) end

---Several changes. Nothing is awaited.
---@param list { query: table, update: table, upsert: boolean?, multi: boolean? }[]
function collection:batch_update(list) end

---Removes documents; one at most with `single`. Nothing is awaited.
---@param query table
---@param single boolean?
function collection:delete(query, single) end

---Adds a document. Blocks.
---@param doc table
---@return boolean ok
---@return string? err
---@return table reply
function collection:safe_insert(doc) end

---Adds documents; the list has encoded documents afterwards. Blocks.
---@param docs table[]
---@return boolean ok
---@return string? err
---@return table reply
function collection:safe_batch_insert(docs) end

---The same as safe_batch_insert. Blocks.
---@param docs table[]
---@return boolean ok
---@return string? err
---@return table reply
function collection:safe_insert_many(docs) end

---Changes documents. Blocks.
---@param query table
---@param update table
---@param upsert boolean?
---@param multi boolean?
---@return boolean ok
---@return string? err
---@return table reply
function collection:safe_update(query, update, upsert, multi) end

---Several changes. Blocks.
---@param list { query: table, update: table, upsert: boolean?, multi: boolean? }[]
---@return boolean ok
---@return string? err
---@return table reply
function collection:safe_batch_update(list) end

---Removes documents; one at most with `single`. Blocks.
---@param query table
---@param single boolean?
---@return boolean ok
---@return string? err
---@return table reply
function collection:safe_delete(query, single) end

---Removes what several queries find. Blocks.
---@param queries table[]
---@param single boolean?
---@return boolean ok
---@return string? err
---@return table reply
function collection:safe_batch_delete(queries, single) end

---Adds an encoded document. Blocks.
---@param doc bson.document
---@return boolean ok
---@return string? err
---@return table reply
function collection:raw_safe_insert(doc) end

---An encoded `{ q, u, upsert, multi }`. Blocks.
---@param update bson.document
---@return boolean ok
---@return string? err
---@return table reply
function collection:raw_safe_update(update) end

---An encoded `{ q, limit }`. Blocks.
---@param deletion bson.document
---@return boolean ok
---@return string? err
---@return table reply
function collection:raw_safe_delete(deletion) end

---The first document that matches, or nil. Blocks.
---@param query table?
---@param projection table?
---@return table?
function collection:findOne(query, projection) end

---A cursor over the documents that match; nothing is sent yet.
---@param query table?
---@param projection table?
---@return skynet.db.mongo.cursor
function collection:find(query, projection) end

---A cursor over what a pipeline gives; nothing is sent yet. Options take the place of `cursor = {}`.
---@param pipeline table[]
---@param options table?
---@return skynet.db.mongo.cursor
function collection:aggregate(pipeline, options) end

---Changes or removes one document, and returns it: `{ query, update | remove, sort, new, fields, upsert }`. Blocks.
---@param doc table
---@return table reply
function collection:findAndModify(doc) end

---Makes an index: of one key `{ k = 1 }` with options, or of `{ { k1 = 1 }, "k2", unique = true }`. Blocks.
---@param keys table
---@param option table?
---@return table reply
function collection:createIndex(keys, option) end

---The same as createIndex. Blocks.
---@param keys table
---@param option table?
---@return table reply
function collection:ensureIndex(keys, option) end

---Several indexes, each in the second form of createIndex. Blocks.
---@param ... table
---@return table reply
function collection:createIndexes(...) end

---Removes an index; all with `"*"`. Blocks.
---@param name string
---@return table reply
function collection:dropIndex(name) end

---Removes the collection. Blocks.
---@return table reply
function collection:drop() end

---A cursor.
---@class skynet.db.mongo.cursor
local cursor = {}

---The order: one table, or one for each key, `sort({ a = 1 }, { b = -1 })`.
---@param first table
---@param ... table
---@return skynet.db.mongo.cursor
function cursor:sort(first, ...) end

---Leaves out the first n.
---@param n integer
---@return skynet.db.mongo.cursor
function cursor:skip(n) end

---At most n.
---@param n integer
---@return skynet.db.mongo.cursor
function cursor:limit(n) end

---Of find: the index to use.
---@param index any
---@return skynet.db.mongo.cursor
function cursor:hint(index) end

---Of find: how long the server may take, in milliseconds.
---@param ms integer
---@return skynet.db.mongo.cursor
function cursor:maxTimeMS(ms) end

---Of find: how many documents come at once.
---@param n integer
---@return skynet.db.mongo.cursor
function cursor:batchSize(n) end

---Is there a next one? To be called before each `next`. Raises the server's error. Blocks.
---@return boolean
function cursor:hasNext() end

---The next document.
---@return table
function cursor:next() end

---How many documents there are. Blocks.
---@param with_limit_and_skip boolean?
---@return integer
function cursor:count(with_limit_and_skip) end

---Ends the cursor at the server.
function cursor:close() end

return mongo
