---@meta skynet.consolefront

---The native side of the debug console, for the service debug_console. It gets messages of the type SYSTEM: connection,
---"run", number, line asks for the answer to a command (of `call` and `inject` with an error or nil, and what was
---evaluated or read); connection, "forget", number says that nobody waits for it any more; connection, "input", number,
---line and connection, "close", number belong to a command that is a conversation.
---@class skynet.consolefront
local front = {}

---Opens the console of this service. Raises an error if that is not possible, also if other machines reach the address
---and there is no password.
---@param ip string
---@param port integer 0 for any
---@param password string|true|nil true: that of the config key `consolepassword`
---@param commands table<string, any>? its keys are the commands that there are; without it every line is one
---@return integer port
function front.listen(ip, port, password, commands) end

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
