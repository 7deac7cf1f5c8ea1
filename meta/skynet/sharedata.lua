---@meta skynet.sharedata

---Read-only tables that all services of a node share without copies, and that can be replaced while they are in use.
---Keys are strings and 32-bit integers; values are booleans, numbers, strings and tables. A service sees them through
---proxies: read, `#`, `pairs` and `ipairs` work as for a table, and what was read once is read again at nearly the
---speed of a local table. An assignment raises `Error newindex, the key [<path>]`.
---@class skynet.sharedata
local sharedata = {}

---Shares data under a name that is not in use. Blocks.
---@param name string
---@param value table|string|nil a table; or Lua source, whose globals are the data unless it returns a table; or `@file` with such source; nil for an empty table
---@param ... any arguments of the source
function sharedata.new(name, value, ...) end

---The proxy of the data; the same one each time. An update reaches all services within a moment, each at once: no proxy
---shows a mix of versions. Raises `call failed` if there is nothing of this name. Blocks.
---@param name string
---@return table
function sharedata.query(name) end

---Replaces the data, or shares them first. Sub-tables that are still there keep their proxies; the others raise
---`The key [<path>] doesn't exist after update`. Blocks.
---@param name string
---@param value table|string|nil as for new
---@param ... any
function sharedata.update(name, value, ...) end

---Ends the sharing. Proxies go on showing the last version. Blocks.
---@param name string
function sharedata.delete(name) end

---Lets go of old versions: a full garbage collection.
function sharedata.flush() end

---What is below the keys, as an ordinary table or a scalar; nothing if there is nothing. Blocks.
---@param name string
---@param ... any keys
---@return any
function sharedata.deepcopy(name, ...) end

return sharedata
