---@meta bson

---Documents of MongoDB, between Lua tables and bytes.
---
---Values that Lua has no type for are strings that begin with a zero byte and the number of the type: make them by the
---functions below, and look at them by `bson.type`.
---@class bson
---@field null string null, also as an element of an array
---@field minkey string below all other values
---@field maxkey string above all other values
local bson = {}

---A document: `:decode()`, `tostring(document)` (its bytes), `#document` (its size), `:makeindex()`.
---@class bson.document: userdata
local document = {}

---Its table; see bson.decode.
---@return table
function document:decode() end

---Makes `document.key = value` write over a field in place, which must be of the same type and of a fixed size
---(integer, double, boolean, objectid, date, timestamp) and not in an inner document. Returns the document.
---@return bson.document
function document:makeindex() end

---A table as a document. Integers of 32 bits are int32, others int64; floats are doubles. A table is an array if it has
---`__len` or its first key is an index of it; any other table is a document, also an empty one. Keys and strings have
---to be UTF-8.
---@param t table
---@return bson.document
function bson.encode(t) end

---The same for keys and values in an order: `encode_order("insert", name, "documents", list)`.
---@param ... any
---@return bson.document
function bson.encode_order(...) end

---The table of a document, or of one at an address; nothing for another value. Raises `Invalid bson …` for what is no
---document.
---@param document bson.document|lightuserdata
---@return table?
function bson.decode(document) end

---The address of a document. It is valid as long as the document is.
---@param document bson.document
---@return lightuserdata
function bson.to_lightuserdata(document) end

---The name of a value's type and what it holds: `"binary", data, subtype`; `"objectid", hex`;
---`"timestamp", seconds, increment`; `"date", seconds`; `"regex", pattern, options`; `"int64", n`; `"nil"`, also for
---null; `"minkey"`, `"maxkey"`; `"number"`, `"boolean"`, `"table"`, `"string"` with the value; `"unsupported"` with the
---bytes of another type.
---@param value any
---@return string name
---@return any ...
function bson.type(value) end

---An object id.
---@param hex string? 24 digits; a new id if not given
---@return string
function bson.objectid(hex) end

---A point in time.
---@param seconds integer since 1970, of which 32 bits are kept
---@return string
function bson.date(seconds) end

---A time stamp of the database's own kind.
---@param seconds integer
---@param increment integer? counts up by itself
---@return string
function bson.timestamp(seconds, increment) end

---A regular expression.
---@param pattern string
---@param options string?
---@return string
function bson.regex(pattern, options) end

---Bytes, of sub-type 0.
---@param data string
---@return string
function bson.binary(data) end

---An integer that is written as int64 whatever its size.
---@param n integer
---@return string
function bson.int64(n) end

return bson
