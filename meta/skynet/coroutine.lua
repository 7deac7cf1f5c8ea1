---@meta skynet.coroutine

---Coroutines for use inside a service: blocking functions of skynet suspend the whole chain and go on where they were.
---@class skynet.coroutine
local coroutine = {}

---Makes a coroutine.
---@param f function
---@return thread
function coroutine.create(f) end

---Goes on with a coroutine that this module made. One that the runtime suspended, and one made elsewhere, give false
---and a text.
---@param co thread
---@param ... any
---@return boolean ok
---@return any ...
function coroutine.resume(co, ...) end

---Suspends the running coroutine; its resume returns the values.
---@param ... any
---@return any ...
function coroutine.yield(...) end

---Makes a coroutine and a function that resumes it; errors are raised.
---@param f function
---@return fun(...): ...
function coroutine.wrap(f) end

---As in Lua; "blocked" if the runtime has suspended it.
---@param co thread
---@return "suspended"|"running"|"normal"|"dead"|"blocked"
function coroutine.status(co) end

---As in Lua.
---@return thread
---@return boolean main
function coroutine.running() end

---As in Lua.
---@param co thread?
---@return boolean
function coroutine.isyieldable(co) end

---As in Lua.
---@param co thread?
---@return boolean ok
---@return any error
function coroutine.close(co) end

---The coroutine of the service in whose chain this one runs, and false; or itself and true if it is one. Nil and false
---before it has run.
---@param co thread? default: the running one
---@return thread?
---@return boolean is_root
function coroutine.thread(co) end

return coroutine
