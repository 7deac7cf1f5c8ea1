-- This node's side of a network: talks to the master, sees to the connections to other nodes, and answers for names and
-- links.
--
-- A connection is made or accepted here, and then handed over to the service `harbor`, which sends and receives. Of two
-- nodes the one that was there first connects; the newcomer waits until all of them have. Messages of the master: see
-- cmaster.

local skynet = require "skynet"
local socket = require "skynet.socket"
local core = require "skynet.core"
require "skynet.manager"

local shown = core.shown

local GREETING <const> = 10000 -- milliseconds for who connects to say who it is
local PATIENCE <const> = 5000 -- milliseconds after which a start that waits for other nodes says so
local GREETED <const> = 256 -- connections that have not said it yet; more are closed

local own = skynet.harbor(skynet.self())
local harbor -- the service that has the connections
local master -- socket; false once it is lost
local nodes = {} -- id -> "connected", or "down" until the master announces another node of this number
local links = {} -- id -> socket of a node that is connected
local attempts = {} -- id -> the attempt to connect that counts
local names = {} -- name -> handle
local starting = true
local newcomers = {} -- those that the master announces meanwhile: { id, address }
local missing = 0 -- nodes that have yet to connect to this one
local starter -- the coroutine that waits for them
local greeted = 0 -- connections that have not said who they are

-- Responses of those who wait.
local naming = {} -- name -> list
local linking = {} -- id -> list, until it is down
local connecting = {} -- id -> list, until it is connected
local ending = {} -- "master" -> list, until the master is lost

