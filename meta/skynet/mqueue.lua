---@meta skynet.mqueue

---Messages handled strictly one by one. Deprecated: use skynet.queue.
---@class skynet.mqueue
local mqueue = {}

---Sets the handler, once. For a call its results are the answer, and its error is raised at the caller.
---@param f function
function mqueue.register(f) end

---Calls another service's handler. Blocks.
---@param addr skynet.address
---@param ... any
---@return any ...
function mqueue.call(addr, ...) end

---Sends to another service's handler.
---@param addr skynet.address
---@param ... any
function mqueue.send(addr, ...) end

---The number of messages whose handling has not begun.
---@return integer
function mqueue.size() end

return mqueue
