---@meta skynet.remotedebug

---A service's side of a debugger session.
---@class skynet.remotedebug
local remotedebug = {}

---Obeys the lines of a channel until the session is over. Raises `Already in debug mode`.
---@param out integer|string the id of a socket to write to, or a connection of the console that ships: `console <handle> <number>`
---@param pointer lightuserdata of a `skynet.debugchannel`
function remotedebug.start(out, pointer) end

return remotedebug
