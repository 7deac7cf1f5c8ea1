-- A gate whose clients' frames go to their agents. A watchdog is told of what happens to the
-- connections, and gets the frames of clients without an agent.

local skynet = require "skynet"
local driver = require "skynet.socketdriver"
local gateserver = require "snax.gateserver"

skynet.register_protocol {
	name = "client",
	id = skynet.PTYPE_CLIENT,
}

local connections = {} -- fd -> { agent =, client = }; both nil while its frames go to the watchdog
local watchdog

local function report(what, fd, ...)
	skynet.send(watchdog, "lua", "socket", what, fd, ...)
end

local function lost(what, fd, ...)
	connections[fd] = nil
	report(what, fd, ...)
end

local handler = {}

function handler.open(source, conf)
	watchdog = conf.watchdog or source
	return conf.address, conf.port
end

function handler.connect(fd, from)
	connections[fd] = {}
	report("open", fd, from)
end

function handler.message(fd, msg, sz)
	local c = connections[fd]
	if c and c.agent then
		-- The client's address stands for the sender; the message's memory goes along.
		return skynet.redirect(c.agent, c.client, "client", fd, msg, sz)
	end
	local text = skynet.tostring(msg, sz) or ""
	skynet.trash(msg, sz)
	report("data", fd, text)
end

function handler.disconnect(fd)
	lost("close", fd)
end

function handler.error(fd, text)
	lost("error", fd, text)
end

function handler.warning(fd, kb)
	report("warning", fd, kb)
end

local function open(fd, agent, client)
	local c = assert(connections[fd], "no such connection")
	c.agent, c.client = agent, client ~= 0 and client or skynet.self()
	-- The gate reads no faster than the agent handles its messages.
	driver.feed(fd, math.type(agent) == "integer" and agent or 0)
	gateserver.openclient(fd)
end

local command = {}

function command.forward(source, fd, client, address)
	open(fd, address or source, client)
end

function command.accept(_, fd)
	open(fd)
end

function command.kick(_, fd)
	gateserver.closeclient(fd)
end

function handler.command(name, source, ...)
	local f = assert(command[name], "unknown command")
	return f(source, ...)
end

gateserver.start(handler)
