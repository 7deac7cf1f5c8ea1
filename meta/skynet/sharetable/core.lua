---@meta skynet.sharetable.core

---Versions of shared tables. The service that makes one holds it until it releases it or ends; a service that has
---opened one holds it until it ends. What skynet.sharetable is made of.
---@class skynet.sharetable.core
local core = {}

---Runs a file in a state of its own and shares the table that it returns. Raises what goes wrong.
---@param filename string
---@param ... boolean|number|lightuserdata|function arguments; functions are C functions without upvalues
---@return lightuserdata pointer
function core.fromfile(filename, ...) end

---The same with a source.
---@param name string
---@param source string
---@param ... boolean|number|lightuserdata|function
---@return lightuserdata pointer
function core.fromstring(name, source, ...) end

---Shares the content of a table.
---@param value table
---@return lightuserdata pointer
function core.fromtable(value) end

---The table.
---@param pointer lightuserdata
---@return table
function core.open(pointer) end

---Lets go of a version that this service has made, if no other service is about to open it; or of one that `update`
---says is unused.
---@param pointer lightuserdata
function core.release(pointer) end

---Its memory.
---@param pointer lightuserdata
---@return integer bytes
function core.size(pointer) end

---Exchanges all references of this service to one version for the other. Returns whether nothing of the old one is left
---in this service.
---@param old lightuserdata
---@param new lightuserdata
---@return boolean unused
function core.update(old, new) end

return core
