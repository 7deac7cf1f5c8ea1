---@meta skynet.harbor

---The network of nodes with a master. In a single node, names live in this process only.
---@class skynet.harbor
local harbor = {}

---Gives a service a global name.
---@param name string
---@param handle integer? default: this service
function harbor.globalname(name, handle) end

---The handle of a global name; waits until it is known. A local name (`.x`) is looked up at once. Blocks.
---@param name string
---@return integer?
function harbor.queryname(name) end

---Returns when the node goes down; at once if it is not connected. Blocks.
---@param id integer
function harbor.link(id) end

---Returns when the node is connected. Blocks.
---@param id integer
function harbor.connect(id) end

---Returns when the connection to the master is lost. Blocks.
function harbor.linkmaster() end

return harbor