local function wait_in(lists, key)
	local list = lists[key] or {}
	lists[key] = list
	list[#list + 1] = skynet.response()
	return #list
end

local function wake(lists, key, ok, ...)
	local list = lists[key] or {}
	lists[key] = nil
	for _, response in ipairs(list) do
		response(ok, ...)
	end
end

-- Nodes

local function tell_harbor(text, source)
	core.redirect(harbor, source or skynet.self(), skynet.PTYPE_HARBOR, 0, text)
end

local function hand_over(fd, id, how)
	nodes[id], links[id] = "connected", fd
	socket.abandon(fd)
	tell_harbor(("%s %d %d"):format(how, fd, id))
	wake(connecting, id, true)
end

local function one_less()
	missing = missing - 1
	if starter and missing <= 0 then
		skynet.wakeup(starter)
	end
end

local function down(id)
	local before = nodes[id]
	if before == "down" then
		return
	end
	nodes[id], links[id], attempts[id] = "down", nil, nil
	tell_harbor(("D %d"):format(id)) -- what waits for a connection that will not be made
	wake(linking, id, true)
	wake(connecting, id, false)
	-- It may be one of those that were to connect, unless it came later.
	if starting and not before and not newcomers[id] then
		one_less()
	end
end

local function connect(id, address)
	if nodes[id] or attempts[id] then
		return
	end
	local attempt = {}
	attempts[id] = attempt
	local ok, fd = pcall(socket.open, address)
	if attempts[id] ~= attempt then -- it went down meanwhile
		return ok and fd and socket.close(fd)
	end
	attempts[id] = nil
	if ok and fd then
		hand_over(fd, id, "S")
	else
		skynet.error(("Can't connect to %s"):format(shown(address)))
		down(id)
	end
end

-- The number of a node that went down is that of a new one: what is known of the old one is of no use.
local function renew(id)
	if nodes[id] == "down" then
		nodes[id] = nil
		for name, handle in pairs(names) do
			if handle >> 24 == id then
				names[name] = nil
			end
		end
		tell_harbor(("F %d"):format(id))
	end
end

-- The first byte of a connection: who it is.
local function greeting(fd)
	if greeted >= GREETED or not socket.start(fd) then
		return
	end
	greeted = greeted + 1
	local timer = skynet.timer(GREETING, function()
		socket.shutdown(fd)
	end)
	local byte = socket.read(fd, 1)
	timer:cancel()
	greeted = greeted - 1
	return byte and byte:byte()
end

local function accept(fd, from)
	local id = greeting(fd)
	if not id then
		skynet.error(("Connection (fd = %d, %s) closed before it told its harbor id"):format(fd, from))
	elseif nodes[id] or id == own or id == 0 then
		skynet.error(("Slave %d exist (fd =%d)"):format(id, fd))
	else
		hand_over(fd, id, "A")
		return one_less()
	end
	socket.close(fd)
end

-- Names

-- Without a master a name that this node does not take soon will not be taken.
local function give_up(name)
	skynet.timeout(500, function()
		wake(naming, name, false)
	end)
end

local function learn(name, handle)
	names[name] = handle
	wake(naming, name, true, handle)
	tell_harbor("N " .. name, handle)
end

-- The master

local function message(...)
	local packed = skynet.packstring(...)
	assert(#packed < 256, "too long")
	return string.pack("s1", packed)
end

local function read(size)
	return socket.read(master, size) or error("connection closed", 0)
end

local function receive()
	local size = read(1):byte()
	if size > 0 then
		return skynet.unpack(read(size))
	end
end

local function tell_master(bytes)
	if master then
		socket.write(master, bytes)
	end
end

local function check_id(id)
	assert(math.type(id) == "integer" and id > 0 and id < 256, "Invalid harbor id")
end

local on = {}

function on.C(id, address)
	check_id(id)
	assert(type(address) == "string", "Invalid address")
	renew(id)
	if starting then
		newcomers[id] = address
	else
		skynet.fork(connect, id, address)
	end
end

function on.N(name, handle)
	assert(type(name) == "string" and math.type(handle) == "integer", "Invalid name or handle")
	learn(name, handle)
end

function on.D(id)
	check_id(id)
	down(id)
end

local function handle(kind, ...)
	local f = on[kind]
	if f then
		f(...)
	else
		skynet.error(("Invalid master message type %s"):format(shown(kind)))
	end
end

local function listen()
	while true do
		handle(receive())
	end
end

local function listen_to_master()
	local _, why = pcall(listen) -- ends with the connection, or with a message that makes no sense
	skynet.error("Master disconnect", shown(why))
	local fd = master
	master = false
	tell_harbor "M"
	for name in pairs(naming) do
		give_up(name)
	end
	wake(ending, "master", true)
	if starter then
		skynet.wakeup(starter)
	end
	socket.close(fd)
end

-- What services ask for

local command = {}

local function taken(name)
	local handle = names[name]
	return handle and nodes[handle >> 24] ~= "down"
end

function command.REGISTER(name, handle)
	assert(not taken(name), "the name is taken")
	local registration = message("R", name, handle)
	learn(name, handle)
	tell_master(registration)
end

function command.QUERYNAME(name)
	if name:sub(1, 1) == "." then
		skynet.retpack(skynet.localname(name))
	elseif names[name] then
		skynet.retpack(names[name])
	else
		local question = message("Q", name)
		if wait_in(naming, name) == 1 then
			if master then
				tell_master(question)
			else
				give_up(name)
			end
		end
	end
end

function command.LINK(id)
	if nodes[id] == "connected" then
		wait_in(linking, id)
	else
		skynet.ret()
	end
end

function command.CONNECT(id)
	if nodes[id] == "connected" or id == own then
		skynet.ret()
	else
		assert(nodes[id] ~= "down", "the node has gone")
		wait_in(connecting, id)
	end
end

function command.LINKMASTER()
	if master then
		wait_in(ending, "master")
	else
		skynet.ret()
	end
end

skynet.dispatch("lua", function(_, _, cmd, ...)
	local f = command[cmd] or error(("unknown command %s"):format(shown(cmd)))
	f(...)
end)

skynet.info_func(function()
	return { master = master and true or false, nodes = nodes, names = names }
end)

-- What the service `harbor` says: "Q name" asks whose a name is, "D id fd" reports the end of a connection.
skynet.register_protocol {
	name = "text",
	id = skynet.PTYPE_TEXT,
	unpack = skynet.tostring,
	dispatch = function(_, source, text)
		if source ~= harbor then
			return
		end
		local kind, argument = text:match "^(%u) (.+)$"
		if kind == "D" then
			-- A connection of an earlier node of this number does not matter any more.
			local id, fd = argument:match "^(%d+) (%d+)$"
			if links[tonumber(id)] == tonumber(fd) then
				down(tonumber(id))
			end
		elseif kind == "Q" and names[argument] then
			learn(argument, names[argument])
		elseif kind == "Q" then
			tell_master(message("Q", argument))
		end
	end,
}

-- The nodes that are there connect to this one; it does not listen after that.
local function welcome(listener, count)
	missing = missing + count
	skynet.error(("Waiting for %d harbors"):format(count))
	if missing > 0 then
		socket.start(listener, function(fd, from)
			skynet.fork(accept, fd, from)
		end)
	end
	skynet.fork(listen_to_master)
	starter = coroutine.running()
	local patience = skynet.timer(PATIENCE, function()
		skynet.error(("%d harbors have not connected yet (nodes of skynet (C) do not, if this number was used before)"):format(missing))
	end)
	while missing > 0 and master do
		skynet.wait(starter)
	end
	starter = nil
	patience:cancel()
	socket.close(listener)
	assert(master, "the master has gone before all nodes had connected")
end

local function setting(key, what)
	return assert(skynet.getenv(key), ("the config has no `%s`, %s (harbor = 0 is a single node)"):format(key, what))
end

skynet.start(function()
	local address = setting("address", "where this node listens for others")
	local master_address = setting("master", "the address of the master")
	local listener = assert(socket.listen(address))
	skynet.error("slave connect to master " .. master_address)
	local fd, why = socket.open(master_address)
	master = fd or error(("Can't connect to master %s: %s"):format(master_address, why), 0)
	harbor = assert(skynet.launch("harbor", own, skynet.self()), "no harbor")
	socket.write(master, message("H", own, address))
	local kind, count = receive()
	assert(kind == "W" and math.type(count) == "integer", "handshake failed")
	welcome(listener, count)
	starting = false
	skynet.error("Shakehand ready")
	for id, newcomer in pairs(newcomers) do
		skynet.fork(connect, id, newcomer)
	end
end)
