---@meta skynet.datacenter

---A tree of values that all services of the network share.
---@class skynet.datacenter
local datacenter = {}

---Sets the value (the last argument) under the keys before it. Returns the value that it replaces. Blocks.
---@param key any
---@param ... any
---@return any
function datacenter.set(key, ...) end

---The value, or a copy of the branch, under the keys; nil if there is none. Blocks.
---@param key any
---@param ... any
---@return any
function datacenter.get(key, ...) end

---As get, but waits until a value is set for exactly these keys. Raises an error if others wait for something below or
---above.
---@param key any
---@param ... any
---@return any
function datacenter.wait(key, ...) end

return datacenter
