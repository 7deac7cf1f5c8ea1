-- Connections for the tests of sockets. All listen on a port that the system chooses.
local skynet = require "skynet"
local socket = require "skynet.socket"
local check = require "check"

local pair = {}

-- Accepts connections with f(id, from); returns the port and the listener.
function pair.server(f, host)
	local listener, _, port = socket.listen(host or "127.0.0.1", 0)
	assert(socket.start(listener, f))
	return port, listener
end

-- An open connection of which both ends are in this service: the connecting end, the accepting end.
function pair.open()
	local accepted
	local port, listener = pair.server(function(id)
		accepted = id
	end)
	local a = assert(socket.open("127.0.0.1", port))
	assert(check.wait(function() return accepted end), "nothing was accepted")
	assert(socket.start(accepted))
	socket.close(listener)
	return a, accepted
end

-- The connecting end here, the accepting end not started: its id.
function pair.unstarted()
	local accepted
	local port, listener = pair.server(function(id)
		accepted = id
	end)
	local a = assert(socket.open("127.0.0.1", port))
	assert(check.wait(function() return accepted end), "nothing was accepted")
	return a, accepted, listener
end

-- A port of this machine on which nobody listens.
function pair.dead_port()
	local listener, _, port = socket.listen("127.0.0.1", 0)
	socket.close(listener)
	return port
end

-- A port whose listener is full and never accepts: a connection to it neither succeeds nor fails. Also a function that
-- ends it.
function pair.black_hole()
	local listener, _, port = socket.listen("127.0.0.1", 0, 0)
	local ids, attempts = { listener }, 0
	repeat -- until one does not get through
		attempts = attempts + 1
		local got
		skynet.fork(function()
			got = socket.open("127.0.0.1", port, function(id)
				ids[#ids + 1] = id
			end)
		end)
		skynet.sleep(20)
	until not got or attempts > 100
	return port, function()
		for _, id in ipairs(ids) do
			socket.close(id)
		end
	end
end

-- Runs f in a coroutine of its own; the result says when it has ended, and has its results.
function pair.background(f, ...)
	local job = { done = false }
	skynet.fork(function(...)
		local results = table.pack(pcall(f, ...))
		job.ok = results[1]
		table.move(results, 2, results.n, 1, job)
		job.n = results.n - 1
		job.done = true
	end, ...)
	return job
end

function pair.finished(job)
	return check.wait(function() return job.done end)
end

-- The entry of a socket in netstat.
function pair.stat(id)
	for _, entry in ipairs(socket.netstat()) do
		if entry.id == id then
			return entry
		end
	end
end

return pair
