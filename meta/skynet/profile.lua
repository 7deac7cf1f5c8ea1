---@meta skynet.profile

---CPU time of coroutines.
---@class skynet.profile
local profile = {}

---Starts to measure a coroutine. Twice raises `Thread <p> start profile more than once`.
---@param co thread? default: the running one
function profile.start(co) end

---Ends measuring; returns the seconds of CPU time since start, without the time in which the coroutine was suspended.
---@param co thread? default: the running one
---@return number
function profile.stop(co) end

---coroutine.resume that accounts time.
---@param co thread
---@param ... any
---@return boolean ok
---@return any ...
function profile.resume(co, ...) end

---coroutine.wrap that accounts time.
---@param f function
---@return fun(...): ...
function profile.wrap(f) end

return profile
