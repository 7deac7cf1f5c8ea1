-- A key-value server that speaks the protocol of Redis, well enough for its own tools.
--
--     cargo run --release -- run examples/redis              # on 127.0.0.1:6379
--     cargo run --release -- run examples/redis 0.0.0.0:7000
--
--     redis-cli set colour red
--     redis-benchmark -t ping,set,get,incr -n 100000 -P 16
--
-- resp.lua reads and writes the protocol, commands.lua is what the server can do, and this file serves connections.

local skynet = require "skynet"
local socket = require "skynet.socket"
local commands = require "commands"
local resp = require "resp"

local MAX_WAITING <const> = 16 * 1024 * 1024 -- bytes of answers that a client may leave unread

-- Runs the requests in `text` from `at` on; what is left over is the beginning of one that has not come whole.
local function run_all(text, answers)
	local at = 1
	while true do
		local request, after = resp.request(text, at)
		if not request then
			return text:sub(at), after
		end
		at = after
		if #request > 0 then
			answers[#answers + 1] = commands(request)
			if request.quit then
				return nil
			end
		end
	end
end

-- All requests that came together are answered by one write.
local function serve(id)
	socket.start(id)
	socket.writelimit(id, MAX_WAITING)
	local text, missing = "", nil
	while text do
		local data = socket.read(id, missing)
		if not data then
			break
		end
		local answers = {}
		local ok
		ok, text, missing = pcall(run_all, text .. data, answers)
		if not ok then
			local why = tostring(text):gsub("^.-:%d+: ", "") -- without the place in the source
			answers[#answers + 1] = resp.failure("ERR " .. why)
			text = nil
		end
		if #answers > 0 then
			socket.write(id, answers)
		end
	end
	socket.close(id)
end

local address = ...
skynet.start(function()
	local listener, ip, port = socket.listen(address or "127.0.0.1:6379")
	socket.start(listener, serve)
	skynet.error(("ready for connections on %s:%d"):format(ip, port))
end)
