---@meta skynet.injectcode

---Runs source code as if it stood inside a function that is running: local variables and upvalues of that function are
---in reach, and what the code assigns to them stays.
---@param source string `return` gives results
---@param co thread? whose function; the running coroutine if there is none
---@param level integer? of that function: 0, if left out, is the caller, or where a suspended coroutine waits
---@param extra table<string, any>? more names, unless the function has them itself
---@return boolean ok
---@return any ... what the code returned; or the message of its error
local function injectcode(source, co, level, extra) end

return injectcode
