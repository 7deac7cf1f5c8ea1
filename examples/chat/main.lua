-- A chat room over websockets, and three guests. A browser can join in: serve it, and open the address that is logged.
--
--     cargo run --release -- run examples/chat
--
-- prints
--
--     Anna hears: Anna is here
--     Anna hears: Ben is here
--     Ben hears: Ben is here
--     Anna hears: Ben: hello
--     Ben hears: Ben: hello
--     Anna hears: Ben has left
--
-- and ends. With an address as argument it serves until it is stopped:
--
--     cargo run --release -- run examples/chat 127.0.0.1:8080

local skynet = require "skynet"
local server = require "skynet.http.server"
local websocket = require "http.websocket"
local url = require "http.url"
require "skynet.manager"

local PAGE <const> = [[
<!doctype html><meta charset="utf-8"><title>chat</title>
<ul id="lines"></ul><form id="form"><input id="text" autofocus></form>
<script>
const name = prompt("your name?") || "somebody"
const ws = new WebSocket(location.href.replace(/^http/, "ws") + "room?name=" + encodeURIComponent(name))
ws.onmessage = event => {
	const line = document.createElement("li")
	line.textContent = event.data
	document.getElementById("lines").append(line)
}
document.getElementById("form").onsubmit = event => {
	event.preventDefault()
	ws.send(document.getElementById("text").value)
	document.getElementById("text").value = ""
}
</script>
]]

local guests = {} -- id -> name

-- Who does not take what is said is not waited for: the engine keeps it.
local function say(text)
	for id in pairs(guests) do
		pcall(websocket.write, id, text)
	end
end

local function leave(id)
	local name = guests[id]
	if name then
		guests[id] = nil
		say(name .. " has left")
	end
end

local room = { close = leave, error = leave }

function room.handshake(id, _, target)
	local _, query = url.parse(target)
	guests[id] = tostring(url.parse_query(query).name or "somebody"):sub(1, 30)
	say(guests[id] .. " is here")
end

function room.message(id, text)
	say(guests[id] .. ": " .. text)
end

local function handler(request)
	if request.path == "/room" then
		local ok, why = request:websocket(room, { limit = 4096 })
		leave(request.id)
		if not ok then
			skynet.error(why)
		end
		return
	elseif request.path == "/" then
		return 200, PAGE, { ["content-type"] = "text/html; charset=utf-8" }
	end
	return 404, "there is only one room here"
end

local function join(port, name)
	local address = ("ws://127.0.0.1:%d/room?name=%s"):format(port, name)
	return { name = name, id = websocket.connect(address, nil, 500, { mask = true, strict = true }) }
end

local function hear(guest)
	print(("%s hears: %s"):format(guest.name, (websocket.read(guest.id))))
end

local address = ...

skynet.start(function()
	local host, port = (address or "127.0.0.1:0"):match "^(.*):(%d+)$"
	local web = server.listen { address = host, port = math.tointeger(tonumber(port)), handler = handler }
	if address then
		return skynet.error(("http://%s:%d/"):format(host, web.port))
	end
	local anna = join(web.port, "Anna")
	hear(anna)
	local ben = join(web.port, "Ben")
	hear(anna)
	hear(ben)
	websocket.write(ben.id, "hello")
	hear(anna)
	hear(ben)
	websocket.close(ben.id, 1000, "bye")
	hear(anna)
	skynet.abort()
end)
