-- Login servers, and the client's side of a login and of a message gate.
local skynet = require "skynet"
local crypt = require "skynet.crypt"
local socket = require "skynet.socket"
local pair = require "pair"

local client = {}

-- Starts a login server (login/master.lua) under a name of its own, with these fields of a Lua table: its port, and the
-- name of the master. The slaves are started by the name of the script, so each server has one.
function client.server(name, fields)
	local port = pair.dead_port()
	local master = assert(package.searchpath("login/master", skynet.getenv "luaservice"))
	local script = assert(io.open(name .. ".lua", "w"))
	script:write(("assert(loadfile %q) { name = %q, port = %d, %s }\n"):format(master, name, port, fields or ""))
	script:close()
	skynet.newservice(name)
	return port, "." .. name
end

-- The token of a user, as the tests' login server wants it.
function client.token(user, server, password)
	local encode = crypt.base64encode
	return ("%s@%s:%s"):format(encode(user), encode(server or "server1"), encode(password or "password"))
end

-- The first lines: an open connection and the common secret.
function client.secret(port)
	local id = assert(socket.open("127.0.0.1", port))
	local challenge = crypt.base64decode(assert(socket.readline(id)))
	local key = crypt.randomkey()
	socket.write(id, crypt.base64encode(crypt.dhexchange(key)) .. "\n")
	local secret = crypt.dhsecret(crypt.base64decode(assert(socket.readline(id))), key)
	return id, secret, challenge
end

-- What is to be written then.
function client.proof(secret, challenge)
	return crypt.base64encode(crypt.hmac64(challenge, secret)) .. "\n"
end

function client.sealed(secret, token)
	return crypt.base64encode(crypt.desencode(secret, token)) .. "\n"
end

-- A whole login: the last line (false if there was none), and the secret.
function client.login(port, token)
	local id, secret, challenge = client.secret(port)
	socket.write(id, client.proof(secret, challenge))
	socket.write(id, client.sealed(secret, token))
	local line = socket.readline(id)
	socket.close(id)
	return line, secret
end

-- The subid of a line "200 ...".
function client.subid(line)
	local text = assert(line:match "^200 (.*)$", line)
	return crypt.base64decode(text)
end

-- A frame of two bytes of length.
function client.send(id, text)
	return socket.write(id, string.pack(">s2", text))
end

-- The content of the next one; nil at the end.
function client.receive(id)
	local header = socket.read(id, 2)
	if not header then
		return nil
	end
	local n = (">I2"):unpack(header)
	return n == 0 and "" or socket.read(id, n) or nil
end

-- Connects to a message gate as a user: the connection, and the gate's verdict.
function client.enter(port, name, secret, index)
	local id = assert(socket.open("127.0.0.1", port))
	local text = ("%s:%s"):format(name, index)
	client.send(id, ("%s:%s"):format(text, crypt.base64encode(crypt.hmac_hash(secret, text))))
	return id, client.receive(id)
end

-- A request, and the next answer: text, whether it was done, and the session it is for; nil at the end.
function client.request(id, text, session)
	client.send(id, text .. string.pack(">I4", session))
end

function client.answer(id)
	local frame = client.receive(id)
	if frame then
		local ok, session = string.unpack(">BI4", frame, -5)
		return frame:sub(1, -6), ok == 1, session
	end
end

function client.ask(id, text, session)
	client.request(id, text, session)
	return client.answer(id)
end

return client
