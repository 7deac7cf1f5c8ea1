-- The master of a network: knows its nodes and the global names, and tells every node of the others.
--
-- A message is one byte of length, and so many bytes of packed values:
--   from a node  "H", id, address (the first one)    "R", name, handle    "Q", name
--   to a node    "W", nodes that will connect        "C", id, address     "N", name, handle    "D", id

local skynet = require "skynet"
local socket = require "skynet.socket"

local nodes = {} -- id -> { address =, fd = false once it has gone }: an id is good for one node
local names = {} -- name -> the handle that was registered first

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
		if node.fd then
			count = count + 1
			socket.write(node.fd, bytes)
		end
	end
	return count
end

-- The first message of a connection. Returns the node's id.
local function join(fd)
	assert(socket.start(fd))
	local kind, id, address = receive(fd)
	assert(kind == "H" and type(address) == "string", "Invalid handshake message")
	assert(math.type(id) == "integer" and id > 0 and id < 256, "Invalid harbor id")
	local known = nodes[id]
	if known then
		error(("Slave %d already register on %s"):format(id, known.address), 0)
	end
	local others = tell_all(message("C", id, address))
	nodes[id] = { address = address, fd = fd }
	socket.write(fd, message("W", others))
	skynet.error(("Harbor %d (fd=%d) report %s"):format(id, fd, address))
	return id
end

local on = {}

function on.R(_, name, handle)
	assert(type(name) == "string" and math.type(handle) == "integer", "Invalid name or handle")
	names[name] = names[name] or handle
	tell_all(message("N", name, handle))
end

function on.Q(fd, name)
	if names[name] then
		socket.write(fd, message("N", name, names[name]))
	end
end

local function handle(fd, kind, ...)
	local f = on[kind]
	if f then
		f(fd, ...)
	else
		skynet.error(("Invalid slave message type %s"):format(kind))
	end
end

local function listen_to(fd)
	while true do
		handle(fd, receive(fd))
	end
end

local function serve(fd)
	local joined, id = pcall(join, fd)
	if not joined then
		skynet.error(("disconnect fd = %d, error = %s"):format(fd, id))
		return socket.close(fd)
	end
	pcall(listen_to, fd) -- ends with the connection, or with a message that makes no sense
	skynet.error(("slave %d is down"):format(id))
	nodes[id].fd = false
	tell_all(message("D", id))
	socket.close(fd)
end

skynet.info_func(function()
	return { nodes = nodes, names = names }
end)

skynet.start(function()
	local address = assert(skynet.getenv "standalone", "the config has no `standalone`, where the master listens")
	local listener = assert(socket.listen(address))
	socket.start(listener, function(fd, from)
		skynet.error(("connect from %s %d"):format(from, fd))
		skynet.fork(serve, fd)
	end)
end)
