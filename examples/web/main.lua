-- A web server: one service accepts connections and hands them to agents, each of which serves its share.
--
--     cargo run --release -- run examples/web
--
-- prints
--
--     GET /hello: hello nobody
--     GET /hello?who=Anna: hello Anna
--     POST /sum: 6
--     GET /numbers: 1 2 3 4 5
--     GET /nothing: 404
--     2 agents have answered
--
-- and ends. With an address as argument it serves until it is stopped, to be tried with `curl` or a browser:
--
--     cargo run --release -- run examples/web 127.0.0.1:8080

local skynet = require "skynet"
local socket = require "skynet.socket"
local client = require "skynet.http.client"
require "skynet.manager"

local AGENTS <const> = 2

local function listen(host, port)
	local agents = {}
	for i = 1, AGENTS do
		agents[i] = skynet.newservice "agent"
	end
	local listener, _, bound = socket.listen(host, port)
	local turn = 0
	-- A connection that was accepted here is started by the agent that gets it.
	socket.start(listener, function(id, addr)
		turn = turn % AGENTS + 1
		skynet.send(agents[turn], "lua", "serve", id, addr)
	end)
	return bound, agents
end

local function try(port)
	local base = "http://127.0.0.1:" .. port
	local function show(method, path, body)
		-- A client of its own is a connection of its own, so both agents have something to do.
		local http = client.new()
		local answer = http:request { url = base .. path, method = method, body = body }
		local text = answer.status == 200 and answer.body:gsub("%s+", " ") or tostring(answer.status)
		print(("%s %s: %s"):format(method, path, text))
		http:close()
	end
	show("GET", "/hello")
	show("GET", "/hello?who=Anna")
	show("POST", "/sum", "1 2 3")
	show("GET", "/numbers")
	show("GET", "/nothing")
end

local address = ...

skynet.start(function()
	local host, port = (address or "127.0.0.1:0"):match "^(.*):(%d+)$"
	local bound, agents = listen(host, math.tointeger(tonumber(port)))
	if address then
		return skynet.error("http://" .. host .. ":" .. bound)
	end
	try(bound)
	local busy = 0
	for _, agent in ipairs(agents) do
		busy = busy + (skynet.call(agent, "lua", "count") > 0 and 1 or 0)
	end
	print(busy .. " agents have answered")
	skynet.abort()
end)
