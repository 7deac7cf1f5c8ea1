-- Three nodes that find each other through etcd: a lobby, and two nodes with rooms. A match-maker runs on one of them. Two
-- players play while one of the nodes is drained.
--
--     etcd
--     cargo run --release -- examples/rooms/room1.config
--     cargo run --release -- examples/rooms/room2.config
--     cargo run --release -- examples/rooms/lobby.config
--     cargo run --release -- run examples/rooms/player.lua 8100
--
-- The last one prints, and ends:
--
--     both are in one room: true
--     scores of both: 3
--     rooms that have moved: 1
--     the room is on another node: true
--     scores of both, and 7 more: 10
--
-- A node that was drained can be stopped and started anew, with another version of the program. What a node knows is lost
-- if it dies: what must not be lost belongs into a database.

local skynet = require "skynet"
local socket = require "skynet.socket"
require "skynet.manager"

local port = tonumber((...)) or 8100

local function ask(id, ...)
	socket.write(id, table.concat({ ... }, " ") .. "\n")
	return assert(socket.readline(id), "the lobby has hung up")
end

-- "7 on room1"
local function score(id, ...)
	return ask(id, "score", ...):match "^(%d+) on (%S+)$"
end

skynet.start(function()
	local alice = assert(socket.open("127.0.0.1", port))
	local bob = assert(socket.open("127.0.0.1", port))
	local rooms = {}
	for _, id in ipairs { alice, bob } do
		skynet.fork(function()
			local room = ask(id, "match")
			table.insert(rooms, room)
			skynet.wakeup(rooms)
		end)
	end
	while #rooms < 2 do
		skynet.wait(rooms)
	end
	print("both are in one room: " .. tostring(rooms[1] == rooms[2]))
	local room = rooms[1]
	score(alice, room, "alice", 1)
	local total, node = score(bob, room, "bob", 2)
	print("scores of both: " .. total)

	print("rooms that have moved: " .. ask(alice, "drain", node):match "^%d+")
	local total_now, node_now = score(alice, room, "alice", 7)
	print("the room is on another node: " .. tostring(node_now ~= node))
	print("scores of both, and 7 more: " .. total_now)
	skynet.abort()
end)
