-- The login server: knows the passwords and the gates, and who is where.

local skynet = require "skynet"
local crypt = require "skynet.crypt"
local loginserver = require "snax.loginserver"

local server = {
	host = "127.0.0.1",
	port = 0, -- any; the bound one comes here. A real server has a number that its clients know
	name = "login_master",
	multilogin = false,
	instance = 2,
}

-- Runs in the slaves, which share nothing with the master. The token's form is up to the application.
function server.auth_handler(token)
	local user, name, password = token:match "([^@]+)@([^:]+):(.+)"
	user, name = crypt.base64decode(user), crypt.base64decode(name)
	assert(crypt.base64decode(password) == "secret of " .. user, "Invalid password")
	return name, user
end

local gates = {} -- name -> handle
local online = {} -- user -> { gate =, subid = }

-- Runs in the master, for one user at a time.
function server.login_handler(name, user, secret)
	local gate = assert(gates[name], "Unknown server")
	local last = online[user]
	if last then
		skynet.call(last.gate, "lua", "kick", user, last.subid)
	end
	assert(not online[user], "the user has not been logged out")
	local subid = skynet.call(gate, "lua", "login", user, secret)
	online[user] = { gate = gate, subid = subid }
	return subid
end

local command = {}

function command.register_gate(name, gate)
	gates[name] = gate
end

function command.logout(user, subid)
	local last = online[user]
	if last and last.subid == subid then
		online[user] = nil
	end
end

function command.port()
	return server.port
end

function server.command_handler(name, ...)
	return assert(command[name], "unknown command")(...)
end

loginserver(server)
