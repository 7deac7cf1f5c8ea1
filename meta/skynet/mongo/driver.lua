---@meta skynet.mongo.driver

---Messages of MongoDB as bytes, for the driver in Lua that skynet (C) is delivered with.
---@class skynet.mongo.driver
local driver = {}

---How many bytes follow four bytes of length.
---@param bytes string
---@return integer
function driver.length(bytes) end

---The bytes of a message with one document. Flag 2: no answer is awaited.
---@param id integer
---@param flags integer
---@param document bson.document
---@return string
function driver.op_msg(id, flags, document) end

---Reads a message without its length: true, the number of the request, and the address of the document, which holds as
---long as the string; false for fewer than 16 bytes. Raises `Unsupported …` for what is no answer with one document.
---@param bytes string
---@return boolean
---@return integer? responseTo
---@return lightuserdata? document
function driver.reply(bytes) end

return driver
