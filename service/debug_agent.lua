-- Stands between a console and a service that is being debugged: what is typed goes through a
-- channel and not through the mailbox of that service, which may be stopped.

local skynet = require "skynet"
local debugchannel = require "skynet.debugchannel"

local channel

local command = {}

-- Answers when the session is over.
function command.start(handle, out)
	assert(not channel, "this agent has a session")
	skynet.error(("Attach to %s"):format(skynet.address(handle)))
	local pointer
	channel, pointer = debugchannel.create()
	local done = pcall(skynet.call, handle, "debug", "REMOTEDEBUG", out, pointer)
	skynet.retpack(done, not done and "Debugger attach failed" or nil)
	skynet.exit()
end

function command.cmd(line)
	if channel then
		channel:write(line)
	end
end

function command.ping()
	skynet.ret()
end

skynet.dispatch("lua", function(_, _, name, ...)
	local f = command[name]
	f(...)
end)

skynet.start(function() end)
