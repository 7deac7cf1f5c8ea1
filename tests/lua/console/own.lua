-- A console that an application has written itself, with sockets, the launcher and the debug protocol.
local skynet = require "skynet"
require "skynet.manager"
local socket = require "skynet.socket"

local function debug_session(fd, addr)
	local agent = skynet.newservice "debug_agent"
	skynet.fork(function()
		while true do
			local line = socket.readline(fd) or "cont"
			if not pcall(skynet.send, agent, "lua", "cmd", line) or line == "cont" then
				return
			end
		end
	end)
	local ok, err = skynet.call(agent, "lua", "start", addr, fd)
	socket.write(fd, ok and "left\n" or err .. "\n")
end

local command = {}

function command.list()
	local lines = {}
	for addr, line in pairs(skynet.call(".launcher", "lua", "LIST")) do
		lines[#lines + 1] = ("%s %s\n"):format(addr, line)
	end
	table.sort(lines)
	return table.concat(lines)
end

function command.mem(addr)
	return ("%s\n"):format(math.type(skynet.call(skynet.localname(addr), "debug", "MEM")))
end

local function serve(fd)
	socket.start(fd)
	for line in function() return socket.readline(fd) end do
		local cmd, arg = line:match "^(%S+)%s*(%S*)"
		if cmd == "debug" then
			debug_session(fd, skynet.localname(arg))
		else
			socket.write(fd, command[cmd](arg))
		end
	end
	socket.close(fd)
end

skynet.start(function()
	local listener, ip, port = socket.listen("127.0.0.1", 0)
	skynet.name(".w1", skynet.newservice("console/node", "worker"))
	socket.start(listener, function(fd)
		skynet.fork(serve, fd)
	end)
	skynet.error(("Start debug console at %s:%d"):format(ip, port))
end)
