-- A client of the gate. It would be a program of its own on another machine; the frames are all it knows.

local skynet = require "skynet"
local socket = require "skynet.socket"

local name = ...

local function send(id, text)
	socket.write(id, string.pack(">s2", text))
end

local function receive(id) -- the gate sends no empty frames
	local header = assert(socket.read(id, 2), "the gate has closed the connection")
	return assert(socket.read(id, (">I2"):unpack(header)))
end

local function talk(ip, port, word)
	local id = assert(socket.open(ip, port))
	send(id, "name " .. name)
	print(name .. ": " .. receive(id))
	send(id, "count " .. word)
	print(name .. ": " .. receive(id))
	socket.close(id)
	return true
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, ...)
		skynet.retpack(talk(...))
	end)
end)
