---@meta sproto.core

---Schemas and messages of sproto; `sproto` and its kin are made of this. Schemas and types are userdata.
---@class sproto.core
local core = {}

---The binary schema of a text.
---@param text string
---@param name string
---@return string
function core.parse(text, name) end

---A schema; nothing if the bytes are none.
---@param bytes string|lightuserdata
---@param sz integer?
---@return userdata? schema
function core.newproto(bytes, sz) end

---Lets go of a schema. Types that were got from it stay.
---@param schema userdata
function core.deleteproto(schema) end

---Prints what is in a schema.
---@param schema userdata
function core.dumpproto(schema) end

---A type of a schema; nothing if there is none of this name.
---@param schema userdata
---@param name string
---@return userdata? type
function core.querytype(schema, name) end

---The tag of a name or the name of a tag, and the types of request and response; nothing if there is no such protocol.
---A null pointer is a response without content.
---@param schema userdata
---@param key string|integer
---@return integer|string|nil
---@return userdata? request
---@return userdata|lightuserdata|nil response
function core.protocol(schema, key) end

---The bytes of a message of this type.
---@param type userdata
---@param t table
---@return string
function core.encode(type, t) end

---The table of a message, and how many bytes it has.
---@param type userdata
---@param bytes string|lightuserdata
---@param sz integer?
---@return table
---@return integer used
function core.decode(type, bytes, sz) end

---A table with every field.
---@param type userdata
---@return table
function core.default(type) end

---The bytes with most zeros left out.
---@param bytes string|lightuserdata
---@param sz integer?
---@return string
function core.pack(bytes, sz) end

---The bytes again.
---@param packed string|lightuserdata
---@param sz integer?
---@return string
function core.unpack(packed, sz) end

---Puts a schema into a slot of the node.
---@param schema userdata
---@param slot integer
function core.saveproto(schema, slot) end

---The schema in a slot.
---@param slot integer
---@return userdata schema
function core.loadproto(slot) end

return core
