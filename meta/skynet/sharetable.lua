---@meta skynet.sharetable

---Immutable tables that all services of a node read in place, without copies. What a service gets is a real table for
---everything that reads: `type`, `pairs`, `next`, `#`, `rawget`, `table.concat`, `skynet.pack`; functions in it can be
---called. Every change is an error: `attempt to index a table value`, `attempt to change a shared table` for rawset,
---`can't setmetatable to shared table`. Keys and values are booleans, numbers, strings, tables without metatables,
---light userdata, and functions without upvalues (so Lua functions may use no globals). All that is in a version goes
---with the last service that holds it, but for the names and constants of functions. Not there if the program was built
---without the feature `shared-code`.
---@class skynet.sharetable
local sharetable = {}

---Runs a file in a state of its own, with the standard libraries, and shares the table that it returns under the file's
---name. Loading a name again makes a new version of it. Raises `call failed` if that fails; the reason is in the log.
---Blocks.
---@param filename string
---@param ... boolean|number|lightuserdata arguments of the file
function sharetable.loadfile(filename, ...) end

---The same with a source. Blocks.
---@param name string
---@param source string
---@param ... boolean|number|lightuserdata arguments of the source
function sharetable.loadstring(name, source, ...) end

---Shares the content of a table, which is packed as an argument of a call is. Blocks.
---@param name string
---@param value table
function sharetable.loadtable(name, value) end

---The present version of a table; the same one until it is loaded again. Nothing if there is nothing of this name. A
---version stays in memory until the services that have queried it are gone. Blocks.
---@param name string
---@return table?
function sharetable.query(name) end

---Several tables by name, or all. Blocks.
---@param names string[]?
---@return table<string, table>
function sharetable.queryall(names) end

---Exchanges every reference of this service to old versions of these tables, and by their keys to tables inside, for
---the present ones: in fields, keys, metatables, upvalues, locals of all coroutines, user values, the registry.
---References to a table that is not there any more become nil. An old version of which this service has nothing left
---then, no long string and no function either, is let go of. Goes over the whole memory of the service. Blocks.
---@param ... string names that this service has queried
function sharetable.update(...) end

return sharetable
