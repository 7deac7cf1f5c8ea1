---@meta skynet.codecache

---The cache of compiled files, shared by all services of the node. Also `skynet.cache`.
---@class skynet.codecache
local codecache = {}

---Forgets all files, or one, so that later loads read them again. Functions that are loaded stay as they are.
---@param path string? the file as it was loaded, such as "./lualib/room.lua"; an addition to skynet (C)
---@return boolean? there was one of that path
function codecache.clear(path) end

---Sets how this service uses the cache, and returns the mode: "ON" (default) uses and fills it, "OFF" always reads the
---file, "EXIST" uses it only.
---@param mode "ON"|"OFF"|"EXIST"|nil
---@return string?
function codecache.mode(mode) end

---As Lua's loadfile, through the cache.
---@param filename string
---@param mode "b"|"t"|"bt"|nil
---@param env table?
---@return function?
---@return string? error
function codecache.loadfile(filename, mode, env) end

return codecache
