-- Servers for peers that are not ours: skynet.http.server with a websocket echo, and http.httpd with http.websocket.
local skynet = require "skynet"
local socket = require "skynet.socket"
local server = require "skynet.http.server"
local httpd = require "http.httpd"
local sockethelper = require "http.sockethelper"
local websocket = require "http.websocket"

local tls = skynet.getenv "tls" == "true" and { cert = "server.pem" } or nil

local handle = {
	message = function(id, data, kind)
		websocket.write(id, data, kind)
	end,
}

local function pieces()
	local i = 0
	return function()
		i = i + 1
		return i <= 5 and ("piece %d\n"):format(i) or nil
	end
end

local function handler(request)
	if request.header.upgrade then
		return request:websocket(handle, { deflate = true, limit = 1 << 20 })
	elseif request.path == "/pieces" then
		return 200, pieces()
	elseif request.path == "/moved" then
		return 302, nil, { location = "/there" }
	end
	return 200, ("%s %s %d"):format(request.method, request.path, #request:body())
end

-- One request for each connection, as programs of skynet (C) do it.
local function plain(id)
	socket.start(id)
	local code, url, method, _, body = httpd.read_request(sockethelper.readfunc(id), 1 << 20)
	local write = sockethelper.writefunc(id)
	if code == 200 then
		httpd.write_response(write, 200, url == "/pieces" and pieces() or ("%s %s %d"):format(method, url, #body))
	elseif code then
		httpd.write_response(write, code)
	end
	socket.close(id)
end

skynet.start(function()
	local web = server.listen { address = "127.0.0.1", handler = handler, tls = tls }
	local listener, _, port = socket.listen("127.0.0.1", 0)
	socket.start(listener, function(id)
		skynet.fork(plain, id)
	end)
	local sockets, _, other = socket.listen("127.0.0.1", 0)
	socket.start(sockets, function(id, addr)
		skynet.fork(websocket.accept, id, handle, "ws", addr)
	end)
	print("PLAIN " .. port)
	print("WEBSOCKET " .. other)
	print("PORT " .. web.port)
	io.stdout:flush()
end)
