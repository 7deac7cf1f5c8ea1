-- The service of the recorded network: it does what a scripted node tells it.
local skynet = require "skynet"
require "skynet.manager"
local harbor = require "skynet.harbor"

skynet.register_protocol {
	name = "text",
	id = skynet.PTYPE_TEXT,
	pack = function(text) return text end,
	unpack = skynet.tostring,
}

-- A type of this application.
skynet.register_protocol {
	name = "odd",
	id = 20,
	pack = skynet.pack,
	unpack = skynet.unpack,
	dispatch = function(_, _, ...)
		print("ODD", ...)
	end,
}

local result
local command = {}

function command.SEND(addr, ...)
	skynet.send(addr, "lua", ...)
end

function command.TEXT(addr, text)
	skynet.send(addr, "text", text)
end

function command.CALL(addr, ...)
	result = nil
	result = table.pack(pcall(skynet.call, addr, "lua", ...))
end

function command.GET()
	while not result do
		skynet.sleep(1)
	end
	skynet.retpack(table.unpack(result, 1, result.n))
end

function command.REG(name)
	skynet.register(name)
end

function command.QUERY(name)
	print(("%s is %s"):format(name, skynet.address(harbor.queryname(name))))
end

function command.ECHO(...)
	skynet.retpack(...)
end

-- Does not come back until there is this file.
function command.HOLD(name)
	print "HOLDING"
	io.stdout:flush()
	local f
	repeat f = io.open(name) until f
	f:close()
end

local count = 0

function command.COUNT()
	count = count + 1
end

function command.COUNTED()
	skynet.retpack(count)
end

function command.ERR(text)
	error(text)
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, cmd, ...)
		command[cmd](...)
	end)
	skynet.register "CTL"
	print "STARTED"
end)
