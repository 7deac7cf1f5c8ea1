---@meta skynet.sharedata.corelib

---Proxies of shared documents; what skynet.sharedata is made of.
---@class skynet.sharedata.corelib
---@field host { new: (fun(t: table): userdata), share: (fun(box: userdata): lightuserdata), pointer: (fun(box: userdata): lightuserdata), release: fun(pointer: lightuserdata) } documents, for the service that makes them: see skynet.sharedata.core
local corelib = {}

---A proxy of a document that another service has shared.
---@param pointer lightuserdata
---@return table
function corelib.box(pointer) end

---Lets a proxy made by box, and all that were read from it, show another document.
---@param proxy table
---@param pointer lightuserdata
function corelib.update(proxy, pointer) end

---What is below the keys as an ordinary table or a scalar; nothing if there is nothing.
---@param proxy table
---@param ... any
---@return any
function corelib.copy(proxy, ...) end

return corelib
