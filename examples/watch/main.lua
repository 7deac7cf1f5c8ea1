-- A service that is told of the exit of all others, and passes it on to whoever wants to know.
--
--     cargo run --release -- run examples/watch
--
-- prints
--
--     call failed: the worker has gone
--     gone: first
--     gone: second
--
-- monitor.lua watches, worker.lua works and ends, and this file is the one that wants to know.

local skynet = require "skynet"
require "skynet.manager"

local function hire(name, jobs)
	local worker = skynet.newservice("worker", jobs)
	skynet.call(".monitor", "lua", "watch", worker, name)
	return worker
end

skynet.start(function()
	-- The exit monitor of the node: there is one.
	skynet.name(".monitor", skynet.monitor "monitor")

	skynet.dispatch("lua", function(_, _, event, name)
		assert(event == "gone")
		print("gone: " .. name)
		skynet.wakeup(name)
	end)

	-- This worker ends in the middle of a request that it has given up, so that it owes no answer. What ends the wait
	-- is the error message that the monitor sends in the worker's name.
	local first = hire("first", 1)
	if not pcall(skynet.call, first, "lua", "a job") then
		print "call failed: the worker has gone"
	end

	local second = hire("second", 2)
	skynet.send(second, "lua", "a job")
	skynet.send(second, "lua", "another one")
	skynet.wait "second"
	skynet.abort()
end)
