-- A server that the tests of faults kill and start again: frames of a 2-byte length, a 4-byte session and some text are
-- answered with the same frame, in any order. It writes "PORT <number>" when it is ready.
local skynet = require "skynet"
local socket = require "skynet.socket"
local check = require "check"

local function answer(id, frame)
	if math.random(10) == 1 then
		skynet.sleep(math.random(0, 2))
	end
	socket.write(id, string.pack(">s2", frame))
end

local function serve(id)
	socket.start(id)
	while true do
		local header = socket.read(id, 2)
		local frame = header and socket.read(id, socket.header(header))
		if not frame then
			return socket.close(id)
		end
		skynet.fork(answer, id, frame)
	end
end

skynet.start(function()
	local listener, _, port = socket.listen("127.0.0.1", tonumber(skynet.getenv "port"))
	socket.start(listener, serve)
	check.emit("PORT ", tostring(port))
end)
