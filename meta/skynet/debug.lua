---@meta skynet.debug

---The service's part in the debug protocol.
---@class skynet.debug
---@field commands table<string, function> those that were added
---@field info function? answers INFO; see skynet.info_func
local debug = {}

---Adds a command. f gets the values that follow it in the message, and answers by skynet.ret itself.
---@param name string
---@param f function
function debug.reg_debugcmd(name, f) end

return debug
