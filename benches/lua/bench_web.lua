-- A web server: one service accepts connections and hands them to 8 agents in turn. `newservice("bench_web", kind)`
-- accepts, and is then told the port; kind says what the agents serve with: `httpd` (one request for each connection),
-- `websocket` (every message comes back), `server` (`skynet.http.server`, whose connections stay).
local skynet = require "skynet"
local socket = require "skynet.socket"

local kind, is_agent = ...
local agents <const> = 8

-- Each makes what serves one connection until its end.
local serve = {}

function serve.httpd()
	local httpd = require "http.httpd"
	local sockethelper = require "http.sockethelper"
	local header = { ["content-type"] = "text/plain" }
	return function(id)
		socket.start(id)
		local code, url, method, _, body = httpd.read_request(sockethelper.readfunc(id), 8192)
		if code == 200 then
			local answer = ("%s %s %d"):format(method, url, #body)
			assert(httpd.write_response(sockethelper.writefunc(id), 200, answer, header))
		elseif code then
			assert(httpd.write_response(sockethelper.writefunc(id), code))
		end
		socket.close(id)
	end
end

function serve.websocket()
	local websocket = require "http.websocket"
	local handle = {}
	function handle.message(id, data, form) websocket.write(id, data, form) end
	return function(id, addr) assert(websocket.accept(id, handle, "ws", addr)) end
end

function serve.server()
	local server = require "skynet.http.server"
	local header = { ["content-type"] = "text/plain" }
	local options = {
		handler = function(request)
			return 200, ("%s %s %d"):format(request.method, request.url, #request:body()), header
		end,
	}
	return function(id, addr) server.serve(id, addr, options) end
end

local function agent()
	local f = serve[kind]()
	skynet.dispatch("lua", function(_, _, id, addr)
		skynet.ignoreret()
		f(id, addr)
	end)
end

local function accept()
	skynet.dispatch("lua", function(_, _, port)
		local list, turn = {}, 0
		for i = 1, agents do list[i] = skynet.newservice("bench_web", kind, "agent") end
		local listener = socket.listen("127.0.0.1", port)
		socket.start(listener, function(id, addr)
			turn = turn % agents + 1
			skynet.send(list[turn], "lua", id, addr)
		end)
		skynet.retpack(true)
	end)
end

skynet.start(is_agent and agent or accept)
