-- The master of a network: knows its nodes and the global names, and tells every node of the others.
--
-- A message is one byte of length, and so many bytes of packed values:
--   from a node  "H", id, address (the first one)    "R", name, handle    "Q", name
--   to a node    "W", nodes that will connect        "C", id, address     "N", name, handle    "D", id
--
-- The network knows no passwords. Still, who connects takes no more than is his: a number that is free, names that no
-- other node has taken, a bounded number of them, and bounded memory and log lines. With the connection all that is
-- given back.

local skynet = require "skynet"
local socket = require "skynet.socket"
local core = require "skynet.core"

local shown = core.shown

local JOIN <const> = 1000 -- centiseconds to say who one is
local JOINING <const> = 256 -- connections that have not said it yet; above that the oldest one is closed
local NAMES <const> = 8192 -- of one node
local UNREAD <const> = 4 * 1024 * 1024 -- bytes that wait for a node that does not read
local LINES <const> = 20 -- about strange messages of one connection

local nodes = {} -- id -> { address =, fd =, names = how many it has taken, lines = }
local names = {} -- name -> the handle that was registered first
local takers = {} -- name -> id of the node that has registered it
local joining = {} -- sockets, in the order in which they came

local function message(...)
	local packed = skynet.packstring(...)
	assert(#packed < 256, "too long")
	return string.pack("s1", packed)
end

local function read(fd, size)
	return socket.read(fd, size) or error("connection closed", 0)
end

local function receive(fd)
	local size = read(fd, 1):byte()
	if size > 0 then
		return skynet.unpack(read(fd, size))
	end
end

local function tell_all(bytes)
	local count = 0
	for _, node in pairs(nodes) do
		count = count + 1
		socket.write(node.fd, bytes)
	end
	return count
end

-- The first message of a connection. Returns the node's id.
local function join(fd)
	assert(socket.start(fd))
	socket.writelimit(fd, UNREAD)
	local kind, id, address = receive(fd)
	assert(kind == "H" and type(address) == "string", "Invalid handshake message")
	assert(math.type(id) == "integer" and id > 0 and id < 256, "Invalid harbor id")
	local known = nodes[id]
	if known then
		error(("Slave %d already register on %s"):format(id, known.address), 0)
	end
	local others = tell_all(message("C", id, address))
	nodes[id] = { address = address, fd = fd, names = 0, lines = 0 }
	socket.write(fd, message("W", others))
	skynet.error(("Harbor %d (fd=%d) report %s"):format(id, fd, shown(address)))
	return id
end

-- The same within its time.
local function join_in_time(fd)
	local late = false
	joining[#joining + 1] = fd
	if #joining > JOINING then
		socket.shutdown(joining[1])
		table.remove(joining, 1)
	end
	local timer = skynet.timer(JOIN * 10, function()
		late = true
		socket.shutdown(fd)
	end)
	local joined, id = pcall(join, fd)
	timer:cancel()
	for at, other in ipairs(joining) do
		if other == fd then
			table.remove(joining, at)
			break
		end
	end
	return joined, late and "it has not said who it is" or id
end

-- Something that a node should not do, for the log.
local function complain(node, text)
	node.lines = node.lines + 1
	if node.lines <= LINES then
		skynet.error(text)
	end
	if node.lines == LINES then
		skynet.error(("%s has had its lines in the log"):format(shown(node.address)))
	end
end

local on = {}

function on.R(id, name, handle)
	assert(type(name) == "string" and math.type(handle) == "integer", "Invalid name or handle")
	local node, taker = nodes[id], takers[name]
	if not taker then
		if node.names >= NAMES then
			return complain(node, ("slave %d has %d names already"):format(id, NAMES))
		end
		node.names = node.names + 1
		names[name], takers[name] = handle, id
	elseif taker ~= id then
		complain(node, ("slave %d registers %s, which slave %d has taken"):format(id, shown(name), taker))
		return socket.write(node.fd, message("N", name, names[name]))
	end
	tell_all(message("N", name, handle))
end

function on.Q(id, name)
	if type(name) == "string" and names[name] then
		socket.write(nodes[id].fd, message("N", name, names[name]))
	end
end

local function handle(id, kind, ...)
	local f = on[kind]
	if f then
		f(id, ...)
	else
		complain(nodes[id], ("Invalid slave message type %s"):format(shown(kind)))
	end
end

local function listen_to(fd, id)
	while true do
		handle(id, receive(fd))
	end
end

-- Number and names of a node are free again.
local function leave(id)
	nodes[id] = nil
	for name, taker in pairs(takers) do
		if taker == id then
			names[name], takers[name] = nil, nil
		end
	end
	tell_all(message("D", id))
end

local function serve(fd)
	local joined, id = join_in_time(fd)
	if not joined then
		skynet.error(("disconnect fd = %d, error = %s"):format(fd, shown(id)))
		return socket.close(fd)
	end
	pcall(listen_to, fd, id) -- ends with the connection, or with a message that makes no sense
	skynet.error(("slave %d is down"):format(id))
	leave(id)
	socket.close(fd)
end

skynet.info_func(function()
	return { nodes = nodes, names = names }
end)

skynet.start(function()
	local address = assert(skynet.getenv "standalone", "the config has no `standalone`, where the master listens")
	skynet.error("master listen socket " .. address)
	local host = address:match "^%[(.*)%]" or address:match "^[^:]*"
	if not (host == "localhost" or host == "::1" or host:find "^127%.") then
		skynet.error(("WARNING: the master's port %s is open: whoever can connect is part of the network, can send "
			.. "anything to any service and start code (listen on a private address, or use a cluster with "
			.. "clustersecret)"):format(address))
	end
	local listener = assert(socket.listen(address))
	socket.start(listener, function(fd, from)
		skynet.error(("connect from %s %d"):format(from, fd))
		skynet.fork(serve, fd)
	end)
end)
