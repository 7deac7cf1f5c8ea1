---@meta skynet.db.redis.cluster

---Redis cluster: commands go to the node that has the slot of their key.
---@class skynet.db.redis.cluster
local cluster = {}

---@class skynet.db.redis.cluster.node
---@field host string
---@field port integer
---@field name string? host:port
---@field slaves skynet.db.redis.cluster.node[]? its replicas

---@class skynet.db.redis.cluster.opt
---@field max_connections integer? 256 by default; another one is closed for one more
---@field read_slave boolean? read from a replica while a master is not there
---@field auth string? the password
---@field username string? only with `auth`
---@field db integer? 0 by default, which is selected on every connection
---@field timeout integer? deadline of each call in centiseconds; the config key `calltimeout` by default
---@field tls skynet.socket.tls|true|nil TLS, with these options; nodes are verified
---@field maxreply integer? the longest answer in bytes, 512 MiB by default

---A client of a cluster. Reads the map of slots from the first of the nodes that answers. `onmessage` gets what
---`subscribe` and `psubscribe` have asked for. Blocks.
---@param nodes skynet.db.redis.cluster.node|skynet.db.redis.cluster.node[]
---@param opt skynet.db.redis.cluster.opt?
---@param onmessage fun(data: string, channel: string, pattern: string?)?
---@return skynet.db.redis.cluster.client
function cluster.new(nodes, opt, onmessage) end

---A client. Any other name is a command, whose first argument is the key: `c:set("key", 1)`.
---@class skynet.db.redis.cluster.client
---@field startup_nodes skynet.db.redis.cluster.node[]
---@field nodes skynet.db.redis.cluster.node[] masters
---@field slots table<integer, skynet.db.redis.cluster.node>
---@field connections table<string, skynet.db.redis.connection> by host:port
---@field refresh_table_asap boolean the map is read again before the next call
---@field max_connections integer
---@field opt skynet.db.redis.cluster.opt
local client = {}

---Runs a command. Follows MOVED and ASK, and goes on at another node after a lost connection, sixteen attempts at most;
---so what it does may have happened twice then. `info`, `multi`, `exec`, `slaveof`, `config` and `shutdown` belong to
---no key and are refused; the keys of `eval` and `evalsha` must share a slot. Blocks.
---@param cmd string
---@param ... any the key, and other arguments
---@return any
function client:call(cmd, ...) end

---The slot of a key.
---@param key string
---@return integer
function client:keyslot(key) end

---Reads the map of slots. Blocks.
function client:initialize_slots_cache() end

---Forgets the map of slots.
function client:flush_slots_cache() end

---The connection to a node, for what `call` cannot do, such as pipelines. Raises `socketchannel.error`. Blocks.
---@param node skynet.db.redis.cluster.node
---@return skynet.db.redis.connection
function client:get_connection(node) end

---The connection to the node that has a slot, or to another one if that is not there. Blocks.
---@param slot integer
---@return skynet.db.redis.connection
function client:get_connection_by_slot(slot) end

---A connection to any master that answers. Blocks.
---@return skynet.db.redis.connection
function client:get_random_connection() end

---Closes all connections but those of watchers.
function client:close_all_connection() end

---Closes connections until there is room for one more.
function client:close_existing_connection() end

---A new connection to a node, which nobody else uses. Blocks.
---@param node skynet.db.redis.cluster.node
---@return skynet.db.redis.connection
function client:get_redis_link(node) end

---Gives a node its name.
---@param node skynet.db.redis.cluster.node
---@return string name
function client:set_node_name(node) end

---The key among the arguments of a command; nil if it belongs to none.
---@param cmd string
---@param argv any[]
---@return string?
function client:get_key_from_command(cmd, argv) end

---The watcher of a node. Blocks.
---@param node skynet.db.redis.cluster.node
---@return skynet.db.redis.watcher
function client:get_watch_connection(node) end

---The watcher of the node that has a slot. Blocks.
---@param slot integer
---@return skynet.db.redis.watcher
function client:get_watch_connection_by_slot(slot) end

---Asks for the messages of channels, at the node that has the first one's slot. Blocks.
---@param channel string
---@param ... string
function client:subscribe(channel, ...) end

---Asks for the messages of all channels whose names match. Blocks.
---@param pattern string
---@param ... string
function client:psubscribe(pattern, ...) end

---Asks for no more messages of channels. Blocks.
---@param channel string
---@param ... string
function client:unsubscribe(channel, ...) end

---Asks for no more messages of patterns. Blocks.
---@param pattern string
---@param ... string
function client:punsubscribe(pattern, ...) end

return cluster
