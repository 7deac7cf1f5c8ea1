-- Owns the gate and decides who serves a client.

local skynet = require "skynet"

local gate
local agents = {} -- fd -> agent, or false while it is started
local gone = 0
local waiting -- { number, response } of until_gone

local function close(fd)
	local agent = agents[fd]
	agents[fd] = nil
	-- The gate keeps the socket until it is told that nobody wants to write to it any more.
	skynet.call(gate, "lua", "kick", fd)
	if agent then
		skynet.send(agent, "lua", "stop")
	end
	gone = gone + 1
	if waiting and gone >= waiting.number then
		waiting.response(true)
		waiting = nil
	end
end

-- What the gate reports.
local event = {}

function event.open(fd, from)
	skynet.error("connected: " .. from)
	agents[fd] = false
	local ok, agent = pcall(skynet.newservice, "agent", gate, fd)
	if agents[fd] == nil then -- the client did not wait for it
		if ok then
			skynet.send(agent, "lua", "stop")
		end
	elseif ok then
		agents[fd] = agent
	else
		skynet.call(gate, "lua", "kick", fd)
	end
end

function event.close(fd)
	close(fd)
end

function event.error(fd, text)
	skynet.error(("connection %d: %s"):format(fd, text))
	close(fd)
end

function event.warning(fd, kb)
	skynet.error(("connection %d: %d KB of output wait"):format(fd, kb))
end

local command = {}

function command.start(conf)
	conf.watchdog = skynet.self()
	skynet.retpack(skynet.call(gate, "lua", "open", conf))
end

-- Answers when this many clients have gone.
function command.until_gone(number)
	if gone >= number then
		skynet.retpack(true)
	else
		waiting = { number = number, response = skynet.response() }
	end
end

skynet.start(function()
	gate = skynet.newservice "gate"
	skynet.dispatch("lua", function(_, _, name, sub, ...)
		if name == "socket" then
			event[sub](...)
		else
			command[name](sub, ...)
		end
	end)
end)
