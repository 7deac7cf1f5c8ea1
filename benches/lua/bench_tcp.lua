-- Sends every line back to the connection it came from.
local skynet = require "skynet"
local socket = require "skynet.socket"

local function serve(id)
	socket.start(id)
	while true do
		local line = socket.readline(id)
		if not line then return socket.close(id) end
		socket.write(id, line .. "\n")
	end
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, port, tls)
		local listener = socket.listen("127.0.0.1", port, nil, tls)
		socket.start(listener, function(id) skynet.fork(serve, id) end)
		skynet.retpack(true)
	end)
end)
