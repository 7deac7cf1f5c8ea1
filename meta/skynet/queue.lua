---@meta skynet.queue

---Makes a critical section: `local alone = queue()`, then `alone(f, ...)` runs f when all earlier ones have ended, and
---returns its results. The same coroutine may enter again. An error in f goes to its caller, with a traceback. Also
---`skynet.queue`.
---@return fun(f: function, ...): ...
local function queue() end

return queue
