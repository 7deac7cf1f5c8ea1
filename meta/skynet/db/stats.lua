---@meta skynet.db.stats

---What connections to databases, and pools of them, have done so far. Drivers and pools note themselves when they are
---made; what is closed or was dropped is not told any more.
---@class skynet.db.stats
local stats = {}

---The numbers of one connection or pool: those of its own `stats()`, and what it is.
---@class skynet.db.stats.item: { [string]: integer|boolean }
---@field kind "redis"|"mysql"|"mongo"|"pgsql"|"pool"
---@field name string? `host:port` of a connection; the option `name` of a pool
---@field number integer counts those of its service

---All of this service, in the order in which they were made.
---@return skynet.db.stats.item[]
function stats.here() end

---All of this node: the lists of those services that have any, by their addresses, such as `:0000000a`. A service that
---does not answer in time, or ends meanwhile, is left out. Blocks.
---@param timeout integer? centiseconds, 100 by default
---@return table<string, skynet.db.stats.item[]>
function stats.node(timeout) end

---Notes an object that has a connection. For drivers of one's own.
---@param kind string
---@param object any while it lives, it is told
---@param source { stats: (fun(self): table), closed: boolean?, host: string?, port: integer? } whose numbers are told
---@param name string? default: host and port of the source
function stats.add(kind, object, source, name) end

return stats
