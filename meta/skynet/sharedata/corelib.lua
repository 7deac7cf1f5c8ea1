---@meta skynet.sharedata.corelib

---Proxies of shared documents; what skynet.sharedata is made of.
---@class skynet.sharedata.corelib
---@field host skynet.sharedata.host documents by their pointers, for applications that share without sharedatad
local corelib = {}

---@class skynet.sharedata.host
---@field new fun(t: table): lightuserdata a document; the pointer may be sent to other services, and counts until delete
---@field delete fun(pointer: lightuserdata) gives it back, once; proxies that there are stay valid
---@field incref fun(pointer: lightuserdata): integer keeps the document for this service, and counts how often
---@field decref fun(pointer: lightuserdata): integer
---@field getref fun(pointer: lightuserdata): integer how often this service keeps it
---@field markdirty fun(pointer: lightuserdata) nothing to do: an update is all that a proxy needs

---A proxy of a document that another service has shared.
---@param pointer lightuserdata
---@return table
function corelib.box(pointer) end

---Lets a proxy made by box, and all that were read from it, show another document.
---@param proxy table
---@param pointer lightuserdata
function corelib.update(proxy, pointer) end

---Lets go of the document of a proxy made by box, instead of when it is collected. It can't be used after that.
---@param proxy table
function corelib.close(proxy) end

---What is below the keys as an ordinary table or a scalar; nothing if there is nothing.
---@param proxy table
---@param ... any
---@return any
function corelib.copy(proxy, ...) end

---Nothing to do: proxies follow an update at once.
---@param proxy table
function corelib.flush(proxy) end

return corelib
