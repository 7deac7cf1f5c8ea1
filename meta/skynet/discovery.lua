---@meta skynet.discovery

---Which nodes there are, and services of which there is one among all nodes. An addition to skynet (C).
---
---The config key `discovery` says where the nodes come from; without it every function raises an error. A service that
---asks keeps a copy of the list, so that `nodes` and `pick` block the first time only.
---@class skynet.discovery
local discovery = {}

---A node.
---@class skynet.discovery.node
---@field name string
---@field address string `"host:port"`, where it listens for other nodes
---@field admin string? its admin endpoint
---@field labels table<string, string>
---@field since number? seconds of the epoch, when it started
---@field draining boolean? it takes nothing new

---Labels that a node must have, all of them. Values are compared as texts.
---@alias skynet.discovery.filter table<string, string|number|boolean>

---The nodes that match, sorted by name.
---@param filter skynet.discovery.filter?
---@return skynet.discovery.node[]
function discovery.nodes(filter) end

---The name of one of the nodes that match; nil if there is none. The same key leads to the same node as long as that is
---there, on every node that asks; without a key they take turns. Nodes that drain are left out unless there are no
---others.
---@param filter skynet.discovery.filter?
---@param key (string|number)?
---@return string? name
function discovery.pick(filter, key) end

---Calls a function for each node that matches now (`"up"`), and for what happens to them from then on, one after the
---other. A node whose labels no longer match is down for this function.
---@param f fun(event: "up"|"down"|"change"|"draining", node: skynet.discovery.node)
---@param filter skynet.discovery.filter?
---@return fun() stop
function discovery.watch(f, filter) end

---Changes labels of this node; false takes one away. What changes within a second goes out at once. Blocks.
---@param labels table<string, string|number|false>
function discovery.set(labels) end

---Says that this node takes nothing new. Singletons that run here go on; no new one starts here. Blocks.
function discovery.drain() end

---Says that this node may run a service of which there is one among all nodes. It is started on the node that comes
---first, and published under the cluster name `@NAME` there. It is killed when this node can no longer be sure to be
---the only one: when two thirds of `discoveryttl` have passed without an answer of etcd. Raises without etcd. Blocks.
---@param name string
---@param options { service: string, args: string[]? }
function discovery.singleton(name, options) end

---Where a singleton runs, as far as this node knows; nil if nobody runs it. Raises without etcd. Blocks.
---@param name string
---@return string? node
---@return integer? token
function discovery.whereis(name) end

---The fencing token of the singleton that calls this: an integer that is larger with each one that is started. nil in
---any other service. Blocks.
---@return integer?
function discovery.token() end

---A lock among all nodes.
---@class skynet.discovery.lock
---@field name string
---@field token integer its fencing token, larger with each holder
local Lock = {}

---Waits for a lock. It is kept until it is released, or the service ends, or etcd has not answered for two thirds of
---its time. A `<close>` variable may hold it. Raises without etcd. Blocks.
---@param name string
---@param seconds number? its lease; default 30
---@return skynet.discovery.lock
function discovery.lock(name, seconds) end

---Calls a function with a reason if the lock is lost before it is released.
---@param f fun(why: string)
function Lock:lost(f) end

---Gives the lock back. False if it was not held any more. Blocks.
---@return boolean
function Lock:release() end

return discovery
