---@meta skynet.manager

---@class skynet
local skynet = {}

---Starts a service of a module ("snlua", "logger", one written in Rust or C) with the arguments joined by blanks. Does
---not wait for a Lua service's start function, and the launcher does not list it.
---@param module string
---@param ... string|number
---@return integer? handle
function skynet.launch(module, ...) end

---Ends a service. What it owes fails with an error.
---@param addr skynet.address a handle, its text, or a local name
function skynet.kill(addr) end

---Ends the node.
function skynet.abort() end

---Gives this service a name: local with a leading dot, else global (at most 15 bytes). A local name that is taken stays
---with its owner.
---@param name string
function skynet.register(name) end

---Gives a service a name; see register.
---@param name string
---@param handle integer
function skynet.name(name, handle) end

---Instead of start: messages of the types in `map` are handled as the type that `map` gives, and are not freed, so that
---the handler can pass them on.
---@param map table<integer, integer>
---@param start function
function skynet.forward_type(map, start) end

---Instead of start: `change(type, msg, sz, session, source)` returns the five values that are handled in their place.
---@param change fun(kind: integer, msg: lightuserdata, sz: integer, session: integer, source: integer): integer, lightuserdata?, integer, integer, integer
---@param start function
function skynet.filter(change, start) end

---Makes a service that exists once in the network the exit monitor of this node: it gets a message of type client from
---each service that ends. Returns its handle. Blocks.
---@param service string
---@param query boolean? wait for it instead of starting it
---@return integer
function skynet.monitor(service, query) end

return skynet
