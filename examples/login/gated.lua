-- The gate: an agent for each user who has logged in.

local skynet = require "skynet"
local msgserver = require "snax.msgserver"

local logind = tonumber((...))

local server = {}
local users = {} -- user name (of this gate) -> { agent =, uid =, subid = }
local servername
local last = 0

-- The login server lets a user in; what is returned tells this login from others of the same user.
function server.login_handler(uid, secret)
	last = last + 1
	local subid = last
	local name = msgserver.username(uid, subid, servername)
	local agent = skynet.newservice("agent", uid)
	users[name] = { agent = agent, uid = uid, subid = subid }
	msgserver.login(name, secret)
	return subid
end

local function leave(uid, subid)
	local name = msgserver.username(uid, subid, servername)
	local user = users[name]
	if user then
		users[name] = nil
		msgserver.logout(name)
		skynet.call(user.agent, "lua", "stop")
		skynet.call(logind, "lua", "logout", uid, subid)
	end
end

-- Somebody, such as an agent, is done with the user.
server.logout_handler = leave

-- The login server lets the user in elsewhere.
server.kick_handler = leave

function server.request_handler(name, text)
	return skynet.call(users[name].agent, "lua", "request", text)
end

-- The user stays logged in, and may come back.
function server.disconnect_handler(name)
	skynet.error("connection lost: " .. users[name].uid)
end

-- The gate is open.
function server.register_handler(name, _, port)
	servername = name
	skynet.call(logind, "lua", "register_gate", name, skynet.self())
	return port
end

msgserver.start(server)
