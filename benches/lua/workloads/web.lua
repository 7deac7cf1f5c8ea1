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
local function start(kind, certificate)
	local socket = optional "skynet.socket"
	skynet.call(skynet.newservice("bench_web", kind), "lua", port(), certificate)
	return socket
end

-- Runs f with the name of a file that has a certificate and its key.
local function with_certificate(f)
	local name = os.tmpname()
	local file <close> = assert(io.open(name, "w"))
	file:write(require "bench_certificate")
	file:flush()
	f(name)
	os.remove(name)
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

-- By `http.httpc`, of which each request has a connection of its own.
local function by_httpc(name, n, server)
	local httpc = optional "http.httpc"
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

-- The same as `httpd` by that client.
function W.httpc(name, n)
	optional "http.httpd"
	start "httpd"
	by_httpc(name, n, host())
end

-- Starts such a server with TLS by the modules of skynet (C), which not every build of it has. Here the client verifies;
-- the one of skynet (C) cannot.
local function start_https(certificate)
	optional("ltls.init.c").constructor() -- what the config key enablessl does
	optional("http.httpc").tls = { ca = certificate }
	start("https", certificate)
end

function W.https(name, n)
	with_certificate(function(certificate)
		start_https(certificate)
		by_httpc(name, n, "https://localhost:" .. port())
	end)
end

function W.httpsbulk(name, n)
	with_certificate(function(certificate)
		start_https(certificate)
		local httpc = require "http.httpc"
		local server = "https://localhost:" .. port()
		timed(name, n, function()
			for _ = 1, n do
				local status, body = httpc.get(server, "/bulk")
				assert(status == 200 and #body == 1 << 20)
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
local function kept(name, n, certificate)
	optional "skynet.http.server"
	local socket = start("server", certificate)
	local ids = {}
	for i = 1, clients do
		ids[i] = assert(socket.open("127.0.0.1", port()))
		if certificate then assert(socket.tls(ids[i], { ca = certificate })) end
	end
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

function W.httpserver(name, n) kept(name, n) end

function W.httpsserver(name, n)
	with_certificate(function(certificate) kept(name, n, certificate) end)
end

return W
