---@meta skynet.inject

---Runs source code inside this service, as the debug command RUN does. The code sees the globals, `print`, whose lines
---are collected, and ways to the local tables of the service: `_U` has those that the functions given and the handlers
---use, by name; `_P.lua` those of the handler of the type `lua`.
---@param skynet skynet
---@param source string
---@param filename string? names the code
---@param args table passed to it, packed
---@param ... function where the search begins
---@return boolean ok
---@return string[] output its lines; the message of an error comes last
local function inject(skynet, source, filename, args, ...) end

return inject
