-- A gate for users that a login server has let in: a client proves by an index and a hash that it knows the secret of
-- its user, sends requests, and gets each answer once, also if its connection breaks in between.
--
-- `users[name]` is there from login to logout. Its `answers` remember by session what was asked and answered, so that a
-- client that connects again can ask for what it has missed. `version` is the index of the user's last handshake;
-- `clock` counts answers, and tells which ones are old.

local skynet = require "skynet"
local crypt = require "skynet.crypt"
local netpack = require "skynet.netpack"
local driver = require "skynet.socketdriver"
local core = require "skynet.core"
local gateserver = require "snax.gateserver"

local check, shown = core.check, core.shown

-- Defaults of conf.
local EXPIRED <const> = 128
local PENDING <const> = 1024
local TIMEOUT <const> = 3000
local OUTPUT <const> = 16 * 1024 * 1024

local msgserver = {}

local users = {} -- name -> user
local strangers = {} -- fd -> { from =, deadline = }, before the handshake
local members = {} -- fd -> user

-- Names

function msgserver.username(uid, subid, server)
	local encode = crypt.base64encode
	return ("%s@%s#%s"):format(encode(uid), encode(server), encode(tostring(subid)))
end

function msgserver.userid(name)
	local uid, server, subid = name:match "([^@]*)@([^#]*)#(.*)"
	check(uid, ("%q is not the name of a user, which looks like uid@server#subid in base64"):format(name))
	local decode = crypt.base64decode
	return decode(uid), decode(subid), decode(server)
end

-- Users

function msgserver.login(name, secret)
	check(not users[name], ("the user %s is logged in already"):format(name))
	users[name] = {
		name = name,
		secret = secret,
		version = 0,
		clock = 0,
		pending = 0,
		answers = {}, -- session -> { fd =, data =, version =, clock = }
		connections = {}, -- fd -> true
	}
end

-- The connection is no longer this user's.
local function leave(fd, user)
	members[fd] = nil
	user.connections[fd] = nil
	if user.fd == fd then
		user.fd = nil
	end
end

function msgserver.logout(name)
	local user = check(users[name], ("the user %s is not logged in"):format(name))
	users[name] = nil
	for fd in pairs(user.connections) do
		leave(fd, user)
		gateserver.closeclient(fd)
	end
end

function msgserver.ip(name)
	local user = users[name]
	return user and user.fd and user.from
end

-- The handshake

local OK <const> = "200 OK"

local function examine(fd, from, text)
	local name, index, proof = text:match "([^:]*):([^:]*):([^:]*)"
	local user = users[name or false]
	if not user then
		return "404 User Not Found"
	end
	local number = tonumber(index)
	local decoded, hash = pcall(crypt.base64decode, proof)
	if not number or not decoded then
		return "400 Bad Request"
	elseif not (number > user.version) then
		return "403 Index Expired"
	elseif not crypt.equal(crypt.hmac_hash(user.secret, name .. ":" .. index), hash) then
		return "401 Unauthorized"
	end
	user.version, user.fd, user.from = number, fd, from
	user.connections[fd] = true
	members[fd] = user
	return OK
end

local function handshake(fd, from, text)
	strangers[fd] = nil
	local verdict = examine(fd, from, text)
	driver.send(fd, netpack.pack(verdict))
	if verdict ~= OK then
		gateserver.closeclient(fd)
	end
end

-- Connections that do not log in are closed after a while.
local watching = false

