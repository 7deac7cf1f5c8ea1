---@meta skynet.datasheet.dump

---Datasheets as bytes.
---@class skynet.datasheet.dump
local dump = {}

---The bytes of a sheet.
---@param value table
---@return string
function dump.dump(value) end

---The tables that the bytes stand for.
---@param bytes string
---@return table
function dump.undump(bytes) end

---The bytes of `new`, in which a table has the number that it has in `old` if it is still on the same path.
---@param old string
---@param new string
---@return string
function dump.diff(old, new) end

return dump
