---@meta skynet.harbor

---The network of nodes with a master. In a single node, names live in this process only.
---@class skynet.harbor
local harbor = {}

---Gives a service a global name, of up to 15 bytes, that nobody has.
---@param name string
---@param handle integer? default: this service
function harbor.globalname(name, handle) end

---The handle of a global name; waits until it is known. A local name (`.x`) is looked up at once. Raises `call failed`
---if the master is lost and nobody on this node takes the name soon. Blocks.
---@param name string
---@return integer?
function harbor.queryname(name) end

---Returns when the node goes down; at once if it is not connected. Blocks.
---@param id integer
function harbor.link(id) end

---Returns when the node is connected. Raises `call failed` if it has gone, which is for good. Blocks.
---@param id integer
function harbor.connect(id) end

---Returns when the connection to the master is lost. Blocks.
function harbor.linkmaster() end

return harbor
