-- Where clients connect: lines of text, each with an answer.
--
--     match                          the name of a room, when another player has come
--     score ROOM PLAYER POINTS       the points in the room, and the node that has it
--     drain NODE                     gives the rooms of a node away (for operators)

local skynet = require "skynet"
local socket = require "skynet.socket"
local cluster = require "skynet.cluster"
local discovery = require "skynet.discovery"

local port = ...

local command = {}

function command.match()
	while true do
		local node = discovery.whereis "match"
		local ok, room = pcall(cluster.call, node or "nobody", "@match", "enter")
		if ok then
			return room
		end
		skynet.sleep(20) -- nobody runs it yet, or its node has died and another one is about to start it
	end
end

-- While a room moves, its node may say that it is not there any more.
function command.score(room, player, points)
	for _ = 1, 100 do
		local node = discovery.pick({ role = "room" }, room)
		local ok, total, where = pcall(cluster.call, node or "nobody", "@rooms", "score", room, player, tonumber(points))
		if ok and total then
			return ("%d on %s"):format(total, where)
		end
		skynet.sleep(10)
	end
	return "the room cannot be reached"
end

function command.drain(node)
	return ("%d rooms have moved"):format(cluster.call(node, "@rooms", "drain"))
end

local function serve(id)
	socket.start(id)
	for line in function() return socket.readline(id) or nil end do
		local words = {}
		for word in line:gmatch "%S+" do
			words[#words + 1] = word
		end
		local f = command[words[1]]
		local ok, answer = pcall(f or error, table.unpack(words, 2))
		socket.write(id, (ok and answer or "error") .. "\n")
	end
	socket.close(id)
end

skynet.start(function()
	local id = socket.listen("127.0.0.1", tonumber(port))
	socket.start(id, function(client)
		skynet.fork(serve, client)
	end)
	skynet.error "the lobby is open"
end)
