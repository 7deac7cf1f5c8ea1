-- The rooms of one node. Which node has a room is what discovery.pick says for its name. If that changes, since a node
-- drains or another one has come, the new node asks the others for the room when somebody enters it.

local skynet = require "skynet"
local cluster = require "skynet.cluster"
local discovery = require "skynet.discovery"
local queue = require "skynet.queue"

local ROOMS <const> = { role = "room" }

local here = skynet.getenv "nodename"
local draining = false
local rooms = {} -- name -> { scores = player -> points }
local moving = {} -- name -> queue in which the room is looked for

-- All nodes hear of a change within a moment, but not in the same one.
local function is_mine(name)
	return not draining and discovery.pick(ROOMS, name) == here
end

-- The room as another node has it, which loses it thereby.
local function fetch(name)
	for _, node in ipairs(discovery.nodes(ROOMS)) do
		if node.name ~= here then
			local ok, room = pcall(cluster.call, node.name, "@rooms", "give", name)
			if ok and room then
				return room
			end
		end
	end
end

local function find(name)
	if rooms[name] then
		return rooms[name]
	end
	moving[name] = moving[name] or queue()
	return moving[name](function()
		rooms[name] = rooms[name] or fetch(name) or { scores = {} }
		return rooms[name]
	end)
end

local command = {}

-- A player has won points: the points of all players in the room; nil and "moved" if the room is on another node.
function command.score(name, player, points)
	if not rooms[name] and not is_mine(name) then
		return nil, "moved"
	end
	local room = find(name)
	room.scores[player] = (room.scores[player] or 0) + points
	local total = 0
	for _, n in pairs(room.scores) do
		total = total + n
	end
	return total, here
end

-- Another node takes a room over.
function command.give(name)
	local room = rooms[name]
	rooms[name] = nil
	return room
end

-- A node that has just been chosen for a room fetches it, before anybody enters.
function command.take(name)
	find(name)
	return true
end

-- This node takes nothing new, and gives its rooms away: how many there were.
function command.drain()
	draining = true
	discovery.drain()
	local count = 0
	for name in pairs(rooms) do
		local node
		for _ = 1, 100 do
			node = discovery.pick(ROOMS, name)
			if node ~= here then
				break
			end
			skynet.sleep(5)
		end
		assert(node ~= here, "there is no other node for the rooms")
		cluster.call(node, "@rooms", "take", name)
		count = count + 1
	end
	return count
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
	cluster.register "rooms"
end)
