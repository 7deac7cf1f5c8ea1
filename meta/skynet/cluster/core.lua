---@meta skynet.cluster.core

---The frames of the cluster's protocol, for code that speaks it by itself. Frames that are made have their two bytes of
---length in front; those that are read come without. The runtime's own functions of this module are not listed.
---@class skynet.cluster.core
local core = {}

---The frames of a call: the first one, the session after this one, and the others if the message is large. Frees the
---message.
---@param address integer|string
---@param session integer above 0
---@param msg lightuserdata
---@param sz integer
---@return string frame
---@return integer session
---@return string[]? parts
function core.packrequest(address, session, msg, sz) end

---The frames of a one-way message; the session is used by a large one only. Frees the message.
---@param address integer|string
---@param session integer above 0
---@param msg lightuserdata
---@param sz integer
---@return string frame
---@return integer session
---@return string[]? parts
function core.packpush(address, session, msg, sz) end

---The frame of a trace tag.
---@param tag string
---@return string frame
function core.packtrace(tag) end

---Takes a request apart. The message is a block of its own, which you own: pass it on, or free it with skynet.trash. A
---part of a large request has `false` for an address; a trace tag is the only result of its frame. Raises for a
---malformed frame.
---@param frame string|lightuserdata
---@param sz integer? if the frame is a pointer
---@return integer|string|false address
---@return integer session
---@return lightuserdata? msg nil for the beginning of a large request
---@return integer sz
---@return boolean? more
---@return boolean? push
function core.unpackrequest(frame, sz) end

---The frame of an answer, or a list of frames if it is large.
---@param session integer
---@param ok boolean
---@param msg string|lightuserdata results, or the text of an error
---@param sz integer? if the message is a pointer
---@return string|string[]
function core.packresponse(session, ok, msg, sz) end

---Takes an answer apart; nothing for a malformed one. The data of the beginning of a large answer is its size.
---@param frame string
---@return integer? session
---@return boolean? ok
---@return string|integer|nil data
---@return boolean? more
function core.unpackresponse(frame) end

---Collects a large message in a table: first nil and the size, then the parts. A block is taken over.
---@param t table
---@param msg string|lightuserdata|nil
---@param sz integer?
function core.append(t, msg, sz) end

---The message that was collected; nothing if its parts are not as large as was said.
---@param t table
---@return lightuserdata? msg
---@return integer? sz
function core.concat(t) end

---True while there is a service with this handle. An addition to skynet (C).
---@param handle integer
---@return boolean
function core.isalive(handle) end

---True for a published name, which begins with `@`.
---@param address integer|string
---@return true?
function core.isname(address) end

---This node's id in trace tags: host name and process.
---@return string
function core.nodename() end

return core
