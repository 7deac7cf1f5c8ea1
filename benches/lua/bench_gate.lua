-- The node's side of the gate workloads. Clients send frames of 2 + n bytes; the first letter says what is wanted:
--     e   the same frame back
--     j   the same, and what is said in the room from now on
--     b   the frame goes to everybody in the room
-- `newservice("bench_gate", role)`: the watchdog, which owns a gate of either kind; an agent, which serves a share of
-- the clients; the room.
local skynet = require "skynet"

local role = {}

function role.watchdog()
	local agents, events, C, gate = {}, {}, {}, nil

	-- What a gate of either kind is told when there is a new client. The agent is chosen by the connection.
	local function agent(fd) return agents[fd % #agents + 1] end

	function events.open(fd) skynet.send(agent(fd), "lua", "take", gate, fd) end

	function events.close(fd) skynet.send(gate, "lua", "kick", fd) end

	events.error = events.close

	-- The service `gate`.
	function C.lua(list, port, most)
		agents = list
		gate = skynet.newservice "gate"
		skynet.call(gate, "lua", "open", {
			address = "127.0.0.1", port = port, maxclient = most + 1, nodelay = true, backlog = 128, watchdog = skynet.self(),
		})
		skynet.retpack(true)
	end

	-- The native one, whose events and commands are texts.
	function C.native(list, port, most)
		agents = list
		local manager = require "skynet.manager"
		local function tell(...) skynet.send(gate, "text", string.format(...)) end
		skynet.register_protocol {
			name = "text",
			id = skynet.PTYPE_TEXT,
			pack = function(text) return text end,
			unpack = skynet.tostring,
			dispatch = function(_, _, text)
				local fd, what = text:match "^(%d+) (%a+)"
				if what ~= "open" then return end
				fd = tonumber(fd)
				tell("forward %d %s :0", fd, skynet.address(agent(fd)))
				tell("start %d", fd)
			end,
		}
		gate = assert(manager.launch("gate", "S", skynet.address(skynet.self()), "127.0.0.1:" .. port, 0, most))
		skynet.retpack(true)
	end

	function C.socket(event, ...)
		if events[event] then events[event](...) end
	end

	skynet.start(function()
		skynet.dispatch("lua", function(_, _, cmd, ...) C[cmd](...) end)
	end)
end

function role.agent()
	local send = require("skynet.socketdriver").send
	local pack, room, C = string.pack, nil, {}

	skynet.register_protocol {
		name = "client",
		id = skynet.PTYPE_CLIENT,
		unpack = skynet.tostring,
		dispatch = function(fd, _, text)
			skynet.ignoreret()
			local what = text:byte()
			if what == 98 then -- b
				return skynet.send(room, "lua", "say", text)
			elseif what == 106 then -- j
				skynet.send(room, "lua", "join", fd)
			end
			send(fd, pack(">s2", text))
		end,
	}

	function C.room(h)
		room = h
		skynet.retpack(true)
	end

	function C.take(gate, fd) skynet.send(gate, "lua", "forward", fd) end

	skynet.start(function()
		skynet.dispatch("lua", function(_, _, cmd, ...) C[cmd](...) end)
	end)
end

function role.room()
	local send = require("skynet.socketdriver").send
	local members, C = {}, {}

	function C.join(fd) members[#members + 1] = fd end

	function C.say(text)
		local frame = string.pack(">s2", text)
		for i = 1, #members do send(members[i], frame) end
	end

	skynet.start(function()
		skynet.dispatch("lua", function(_, _, cmd, ...) C[cmd](...) end)
	end)
end

role[...]()
