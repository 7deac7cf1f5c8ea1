-- A page for a browser, which talks by websockets to skynet.http.server, that serves it, and to http.websocket as
-- programs of skynet (C) use it; and posts what it saw, which is written to standard output.
local skynet = require "skynet"
local socket = require "skynet.socket"
local server = require "skynet.http.server"
local websocket = require "http.websocket"

local tls = skynet.getenv "tls" == "true"

local function say(text)
	print(text)
	io.stdout:flush()
end

local function read_page(port)
	local file <close> = assert(io.open(skynet.getenv "page"))
	return (file:read "a":gsub("OTHER_PORT", port))
end

-- An echo. What begins with "please" is done instead.
local function echo(name)
	local handle = {}

	function handle.message(id, data, kind)
		if data == "please ping" then
			websocket.ping(id)
		elseif data == "please close" then
			websocket.close(id, 4002, "bye für dich")
		else
			websocket.write(id, data, kind)
		end
	end

	function handle.pong(id)
		websocket.write(id, "there was a pong")
	end

	function handle.close(_, code, reason)
		say(("%s: closed with %s %s"):format(name, code, reason))
	end

	function handle.error()
		say(name .. ": lost")
	end

	return handle
end

skynet.start(function()
	local sockets, _, port = socket.listen("127.0.0.1", 0)
	local of_accept = echo "accept"
	socket.start(sockets, function(id, addr)
		skynet.fork(function()
			local ok, why = websocket.accept(id, of_accept, tls and "wss" or "ws", addr)
			if not ok then
				say("accept: " .. tostring(why))
			end
		end)
	end)

	local page = read_page(port)
	local of_server = echo "server"
	local function handler(request)
		if request.header.upgrade then
			return request:websocket(of_server, { strict = true, deflate = true })
		elseif request.path == "/" then
			return 200, page, { ["content-type"] = "text/html; charset=utf-8" }
		elseif request.path == "/seen" and request.method == "POST" then
			say(request:body())
			return 204
		end
		return 404, "there is no " .. request.path
	end
	local web = server.listen { address = "127.0.0.1", handler = handler, tls = tls and { cert = "server.pem" } or nil }
	say("PORT " .. web.port)
end)
