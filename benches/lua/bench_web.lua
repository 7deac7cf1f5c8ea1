-- A web server: one service accepts connections and hands them to 8 agents in turn. `newservice("bench_web", kind)`
-- accepts, and is then told the port, and the file of a certificate, for TLS; kind says what the agents serve with:
-- `httpd` (one request for each connection), `https` (the same with TLS), `websocket` (every message comes back),
-- `server` (`skynet.http.server`, whose connections stay).
local skynet = require "skynet"
local socket = require "skynet.socket"

local kind, is_agent, certificate = ...
local agents <const> = 8

local HEADER <const> = { ["content-type"] = "text/plain" }
local BULK <const> = ("b"):rep(1 << 20)

-- Each makes what serves one connection until its end.
local serve = {}

-- One request, read and answered by these functions.
local function one_request(read, write)
	local httpd = require "http.httpd"
	local code, url, method, _, body = httpd.read_request(read, 8192)
	if code == 200 then
		local answer = url == "/bulk" and BULK or ("%s %s %d"):format(method, url, #body)
		assert(httpd.write_response(write, 200, answer, HEADER))
	elseif code then
		assert(httpd.write_response(write, code))
	end
end

function serve.httpd()
	local sockethelper = require "http.sockethelper"
	return function(id)
		socket.start(id)
		one_request(sockethelper.readfunc(id), sockethelper.writefunc(id))
		socket.close(id)
	end
end

function serve.https(certificate)
	local helper = require "http.tlshelper"
	local context = helper.newctx()
	context:set_cert(certificate, certificate)
	return function(id)
		socket.start(id)
		local tls = helper.newtls("server", context)
		helper.init_responsefunc(id, tls)()
		one_request(helper.readfunc(id, tls), helper.writefunc(id, tls))
		socket.close(id)
		helper.closefunc(tls)()
	end
end

function serve.websocket()
	local websocket = require "http.websocket"
	local handle = {}
	function handle.message(id, data, form) websocket.write(id, data, form) end
	return function(id, addr) assert(websocket.accept(id, handle, "ws", addr)) end
end

function serve.server(certificate)
	local server = require "skynet.http.server"
	local options = {
		handler = function(request)
			return 200, ("%s %s %d"):format(request.method, request.url, #request:body()), HEADER
		end,
		tls = certificate and { cert = certificate } or nil,
	}
	return function(id, addr) server.serve(id, addr, options) end
end

local function agent()
	local f = serve[kind](certificate)
	skynet.dispatch("lua", function(_, _, id, addr)
		skynet.ignoreret()
		f(id, addr)
	end)
end

local function accept()
	skynet.dispatch("lua", function(_, _, port, file)
		local list, turn = {}, 0
		for i = 1, agents do list[i] = skynet.newservice("bench_web", kind, "agent", file) end
		local listener = socket.listen("127.0.0.1", port)
		socket.start(listener, function(id, addr)
			turn = turn % agents + 1
			skynet.send(list[turn], "lua", id, addr)
		end)
		skynet.retpack(true)
	end)
end

skynet.start(is_agent and agent or accept)
