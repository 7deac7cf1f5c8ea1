---@meta skynet.datasheet.builder

---Makes the sheets that skynet.datasheet reads. Keys are strings, or 1 to n; values are booleans, numbers, strings
---without zero bytes, and tables. Integers beyond 32 bits and floats become 32-bit floats.
---@class skynet.datasheet.builder
local builder = {}

---Shares a sheet under a name that this service has not used yet. Blocks.
---@param name string
---@param value table|string a table, or what compile made of it
function builder.new(name, value) end

---Replaces a sheet that this service has shared. Blocks.
---@param name string
---@param value table|string
function builder.update(name, value) end

---The bytes of a sheet. Raises `assertion failed` for keys and `Unsupport value <v>` for values that it can't have.
---@param value table
---@return string
function builder.compile(value) end

return builder
