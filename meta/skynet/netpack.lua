---@meta skynet.netpack

---Frames of a gate: a 2-byte big-endian length, then as many bytes (0..65535).
---@class skynet.netpack
local netpack = {}

---Takes one message of the socket engine. Returns the queue (keep it; nil at first) and what happened:
---`"data", fd, ptr, size` (one frame, which the caller owns), `"more"` (frames are in the queue), nothing (no complete
---frame yet), or `"open", fd, addr`, `"close", fd`, `"error", fd, text`, `"warning", fd, kb`, `"init", id, ip, port`.
---@param queue userdata?
---@param msg lightuserdata
---@param sz integer
---@return userdata? queue
---@return string? what
---@return any ...
function netpack.filter(queue, msg, sz) end

---Takes the next frame out of the queue, which the caller owns; nothing if there is none.
---@param queue userdata?
---@return integer? fd
---@return lightuserdata? ptr
---@return integer? size
function netpack.pop(queue) end

---A frame of these bytes, as a block that the receiver owns. Raises `Invalid size (too long) of data : <n>` from 65536
---bytes on.
---@param data string|lightuserdata a block is copied
---@param sz integer?
---@return lightuserdata
---@return integer sz
function netpack.pack(data, sz) end

---Frees everything in the queue.
---@param queue userdata?
function netpack.clear(queue) end

---The bytes of a block as a string; frees it.
---@param ptr lightuserdata?
---@param size integer
---@return string
function netpack.tostring(ptr, size) end

return netpack
