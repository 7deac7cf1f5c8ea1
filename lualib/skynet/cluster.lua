-- Calls to other nodes.
--
-- Each node that is called has a sender in this one, which the daemon finds (`clusterd`). A service asks for it once.
-- Until it knows, its requests to that node wait in a line, so that they arrive in the order in which they were made.

local skynet = require "skynet"
local core = require "skynet.cluster.core"
local check = require("skynet.core").check

local cluster = {}

local daemon -- of this node
local senders = {} -- node -> handle
local lines = {} -- node -> what waits for its sender, from `first` to `last`: closures for sends, places for calls

local function get_daemon()
	daemon = daemon or skynet.uniqueservice "clusterd"
	return daemon
end

local function ask(...)
	return skynet.call(get_daemon(), "lua", ...)
end

-- The sender; nil if there is no connection.
local function find(node)
	local ok, sender = pcall(ask, "sender", node)
	if ok then
		return sender
	end
	skynet.error(("cluster: no connection to the node [%s]; clusterd has just logged why"):format(node))
	return nil
end

local function join(line, waiting)
	line.last = line.last + 1
	line[line.last] = waiting
end

local function leave(line)
	local waiting = line[line.first]
	if waiting then
		line[line.first] = nil
		line.first = line.first + 1
	end
	return waiting
end

-- There is no sender: sends are lost, calls fail. Whoever tries again makes another line, which asks again.
local function give_up(node, line)
	lines[node] = nil
	for waiting in leave, line do
		if type(waiting) == "table" then
			skynet.wakeup(waiting)
		end
	end
end

-- Those in the line go on in order. Only after the last of them has gone are requests sent past the line.
local function advance(node, line, sender)
	while line.first <= line.last do
		if sender and not core.isalive(sender) then
			sender = find(node)
		end
		if not sender then
			return give_up(node, line)
		end
		local waiting = leave(line)
		if type(waiting) == "function" then
			local ok, err = pcall(waiting, sender)
			if not ok then
				skynet.error(err) -- the others are not to wait for ever
			end
		else
			waiting.sender = sender
			skynet.wakeup(waiting)
			skynet.yield() -- it makes its call now
		end
	end
	senders[node] = sender
	lines[node] = nil
end

local function check_name(node)
	check(type(node) == "string", ("the name of a node is a string, not %s"):format(node))
end

local function open_line(node)
	check_name(node)
	local line = { first = 1, last = 0 }
	lines[node], senders[node] = line, nil
	skynet.fork(function()
		advance(node, line, (find(node)))
	end)
	return line
end

-- The sender for a call; nil if there is none. With cs: not longer than that, and true if it took longer.
local function wait_for_sender(node, cs)
	local line = lines[node] or open_line(node)
	local place = {}
	join(line, place)
	if cs then
		local late = skynet.sleep(cs, place) ~= "BREAK"
		return place.sender, late
	end
	skynet.wait(place)
	return place.sender
end

-- The sender that is known. When somebody has killed it, the daemon is asked again.
local function known(node)
	local sender = senders[node]
	return sender and core.isalive(sender) and sender
end

-- While a call waits for its sender its arguments stay as they were when it was made: packed.

function cluster.call(node, address, ...)
	local sender = known(node)
	if sender then
		return core.call(sender, address, ...)
	end
	local arguments = skynet.packstring(...)
	return core.call(wait_for_sender(node), address, skynet.unpack(arguments))
end

function cluster.timeoutcall(cs, node, address, ...)
	local sender = known(node)
	if sender then
		return core.timeoutcall(cs, sender, address, ...)
	end
	local arguments, begun, late = skynet.packstring(...), skynet.now(), nil
	sender, late = wait_for_sender(node, cs)
	if late then
		error("call timeout", 2)
	end
	return core.timeoutcall(math.max(cs - (skynet.now() - begun), 0), sender, address, skynet.unpack(arguments))
end

function cluster.pcall(node, address, ...)
	local sender = known(node)
	if sender then
		return core.pcall(nil, sender, address, ...)
	end
	local arguments = skynet.packstring(...)
	sender = wait_for_sender(node)
	if not sender then
		return false, ("no connection to the node %s"):format(node), "connect"
	end
	return core.pcall(nil, sender, address, skynet.unpack(arguments))
end

function cluster.send(node, address, ...)
	local sender = known(node)
	if sender then
		return core.push(sender, address, ...)
	end
	local line = lines[node] or open_line(node)
	local arguments = skynet.packstring(...) -- as they are now
	join(line, function(found)
		core.push(found, address, skynet.unpack(arguments))
	end)
end

function cluster.get_sender(node)
	return known(node) or wait_for_sender(node)
end

function cluster.reload(config)
	ask("reload", config)
end

function cluster.open(port, maxclient)
	if type(port) == "string" then
		ask("listen", port, nil, maxclient)
		return port
	end
	return ask("listen", nil, port, maxclient)
end

function cluster.register(name, handle)
	check(type(name) == "string", "the name is a string")
	check(handle == nil or type(handle) == "number", "the handle is a number")
	ask("register", name, handle)
end

function cluster.unregister(name)
	check(type(name) == "string", "the name is a string")
	ask("unregister", name)
end

function cluster.query(node, name)
	return cluster.call(node, 0, name)
end

function cluster.proxy(node, name)
	check_name(node)
	if not name then
		local at = check(node:find "[@.]", "the name of a node and an address expected, such as \"db@name\"")
		node, name = node:sub(1, at - 1), node:sub(at)
	end
	return ask("proxy", node, name)
end

function cluster.snax(node, name, address)
	local snax = require "skynet.snax"
	address = address or cluster.call(node, ".service", "QUERY", "snaxd", name)
	return snax.bind(cluster.proxy(node, address), name)
end

-- The calls that wait for an answer, per node.
function cluster.pending()
	local pending = {}
	for node, sender in pairs(ask "senders") do
		pending[node] = skynet.call(sender, "lua", "pending")
	end
	return pending
end

-- The nodes that have connected to this one.
function cluster.peers()
	return ask "peers"
end

-- Name of the node behind a request whose source is this, and whether it is proved; nil if it is of this node.
function cluster.caller(source)
	local name, proved = core.caller(source)
	if name == "" then
		return nil, false
	end
	return name, proved
end

-- f(event) for each connection that comes up or goes down from now on; returns a function that ends that.
function cluster.monitor(f)
	local last, stopped = ask "watch", false
	skynet.fork(function()
		while not stopped do
			local ok, number, events = pcall(ask, "watch", last)
			if not ok then
				skynet.sleep(100) -- it took longer than a call may, or the daemon has gone
			else
				last = number
				for _, event in ipairs(events) do
					if not stopped then
						skynet.fork(f, event)
					end
				end
			end
		end
	end)
	return function()
		stopped = true
	end
end

skynet.init(get_daemon)

return cluster
