-- What a user has: it logs in, enters the gate, asks, loses its connection and comes back.

local skynet = require "skynet"
local crypt = require "skynet.crypt"
local socket = require "skynet.socket"

local login_port, gate_port = ...
local HOST <const>, SERVER <const> = "127.0.0.1", "sample"

local function b64(text)
	return crypt.base64encode(text)
end

-- Login: lines in base64. Both sides find the same secret, which never goes over the line.
local function login(user, password)
	local id = assert(socket.open(HOST, login_port))
	local function receive()
		return assert(socket.readline(id), "the login server has closed the connection")
	end
	local function send(bytes)
		socket.write(id, b64(bytes) .. "\n")
	end

	local challenge = crypt.base64decode(receive())
	local key = crypt.randomkey()
	send(crypt.dhexchange(key))
	local secret = crypt.dhsecret(crypt.base64decode(receive()), key)
	send(crypt.hmac64(challenge, secret))
	local token = ("%s@%s:%s"):format(b64(user), b64(SERVER), b64(password))
	send(crypt.desencode(secret, token))
	local status, subid = receive():match "^(%d+) (.*)$"
	socket.close(id)

	if status ~= "200" then
		print(("%s logs in: %s %s"):format(user, status, subid))
		return
	end
	print(("%s logs in: %s"):format(user, status))
	return secret, crypt.base64decode(subid)
end

-- Gate: frames of two bytes of length.
local function send(id, text)
	socket.write(id, string.pack(">s2", text))
end

local function receive(id)
	local header = socket.read(id, 2)
	return header and socket.read(id, (">I2"):unpack(header))
end

-- The index is higher at each handshake, so that nobody can use a recorded one.
local function enter(user, subid, secret, index)
	local id = assert(socket.open(HOST, gate_port))
	local text = ("%s@%s#%s:%d"):format(b64(user), b64(SERVER), b64(subid), index)
	send(id, text .. ":" .. b64(crypt.hmac_hash(secret, text)))
	return id, receive(id)
end

local function request(id, text, session)
	send(id, text .. string.pack(">I4", session))
end

local function answer(id)
	local frame = receive(id)
	local ok, session = (">BI4"):unpack(frame, -5)
	return ok == 1 and frame:sub(1, -6) or "failed", session
end

local function ask(id, text, session)
	request(id, text, session)
	print(text .. ": " .. answer(id))
end

local function play(user, password)
	local secret, subid = login(user, password)
	local id, verdict = enter(user, subid, secret, 1)
	print(("%s enters: %s"):format(user, verdict))
	ask(id, "put color green", 1)

	request(id, "slow", 2)
	socket.close(id)
	print "slow: the connection breaks before the answer comes"
	id, verdict = enter(user, subid, secret, 2)
	print(("%s enters: %s"):format(user, verdict))
	ask(id, "slow", 2) -- the same session: it is not done again
	ask(id, "get color", 3)

	print("an old handshake: " .. select(2, enter(user, subid, secret, 1)))

	local again, other = login(user, password) -- from elsewhere: the first login ends
	assert(not socket.read(id, 2))
	print "the first connection is closed"
	socket.close(id)
	id, verdict = enter(user, other, again, 1)
	print(("%s enters: %s"):format(user, verdict))
	ask(id, "get color", 1) -- a new agent
	socket.close(id)
end

local command = { play = play, login = login }

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		command[name](...)
		skynet.retpack()
	end)
end)
