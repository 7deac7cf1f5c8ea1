-- A login server as the recorded one, for scripts that loginclient.lua makes: they say what differs (name, port,
-- multilogin and the like), and the keys that the server uses instead of chance.
local skynet = require "skynet"
local crypt = require "skynet.crypt"
local socket = require "skynet.socket"
local login = require "snax.loginserver"

local conf = ...

if conf.keys then -- for each client the challenge and the server's private key, in turn
	local turn, start = 0, socket.start
	function crypt.randomkey()
		turn = turn + 1
		return crypt.hexdecode(conf.keys[turn])
	end
	function socket.start(...)
		turn = 0
		return start(...)
	end
end

local server = {
	host = "127.0.0.1",
	port = conf.port,
	multilogin = conf.multilogin,
	name = conf.name,
	instance = conf.instance or 1,
	maxclient = conf.maxclient,
	timeout = conf.timeout,
}

local names = "^([^@]*)@([^:]*):(.*)$"

function server.auth_handler(token)
	local user, name, password = token:match(names)
	user, name = crypt.base64decode(user), crypt.base64decode(name)
	assert(crypt.base64decode(password) == "password", "Invalid password")
	if user == "forgotten" then
		return name
	elseif user == "thinking" then
		skynet.wait()
	end
	return name, user
end

local given, held, running, most = {}, {}, 0, 0

function server.login_handler(name, user, secret)
	running = running + 1
	most = math.max(most, running)
	if user == "slow" then
		skynet.sleep(conf.slow or 30)
	elseif user == "held" then
		local token = {}
		held[#held + 1] = token
		skynet.wait(token)
	end
	running = running - 1
	if user == "forbidden" then
		error "You are not allowed to login"
	elseif user == "nosubid" then
		return
	end
	given[#given + 1] = { name, user, crypt.hexencode(secret) }
	return "subid-of-" .. user
end

local command = {}

function command.given()
	return given
end

function command.running()
	return running, most
end

function command.release()
	skynet.wakeup(table.remove(held, 1))
end

function server.command_handler(name, ...)
	return assert(command[name], name)(...)
end

login(server)
