-- A server of MongoDB's protocol inside a test, whose answers the test makes.
local socket = require "skynet.socket"
local bson = require "bson"
local driver = require "skynet.mongo.driver"
local pair = require "pair"

local mongoserver = {}

-- The bytes of an answer to a request.
function mongoserver.message(to, document, id)
	local bytes = driver.op_msg(id or 1, 0, document)
	return bytes:sub(1, 8) .. string.pack("<i4", to) .. bytes:sub(13)
end

local function serve(state, id, answer, hello)
	socket.start(id)
	state.connections = state.connections + 1
	state.ids[id] = true
	local number = state.connections
	while true do
		local head = socket.read(id, 4)
		local size = head and driver.length(head)
		local bytes = size and socket.read(id, size)
		if not bytes then
			break
		end
		local request = string.unpack("<i4", bytes)
		local _, _, document = driver.reply(bytes)
		local command = bson.decode(document)
		local result
		if command.ismaster then
			result = hello and hello(number) or { ismaster = true, ok = 1 }
		else
			result = answer(command, id, number, request)
		end
		if not result then
			break
		elseif type(result) == "table" then
			result = mongoserver.message(request, bson.encode(result))
		end
		socket.write(id, result)
	end
	state.ids[id] = nil
	socket.close(id)
end

-- Answers with what answer(command, id of the socket, number of the connection, number of the request) returns: a
-- table, bytes, or nil to end the connection. It is the primary unless `hello` says otherwise. Returns its port and its
-- state, which can be told to stop and to start again at the same port.
function mongoserver.start(answer, hello)
	local state = { connections = 0, ids = {} }
	local function accept(id)
		serve(state, id, answer, hello)
	end
	local port
	port, state.listener = pair.server(accept)
	function state:stop()
		socket.close(self.listener)
		for id in pairs(self.ids) do
			socket.close(id)
		end
	end
	function state:again()
		self.listener = socket.listen("127.0.0.1", port)
		socket.start(self.listener, accept)
	end
	return port, state
end

return mongoserver
