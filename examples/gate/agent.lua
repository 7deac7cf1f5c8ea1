-- Serves one client: its frames come straight from the gate, and answers go straight to the socket.

local skynet = require "skynet"
local socket = require "skynet.socket"

local gate, fd = ...
gate, fd = tonumber(gate), tonumber(fd)

local name

local function answer(text)
	socket.write(fd, string.pack(">s2", text))
end

local request = {}

function request.name(text)
	name = text
	answer("welcome, " .. name)
end

function request.count(text)
	answer(("%d letters: %s"):format(#text, text))
end

skynet.register_protocol {
	name = "client",
	id = skynet.PTYPE_CLIENT,
	unpack = skynet.tostring,
	-- The session is the connection: nobody waits for an answer under it.
	dispatch = function(_, _, text)
		skynet.ignoreret()
		local what, rest = text:match "^(%a+) (.*)$"
		local f = request[what]
		if f then
			f(rest)
		else
			answer "what?"
		end
	end,
}

skynet.start(function()
	skynet.dispatch("lua", function(_, _, cmd)
		assert(cmd == "stop")
		skynet.exit()
	end)
	skynet.call(gate, "lua", "forward", fd) -- from now on the client is read
end)
