-- What goes beyond skynet (C): deadlines, bounded mailboxes, timers in milliseconds that can be cancelled, and calls
-- that never wait for the dead.
--
--     cargo run --release -- run examples/beyond
--
-- prints
--
--     deadline: call timeout
--     refused: 10 of 20, and a call failed: mailbox is full
--     timers: 5 ms, 20 ms; one was cancelled
--     killed: call failed
--
-- slow.lua is the service that all this happens to.

local skynet = require "skynet"
require "skynet.manager"

local function reason(...)
	local ok, text = pcall(...)
	return ok and "no error" or text:gsub("^.-:%d+: ", "")
end

local function deadlines(slow)
	-- In centiseconds. The answer, which comes later, is dropped. The config key calltimeout sets a deadline for every
	-- call.
	print("deadline: " .. reason(skynet.timeoutcall, 1, slow, "lua", "nap", 5))
end

local function bounded(slow)
	skynet.call(slow, "lua", "limit", 10)
	-- It does not come to its messages while it works.
	skynet.send(slow, "lua", "work until told")
	while skynet.getenv "at_work" == nil do
		skynet.yield()
	end
	local refused = 0
	for i = 1, 20 do
		if skynet.send(slow, "lua", "nothing", i) == false then
			refused = refused + 1
		end
	end
	local text = reason(skynet.call, slow, "lua", "nothing")
	assert(text == ("call failed: mailbox of %s is full (limit 10)"):format(skynet.address(slow)))
	skynet.setenv("told", 1)
	print(("refused: %d of 20, and a call failed: mailbox is full"):format(refused))
end

local function timers()
	local fired = {}
	local function note(ms)
		return function()
			fired[#fired + 1] = ms .. " ms"
		end
	end
	skynet.timer(20, note(20))
	skynet.timer(5, note(5))
	local third = skynet.timer(10, note(10))
	local cancelled = third:cancel()
	skynet.sleepms(30)
	print(("timers: %s; %s was cancelled"):format(table.concat(fired, ", "), cancelled and "one" or "none"))
end

local function death(slow)
	-- Killed in the middle of the request: skynet (C) would leave this call waiting for ever.
	skynet.timeout(2, function()
		skynet.kill(slow)
	end)
	print("killed: " .. reason(skynet.call, slow, "lua", "nap", 100000))
end

skynet.start(function()
	deadlines(skynet.newservice "slow")
	local slow = skynet.newservice "slow" -- another one: the end of that nap would be a message in its mailbox
	bounded(slow)
	timers()
	death(slow)
	skynet.abort()
end)
