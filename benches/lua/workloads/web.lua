-- HTTP and websockets over the loopback interface. Server and clients are in this node; 64 clients, each with one
-- request or message outstanding.
local skynet = require "skynet"
local measure = require "measure"
local timed, join, optional = measure.timed, measure.join, measure.optional

local W = {}

local clients <const> = 64

local function port() return assert(tonumber(os.getenv "BENCH_PORT"), "BENCH_PORT is a free port") end

local function host() return "127.0.0.1:" .. port() end

-- Starts a server; clients may need the module.
local function start(kind)
	local socket = optional "skynet.socket"
	skynet.call(skynet.newservice("bench_web", kind), "lua", port())
	return socket
end

-- A request of the usual kind, and the body of its answer.
local function request(target)
	local head = "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nAccept: text/plain\r\n\r\n"
	return head:format(target, host()), ("GET %s 0"):format(target)
end

-- A connection for each request, which the server closes, by a client that does no more than it has to.
function W.httpd(name, n)
	optional "http.httpd"
	local socket = start "httpd"
	local each = n // clients
	timed(name, each * clients, function()
		join(clients, function(i)
			local text, body = request("/client/" .. i)
			for _ = 1, each do
				local id = assert(socket.open("127.0.0.1", port()))
				socket.write(id, text)
				local answer = socket.readall(id)
				socket.close(id)
				assert(answer:find("^HTTP/1.1 200 ") and answer:sub(-#body - 4) == "\r\n\r\n" .. body, answer)
			end
		end)
	end)
end

-- The same by `http.httpc`.
function W.httpc(name, n)
	optional "http.httpd"
	local httpc = optional "http.httpc"
	start "httpd"
	local server = host()
	local each = n // clients
	timed(name, each * clients, function()
		join(clients, function(i)
			local target = "/client/" .. i
			local expected = ("GET %s 0"):format(target)
			for _ = 1, each do
				local status, body = httpc.get(server, target)
				assert(status == 200 and body == expected, body)
			end
		end)
	end)
end

-- Messages of 64 bytes, with a mask as clients send them.
function W.websocket(name, n)
	local websocket = optional "http.websocket"
	start "websocket"
	local ids = {}
	for i = 1, clients do ids[i] = websocket.connect(("ws://%s/echo"):format(host())) end
	local each = n // clients
	timed(name, each * clients, function()
		join(clients, function(i)
			local id, message = ids[i], string.rep(string.char(96 + i % 26), 64)
			for _ = 1, each do
				websocket.write(id, message, "binary", 0x12345678)
				assert(websocket.read(id) == message)
			end
		end)
	end)
	for i = 1, clients do websocket.close(ids[i]) end
end

-- Requests one after the other on connections that stay.
function W.httpserver(name, n)
	optional "skynet.http.server"
	local socket = start "server"
	local ids = {}
	for i = 1, clients do ids[i] = assert(socket.open("127.0.0.1", port())) end
	local each = n // clients
	timed(name, each * clients, function()
		join(clients, function(i)
			local id, readline, write = ids[i], socket.readline, socket.write
			local text, body = request("/client/" .. i)
			for _ = 1, each do
				write(id, text)
				assert(readline(id, "\r\n") == "HTTP/1.1 200 OK")
				local length
				while true do
					local line = assert(readline(id, "\r\n"))
					if line == "" then break end
					length = length or tonumber(line:match "^[Cc]ontent%-[Ll]ength: (%d+)$")
				end
				assert(socket.read(id, length) == body)
			end
		end)
	end)
	for i = 1, clients do socket.close(ids[i]) end
end

return W
