-- The frame of a gate: a listening socket, its clients, and their frames (a 2-byte big-endian
-- length, then as many bytes). What happens to a client's frames is the handler's business.
--
-- `alive[fd]` is true while a client is connected, false after its end, until the handler has
-- let go of it; nil for a descriptor that is not a client.

local skynet = require "skynet"
local netpack = require "skynet.netpack"
local driver = require "skynet.socketdriver"
local core = require "skynet.core"

local check = core.check

local gateserver = {}

local alive = {}
local clients = 0 -- accepted connections that are neither closed by us nor by their peers
local limit = 0
local nodelay = false
local listener -- while it is open
local opening -- { fd, co, ip, port }: the command `open` waits for the bound address
local queue -- of netpack: frames that came together, and beginnings of frames

function gateserver.openclient(fd)
	if alive[fd] then
		driver.start(fd)
	end
end

function gateserver.closeclient(fd)
	local state = alive[fd]
	if state ~= nil then
		if state then
			clients = clients - 1
		end
		alive[fd] = nil
		driver.close(fd)
	end
end

local function listen(address, port, backlog, tls)
	skynet.error("Listen on", port and ("%s %s"):format(address, port) or address)
	local fd = driver.listen(address, port, backlog, tls)
	local wanted = { fd = fd, co = coroutine.running() }
	listener, opening = fd, wanted
	skynet.wait(wanted.co)
	return wanted.ip, wanted.port
end

local function socket_events(handler)
	local event = {}

	local function frame(fd, msg, sz)
		if alive[fd] then
			handler.message(fd, msg, sz)
		else
			local text = netpack.tostring(msg, sz)
			local left_out = core.admit()
			if left_out then
				local line = ("Drop message from fd (%d) : %s"):format(fd, core.shown(text))
				skynet.error(left_out > 0 and ("%s (%d lines before it were left out)"):format(line, left_out) or line)
			end
		end
	end

	event.data = frame

	-- Should the handler wait, or fail, the fork goes on with the frames behind.
	function event.more()
		local fd, msg, sz = netpack.pop(queue)
		if not fd then
			return
		end
		skynet.fork(event.more)
		while fd do
			frame(fd, msg, sz)
			fd, msg, sz = netpack.pop(queue)
		end
	end

	function event.open(fd, from)
		-- A client that was closed, and does not take what it was sent, is still there.
		local lingering = listener and driver.lingering(listener) or 0
		if clients + 1 + lingering >= limit then
			return driver.shutdown(fd)
		end
		clients = clients + 1
		if nodelay then
			driver.nodelay(fd)
		end
		alive[fd] = true
		handler.connect(fd, from)
	end

	function event.close(fd)
		if fd == listener then
			listener = nil
			return
		end
		if alive[fd] then
			clients = clients - 1
			alive[fd] = false
		end
		if handler.disconnect then
			handler.disconnect(fd)
		end
	end

	function event.error(fd, text)
		if fd == listener then
			return skynet.error("gateserver accept error:", text)
		end
		driver.shutdown(fd)
		if handler.error then
			handler.error(fd, text)
		end
	end

	function event.warning(fd, kb)
		if handler.warning then
			handler.warning(fd, kb)
		end
	end

	-- Also comes for every client that is started.
	function event.init(fd, ip, port)
		local wanted = opening
		if wanted and wanted.fd == fd then
			opening = nil
			wanted.ip, wanted.port = ip, port
			skynet.wakeup(wanted.co)
		end
	end

	return event
end

local function commands(handler)
	local command = {}

	function command.open(source, conf)
		assert(not listener, "the gate is open already")
		limit = conf.maxclient or 1024
		nodelay = conf.nodelay
		conf.address, conf.port = listen(conf.address or "0.0.0.0", conf.port, conf.backlog, conf.tls)
		driver.start(listener)
		if handler.open then
			return handler.open(source, conf)
		end
	end

	function command.close()
		driver.close((assert(listener, "the gate is not open")))
	end

	return command
end

function gateserver.start(handler)
	check(handler.message, "handler.message is missing")
	check(handler.connect, "handler.connect is missing")
	local event, command = socket_events(handler), commands(handler)

	skynet.register_protocol {
		name = "socket",
		id = skynet.PTYPE_SOCKET,
		unpack = function(msg, sz)
			return netpack.filter(queue, msg, sz)
		end,
		dispatch = function(_, _, q, kind, ...)
			queue = q
			if kind then
				event[kind](...)
			end
		end,
	}

	local function init()
		skynet.dispatch("lua", function(_, source, cmd, ...)
			local f = command[cmd]
			if f then
				skynet.retpack(f(source, ...))
			else
				skynet.retpack(handler.command(cmd, source, ...))
			end
		end)
	end

	if handler.embed then
		init()
	else
		skynet.start(init)
	end
end

return gateserver
