---@meta skynet.cluster

---Calls to services of other nodes, over TCP.
---
---A node has a name and an address: in the file that the config key `cluster` names, or given to `reload`. A remote
---service is addressed by its handle, by a name that its node has published (`"@name"`), by its local name (`".name"`)
---or by its handle as text (`":0000000a"`).
---@class skynet.cluster
local cluster = {}

---@alias skynet.cluster.address integer|string

---Why a call has failed. `remote`: the other node says so. `connect`: no connection could be made. `lost`: the
---connection ended before the answer came. `down`: the node's address is `false`. `invalid`: such a request cannot be
---sent. `timeout`: there was a deadline.
---@alias skynet.cluster.reason "remote"|"connect"|"lost"|"down"|"invalid"|"full"|"timeout"

---Merges names and addresses: `"host:port"`, or `false` for a node that is down. Without a table the file is read
---again. Options begin with two underscores; `__nowaiting = true` makes requests to nodes without an address fail,
---which otherwise wait for one. Blocks.
---@param config table<string, string|boolean>?
function cluster.reload(config) end

---Listens for other nodes. A number is a port (0: any), on the address of the config key `clusterbind` or everywhere;
---returns the bound address and port. A string is the name of a node, whose configured address is taken, or an address
---`"host:port"`; it is returned as it is. Raises if that fails. Blocks.
---
---Without a secret (config key `clustersecret` and others, see docs/cluster-security.md) whoever can connect to the port
---can do what a program of this node can. Every service is reached by its handle or local name, the launcher
---(`.launcher`) among them, which starts services; and so a peer can run code. The log warns of such a port, unless it
---is on a loopback address. `clusterpolicy` says which node may call what. Without that, only commands to the cluster's own services (`listen`, `reload` and others to `clusterd`) are refused, unless the config has
---`clustercontrol = "true"`; and a request with a light userdata fails.
---@param port integer|string
---@param maxclient integer? connections; 1024 if it is not given, and one less is served
---@return string address
---@return integer? port
function cluster.open(port, maxclient) end

---Calls a remote service with a message of the type `lua`; returns the results. Raises `call failed` if it fails, or
---`dest address type (nil) must be a string or number.` without a connection; the log says why, and `cluster.pcall`
---returns it. Blocks.
---@param node string
---@param address skynet.cluster.address
---@param ... any
---@return any ...
function cluster.call(node, address, ...) end

---`call` with a deadline: raises `call timeout` if there is no answer after so many centiseconds. Blocks.
---@param cs integer
---@param node string
---@param address skynet.cluster.address
---@param ... any
---@return any ...
function cluster.timeoutcall(cs, node, address, ...) end

---`call` that does not raise: true and the results, or false, a text and a reason. The text is that of the remote node
---if it has failed there. Blocks.
---@param node string
---@param address skynet.cluster.address
---@param ... any
---@return boolean ok
---@return any ... results, or text and `skynet.cluster.reason`
function cluster.pcall(node, address, ...) end

---Sends a message of the type `lua` to a remote service. There is no answer, and no failure.
---@param node string
---@param address skynet.cluster.address
---@param ... any
function cluster.send(node, address, ...) end

---Publishes a service of this node under a name; a name that it had before is gone. Raises if the name is taken.
---Blocks.
---@param name string
---@param handle integer? the calling service if it is not given
function cluster.register(name, handle) end

---Takes a name back. Blocks.
---@param name string
function cluster.unregister(name) end

---The handle behind a published name. Raises if there is none. Blocks.
---@param node string
---@param name string without `@`
---@return integer handle on its node
function cluster.query(node, name) end

---A local handle for a remote address: messages of the types `lua` and `snax` to it go there. One argument is
---`"node@name"` or `"node.name"`. Blocks.
---@param node string
---@param name skynet.cluster.address?
---@return integer handle
function cluster.proxy(node, name) end

---An object of a remote snax service, which must have called `snax.enablecluster`. Without an address its node is asked
---for the unique service of that name. Blocks.
---@param node string
---@param name string class
---@param address skynet.cluster.address?
---@return table object
function cluster.snax(node, name, address) end

---The service that sends to a node; nil if there is none. It takes messages of the type `lua`: `"req"` or `"push"`,
---address, pointer, size. Blocks.
---@param node string
---@return integer? handle
function cluster.get_sender(node) end

---@class skynet.cluster.waiting
---@field node string
---@field address skynet.cluster.address
---@field session integer of the protocol
---@field source integer who has called
---@field age number seconds

---The calls of this node that wait for answers, oldest first, per node that was called. Blocks.
---@return table<string, skynet.cluster.waiting[]>
function cluster.pending() end

---@class skynet.cluster.peer
---@field node string? its name, if it has one
---@field address string from where it has connected
---@field by "tls"|"secret"|nil what it has proved itself by; nil: by nothing
---@field proved boolean its name is proved, too, and not only said
---@field since number seconds since 1970
---@field agent integer the service that speaks for it
---@field rx integer bytes that have come
---@field tx integer bytes that have gone

---The nodes that are connected to this one, by name. Blocks.
---@return skynet.cluster.peer[]
function cluster.peers() end

---Who is behind a request: the name of the node on the other end, and whether that name is proved or only said. The
---name is nil if the request comes from this node (then there is no second result), and if the other node has none.
---@param source integer of the request
---@return string? node
---@return boolean? proved
function cluster.caller(source) end

---@class skynet.cluster.event
---@field node string
---@field event "up"|"down" the connection to it was made, or has ended
---@field address string?
---@field reason string why it has ended
---@field number integer grows by one with each event

---Calls a function, in a coroutine of its own, for each connection to another node that comes up or goes down from now
---on. The result is a function that ends that. Blocks.
---@param f fun(event: skynet.cluster.event)
---@return fun() stop
function cluster.monitor(f) end

return cluster
