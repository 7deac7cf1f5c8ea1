---@meta skynet.replace

---A new service in the place of one that runs, with its names and its state. An addition to skynet (C).
---@class skynet.replace
local replace = {}

---Says how this service gives what it knows to a new one, and how it takes it from an old one. Neither may wait. What is
---given goes as a message, so it is data.
---@param export fun(): ... what is given; from now on the service gets no more requests
---@param import fun(...) called before the first request comes
function replace.state(export, import) end

---@class skynet.replace.options
---@field args (string|number)[]? arguments of the new service
---@field state boolean? the old one gives its state to the new one, by what both have told replace.state
---@field settle integer? centiseconds for which the old one, before it gives its state, waits for the end of the requests
---  that it had begun, so that the state has what came of them; meanwhile it begins nothing. 0 by default
---@field drain integer? centiseconds for which the old one passes on what comes to its handle, and answers what it had
---  begun; 500 by default

---Starts a service, and gives it the state, the names and the place of unique services of another one. Requests
---that wait are handled by the new one, those that were begun are finished by the old one, which ends after the time
---`drain`; what it has not answered by then fails. Raises an error if the new one does not start or does not take the
---state: nothing has changed then. Blocks. Also `skynet.replace`.
---@param addr skynet.address the old one
---@param script string name of the new Lua service
---@param options skynet.replace.options?
---@return integer handle
function replace.run(addr, script, options) end

return replace
