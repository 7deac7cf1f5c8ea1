-- A gate for hostile clients, whose watchdog this service is. Frames: `echo TEXT` is answered by TEXT, `flood` by 32
-- MB, `kick` by 8 MB and the end of the connection. Lines on standard input: `kill` kills the gate, `open` starts the
-- next one on the same port.
local skynet = require "skynet"
require "skynet.manager"
local socket = require "skynet.socket"
local driver = require "skynet.socketdriver"

local gate, port
local maxclient = tonumber(skynet.getenv "maxclient") or 20000

local function open()
	gate = skynet.newservice "gate"
	local _, bound = skynet.call(gate, "lua", "open", {
		address = "127.0.0.1",
		port = port or 0,
		maxclient = maxclient,
		watchdog = skynet.self(),
	})
	port = bound
end

local function send(fd, text)
	return driver.send(fd, string.pack(">s2", text))
end

local event = {}

function event.open(fd)
	skynet.send(gate, "lua", "accept", fd)
end

function event.data(fd, text)
	local block = ("x"):rep(60000)
	if text == "flood" then
		local left = 32 << 20
		while left > 0 and send(fd, block) do
			left = left - #block
		end
	elseif text == "kick" then
		for _ = 1, 140 do
			send(fd, block)
		end
		skynet.send(gate, "lua", "kick", fd)
	else
		send(fd, text:match "^echo (.*)$" or "?")
	end
end

function event.close(fd)
	skynet.send(gate, "lua", "kick", fd)
end

event.error = event.close

function event.warning() end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, _, what, ...)
		event[what](...)
	end)
	open()
	print("PORT " .. port)
	print "READY"
	local stdin = socket.stdin()
	while true do
		local line = socket.readline(stdin)
		if line == "kill" then
			skynet.kill(gate)
			print "KILLED"
		elseif line == "open" then
			open()
			print "OPENED"
		elseif not line then
			return skynet.abort()
		end
	end
end)
