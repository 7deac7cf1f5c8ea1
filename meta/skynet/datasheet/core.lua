---@meta skynet.datasheet.core

---Sheets between bytes, services and tables. A service holds a sheet by a box; between services it travels as a
---pointer.
---@class skynet.datasheet.core
local core = {}

---The bytes of a sheet.
---@param value table
---@return string
function core.compile(value) end

---The bytes of `new` with the numbers that its tables have in `old`.
---@param old string
---@param new string
---@return string
function core.diff(old, new) end

---A sheet with these bytes. Raises `Invalid datasheet`.
---@param bytes string
---@return userdata box
function core.new(bytes) end

---A box for a sheet that share has made a pointer to.
---@param pointer lightuserdata
---@return userdata
function core.box(pointer) end

---A pointer for another service. It keeps the sheet alive until it is given to release.
---@param box userdata
---@return lightuserdata
function core.share(box) end

---The same pointer, to compare only.
---@param box userdata
---@return lightuserdata
function core.pointer(box) end

---Gives back what share has made.
---@param pointer lightuserdata
function core.release(pointer) end

---Empties a box now, instead of when it is collected. It can't be used after that.
---@param box userdata
function core.empty(box) end

---Puts the scalars of a table of the sheet into `table`, and its sub-tables into `links`: key, number, key, number, ...
---Raises `Invalid proxy (index = <n>, total = <n>)`.
---@param box userdata
---@param number integer 0 is the root
---@param table table
---@param links table
function core.fill(box, number, table, links) end

return core
