---@meta skynet.db.redis

---Redis: commands, pipelines, and watchers for publish/subscribe. Any number of coroutines of a service may use one
---object: their commands go out in the order of the calls, and each gets its own answer.
---@class skynet.db.redis
local redis = {}

---@class skynet.db.redis.conf
---@field host string
---@field port integer? 6379 by default
---@field auth string? the password
---@field username string? only with `auth`
---@field db integer? the number of the database; nothing is selected without it
---@field reconnect boolean? false: a lost connection is not made again, which MULTI and WATCH need
---@field overload fun(high: boolean)? see skynet.socketchannel; not for watchers
---@field timeout integer? deadline of each call in centiseconds; config key `calltimeout` by default; not for watchers
---@field resp3 boolean? speak RESP3: maps, sets, doubles and booleans come as what they are
---@field tls skynet.socket.tls|true|nil TLS, with these options; the server is verified
---@field maxreply integer? the longest answer in bytes, 512 MiB by default

---A connection. Connects once; raises `socketchannel.error` if that fails. A lost connection is made again, with its
---login, by the next call. Blocks.
---@param conf skynet.db.redis.conf
---@return skynet.db.redis.connection
function redis.connect(conf) end

---A connection for messages that others publish. Blocks.
---@param conf skynet.db.redis.conf
---@return skynet.db.redis.watcher
function redis.watch(conf) end

---A connection. Any other name is a command: `db:set("key", 1)`, `db:hgetall "key"`. Arguments are sent as `tostring`
---gives them; with a table as the first argument, its elements are the arguments. Integers come as integers, strings
---and states as strings, arrays as tables, and what is not there as nil. An error of the server is raised, with its
---text.
---@class skynet.db.redis.connection
---@field [1] skynet.socketchannel.channel
local db = {}

---Is there such a key? Only the first argument is sent. Blocks.
---@param key string
---@return boolean
function db:exists(key) end

---Is it a member of the set? Blocks.
---@param key string
---@param value any
---@return boolean
function db:sismember(key, value) end

---Sends several commands in one go, each a list of its name (sent as it is written) and its arguments. Returns the
---answer to the last one; or with `resp` this table, to which `{ ok = boolean, out = answer or error text }` is added
---for each. Blocks.
---@param ops any[][]
---@param resp table?
---@return any
function db:pipeline(ops, resp) end

---Closes the connection; all who wait get `socketchannel.error`. The object is of no use afterwards.
function db:disconnect() end

---What has happened so far; see skynet.socketchannel.
---@return skynet.socketchannel.stats
function db:stats() end

---A connection for messages.
---@class skynet.db.redis.watcher
---@field __sock skynet.socketchannel.channel
---@field __subscribe table<string, boolean> confirmed channels
---@field __psubscribe table<string, boolean> confirmed patterns
local watcher = {}

---Asks for the messages of these channels.
---@param ... string
function watcher:subscribe(...) end

---Asks for the messages of all channels whose names match.
---@param ... string patterns
function watcher:psubscribe(...) end

---Asks for no more messages of these channels.
---@param ... string
function watcher:unsubscribe(...) end

---Asks for no more messages of these patterns.
---@param ... string
function watcher:punsubscribe(...) end

---Waits for a message. Raises `socketchannel.error` when the connection is lost; the next call makes it again, tries
---until it succeeds, and subscribes again to what was confirmed. Blocks.
---@return string data
---@return string channel
---@return string? pattern of psubscribe
function watcher:message() end

---Closes the connection. The object is of no use afterwards.
function watcher:disconnect() end

---What has happened so far; see skynet.socketchannel.
---@return skynet.socketchannel.stats
function watcher:stats() end

return redis
