-- The second node of the cluster tests: a service that does what it is told, published as "server" and known as
-- ".server". It prints the port where it listens, and runs until it is killed.
local skynet = require "skynet"
require "skynet.manager"
local cluster = require "skynet.cluster"

local command, noted = {}, {}

function command.echo(...)
	return ...
end

function command.raise(text)
	error(text)
end

function command.sleep(cs, ...)
	skynet.sleep(cs)
	return ...
end

function command.source()
	return noted.source
end

-- What has been noted since the last time.
function command.notes()
	local notes = noted
	noted = {}
	return notes
end

function command.note(x)
	noted[#noted + 1] = x
end

function command.repeated(text, n)
	return text:rep(n)
end

function command.register(...)
	cluster.register(...)
end

function command.unregister(...)
	cluster.unregister(...)
end

-- The services of this node whose launch lines begin like this.
function command.services(line)
	local found = {}
	for handle, text in pairs(skynet.call(".launcher", "lua", "LIST")) do
		if text:find(line, 1, true) == 1 then
			found[#found + 1] = handle
		end
	end
	return found
end

-- Ends the connection that this came by, before there is an answer.
function command.hang_up()
	skynet.kill(noted.source)
end

function command.open(port, max)
	return cluster.open(port, max)
end

function command.never()
	skynet.wait {}
end

skynet.start(function()
	skynet.dispatch("lua", function(session, source, name, ...)
		noted.source = source
		if session == 0 then
			command[name](...)
		else
			skynet.retpack(command[name](...))
		end
	end)
	skynet.register ".server"
	cluster.register "server"
	local _, port = cluster.open(0)
	io.stdout:write(("PORT %d\n"):format(port))
	io.stdout:flush()
end)
