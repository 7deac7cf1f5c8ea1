-- A server that sends every line back, and clients that talk to it.
--
--     cargo run --release -- run examples/echo
--
-- prints
--
--     client 1: hello
--     client 1: again
--     client 2: hello
--     client 2: again
--     client 3: hello
--     client 3: again
--
-- (in any order), and ends. With an address as argument it serves until it is stopped, to be tried with `nc`:
--
--     cargo run --release -- run examples/echo 127.0.0.1:8888

local skynet = require "skynet"
local socket = require "skynet.socket"
require "skynet.manager"

-- Reading waits for data; other connections are served meanwhile, each by a coroutine of its own.
local function serve(id)
	socket.start(id)
	while true do
		local line = socket.readline(id)
		if not line then -- the client has gone
			break
		end
		socket.write(id, line .. "\n")
	end
	socket.close(id)
end

local function listen(host, port)
	local listener, ip, bound = socket.listen(host, port)
	socket.start(listener, function(id, from)
		skynet.error("connected: " .. from)
		serve(id)
		skynet.error("gone: " .. from)
	end)
	return ip, bound
end

local function client(n, ip, port)
	local id = assert(socket.open(ip, port))
	for _, word in ipairs { "hello", "again" } do
		socket.write(id, word .. "\n")
		print(("client %d: %s"):format(n, socket.readline(id)))
	end
	socket.close(id)
end

local address = ...
skynet.start(function()
	if address then
		return listen(address)
	end
	local ip, port = listen("127.0.0.1", 0) -- any free port
	local left = 3
	local all = coroutine.running()
	for n = 1, left do
		skynet.fork(function()
			client(n, ip, port)
			left = left - 1
			if left == 0 then
				skynet.wakeup(all)
			end
		end)
	end
	skynet.wait(all)
	skynet.abort()
end)
