---@meta skynet.db.pool

---A pool of connections to a database: each is one coroutine's own while it has it, which transactions need.
---@class skynet.db.pool
---@field full table raised when the line of those who wait is full; compare by identity
local pool = {}

---@class skynet.db.pool.conf
---@field name string? what skynet.db.stats calls it
---@field connect fun(): any makes a connection: of redis, mysql, mongo, or anything else
---@field close fun(db: any)? default: db:disconnect()
---@field size integer? connections at most, 8 by default
---@field waiting integer? how many may wait for one, 1000 by default
---@field timeout integer? how long, in centiseconds; default: for ever
---@field check fun(db: any): boolean? is it well? Asked after it was idle for long; false or an error replaces it
---@field idle integer? how long that is, in centiseconds; 3000 by default
---@field reset fun(db: any)? puts a connection in order after an error in `with`; if it raises, it is closed

---A pool; nothing is connected yet.
---@param conf skynet.db.pool.conf
---@return skynet.db.pool.pool
function pool.new(conf) end

---A pool. Connections are made one at a time. While the database cannot be reached, one coroutine at a time tries, and
---after each failure nobody does for 0.1 to 5 seconds: whoever asks then gets `socketchannel.error` at once.
---@class skynet.db.pool.pool
local methods = {}

---f(db, ...) with a connection of its own; its results. If it raises `socketchannel.error` or `socketchannel.timeout`,
---the connection is closed, and those that are idle as well. Blocks.
---@param f fun(db: any, ...): ...
---@param ... any
---@return any ...
function methods:with(f, ...) end

---A connection, which has to be given back. Raises `pool.full`, `socketchannel.timeout` after having waited too long,
---or what `connect` raises. Blocks.
---@return any db
function methods:take() end

---Gives a connection back; a broken one is closed.
---@param db any
---@param broken boolean?
function methods:give(db, broken) end

---Numbers of connections, of those who wait, and of what has happened.
---@return { size: integer, idle: integer, busy: integer, waiting: integer } and `connects`, `failed`, `refused`
function methods:stats() end

---Closes what is idle, and the others when they are given back. Those who wait get `socketchannel.error`.
function methods:close() end

return pool
