---@meta skynet.service

---Services made from a function, one of each name in the node.
---@class skynet.service
local service = {}

---The handle of the service with this name; the first who asks starts it. The function may use globals only; it runs in
---the new service, and may install handlers and call skynet.start. Blocks.
---@param name string
---@param main function
---@param ... any arguments of the function; must be packable
---@return integer
function service.new(name, main, ...) end

---The handle of the service with this name; waits until it exists.
---@param name string
---@return integer
function service.query(name) end

---Ends the service with this name; false if there is none. Blocks.
---@param name string
---@return boolean
function service.close(name) end

return service
