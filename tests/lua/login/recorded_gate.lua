-- A message gate as the recorded one.
local skynet = require "skynet"
local msgserver = require "snax.msgserver"

local runs, events = 0, {}

local handler = {}

function handler.login_handler(uid, secret, subid, server)
	local name = msgserver.username(uid, subid, server)
	msgserver.login(name, secret)
	return name
end

function handler.logout_handler(uid, subid)
	msgserver.logout(msgserver.username(uid, subid, "server1"))
	return "out", uid
end

-- Not only kicks: what the tests want to know of a gate.
function handler.kick_handler(what, ...)
	if what == "events" then
		return events, runs
	elseif what == "ip" then
		return msgserver.ip(...)
	end
	return "kicked", what, ...
end

function handler.register_handler(name, _, port)
	return "registered", name, port
end

function handler.disconnect_handler(name)
	events[#events + 1] = name
end

local released = {}

function handler.request_handler(name, text)
	runs = runs + 1
	local run = runs
	if text == "err" then
		error "the handler has failed"
	elseif text == "slow" then
		skynet.sleep(20)
	elseif text == "wait" then
		released[#released + 1] = run
		skynet.wait(run)
	elseif text == "release" then
		for _, token in ipairs(released) do
			skynet.wakeup(token)
		end
		released = {}
	elseif text == "nil" then
		return nil
	elseif text == "number" then
		return 12
	elseif text == "table" then
		return {}
	elseif text == "huge" then
		return ("h"):rep(65536)
	end
	return ("%d:%s"):format(run, text)
end

local conf = load("return " .. (skynet.getenv "gate_conf" or "{}"))()
for key, value in pairs(conf) do
	handler[key] = value
end
msgserver.start(handler)
