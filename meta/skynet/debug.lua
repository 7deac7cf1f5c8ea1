---@meta skynet.debug

---The service's part in the debug protocol.
---@class skynet.debug
local debug = {}

---Adds a command. f gets the values that follow it in the message, and answers by skynet.ret itself.
---@param name string
---@param f function
function debug.reg_debugcmd(name, f) end

return debug
