---@meta skynet.sharedata.core

---Immutable documents that all services of a node read. A service holds one by a box; between services it travels as a
---pointer.
---@class skynet.sharedata.core
local core = {}

---A document with the content of a table. Raises `Invalid key <k>`, `Invalid key type <t>`, `Unsupport value type <t>`.
---@param t table
---@return userdata box
function core.new(t) end

---A box for a document that `share` has made a pointer to.
---@param pointer lightuserdata
---@return userdata
function core.box(pointer) end

---A pointer for another service. It keeps the document alive until it is given to release.
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

---The number of the document's first table.
---@param box userdata
---@return integer
function core.root(box) end

---A scalar; or nil and the number of a table. Raises `Invalid key <float>`.
---@param box userdata
---@param table integer
---@param key string|integer|nil
---@return any value
---@return integer? table
function core.get(box, table, key) end

---The pair behind a key, or the first one; nothing at the end.
---@param box userdata
---@param table integer
---@param key string|integer|nil
---@return string|integer|nil key
---@return any value
---@return integer? table
function core.next(box, table, key) end

---Length of the array part.
---@param box userdata
---@param table integer
---@return integer
function core.len(box, table) end

---What is below the keys as an ordinary table or a scalar; nothing if there is nothing.
---@param box userdata
---@param table integer
---@param ... string|integer
---@return any
function core.copy(box, table, ...) end

return core