local function watch(timeout)
	local function tick()
		local now = skynet.now()
		for fd, stranger in pairs(strangers) do
			if stranger.deadline <= now then
				strangers[fd] = nil
				skynet.error(("no handshake from %s (fd = %d) within %g s"):format(stranger.from, fd, timeout / 100))
				gateserver.closeclient(fd)
			end
		end
		watching = next(strangers) ~= nil
		if watching then
			skynet.timeout(math.max(timeout // 8, 10), tick)
		end
	end
	if not watching then
		watching = true
		skynet.timeout(timeout, tick)
	end
end

-- Requests

-- Forgets old answers, so that a user has about 2 * limit of them at most.
local function expire(user, limit)
	if user.clock < 2 * limit then
		return
	end
	local newest = 0
	for session, answer in pairs(user.answers) do
		if answer.data then
			if answer.clock < limit then
				user.answers[session] = nil
			else
				answer.clock = answer.clock - limit
				newest = math.max(newest, answer.clock)
			end
		end
	end
	user.clock = newest + 1
end

-- Runs the handler; the frame for the client.
local function answer_of(handler, user, session, text)
	local ok, result = pcall(function()
		return string.pack(">s2", (handler(user.name, text) or "") .. string.pack(">BI4", 1, session))
	end)
	if ok then
		return result
	end
	skynet.error(result)
	return string.pack(">s2", string.pack(">BI4", 0, session))
end

local function request(conf, fd, frame)
	local user = members[fd]
	if not user then
		error("invalid fd", 0)
	elseif #frame < 4 then
		error("a request has a session of 4 bytes at its end", 0)
	end
	local session = (">I4"):unpack(frame, -4)
	local answers = user.answers
	local known = answers[session]
	if known and known.version == user.version then
		if not known.data then
			local text = "Conflict session " .. crypt.hexencode(tostring(session))
			skynet.error(text)
			error(text, 0)
		end
		known = nil
	end
	if known then -- asked again: whoever asked last gets the answer
		known.fd, known.version, known.clock = fd, user.version, user.clock
		if not known.data then
			return
		end
	else
		local most = conf.maxpending or PENDING
		if user.pending >= most then
			error(("the user has %d requests without an answer"):format(most), 0)
		end
		known = { fd = fd }
		answers[session] = known
		user.pending = user.pending + 1
		local data = answer_of(conf.request_handler, user, session, frame:sub(1, -5))
		user.pending = user.pending - 1
		known.data, known.version, known.clock = data, user.version, user.clock
	end
	user.clock = user.clock + 1
	if members[known.fd] == user then
		driver.send(known.fd, known.data)
	end
	expire(user, conf.expired_number or EXPIRED)
end

-- The gate

local function events(conf)
	local handler = {}
	local timeout = conf.timeout or TIMEOUT
	local output = conf.maxoutput or not skynet.getenv "socketpending" and OUTPUT

	function handler.open(_, gate)
		local server = check(gate.servername, "servername is missing in what open was called with")
		return conf.register_handler(server, gate.address, gate.port)
	end

	function handler.connect(fd, from)
		strangers[fd] = { from = from, deadline = skynet.now() + timeout }
		watch(timeout)
		if output then
			driver.limit(fd, output)
		end
		gateserver.openclient(fd)
	end

	function handler.message(fd, msg, sz)
		local text = netpack.tostring(msg, sz)
		local stranger = strangers[fd]
		if stranger then
			return handshake(fd, stranger.from, text)
		end
		local ok, why = pcall(request, conf, fd, text)
		if not ok then
			skynet.error(("Invalid package %s : %s"):format(why, shown(text)))
			local user = members[fd]
			if user then
				leave(fd, user)
			end
			gateserver.closeclient(fd)
		end
	end

	function handler.disconnect(fd)
		strangers[fd] = nil
		local user = members[fd]
		if user then
			leave(fd, user)
			if conf.disconnect_handler then
				conf.disconnect_handler(user.name)
			end
		end
		gateserver.closeclient(fd)
	end

	handler.error = handler.disconnect

	return handler
end

function msgserver.start(conf)
	local command = {
		login = check(conf.login_handler, "login_handler is missing"),
		logout = check(conf.logout_handler, "logout_handler is missing"),
		kick = check(conf.kick_handler, "kick_handler is missing"),
	}
	check(conf.request_handler, "request_handler is missing")
	local handler = events(conf)

	function handler.command(name, _, ...)
		local f = check(command[name], ("unknown command %s"):format(shown(tostring(name))))
		return f(...)
	end

	gateserver.start(handler)
end

return msgserver
