---@meta skynet.consolefront

---The native side of the debug console, for the service debug_console. It gets messages of the type SYSTEM: connection, "run", number, line asks for the
---answer to a command; connection, "input", number, line and connection, "close", number belong to a command that is a conversation.
---@class skynet.consolefront
local front = {}

---Opens the console of this service. Raises an error if that is not possible.
---@param ip string
---@param port integer 0 for any
---@param password string?
---@return integer port
function front.listen(ip, port, password) end

---Answers a command.
---@param connection integer
---@param number integer
---@param ok boolean
---@param text string lines, each with its end
function front.reply(connection, number, ok, text) end

---Writes something while a command runs.
---@param connection integer
---@param text string
function front.write(connection, text) end

return front
