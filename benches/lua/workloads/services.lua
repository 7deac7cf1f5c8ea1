-- Launching services, and what services, calls, timers and messages weigh.
local skynet = require "skynet"
local measure = require "measure"

local W = {}

local function launch(name, kind, n)
	-- The first one reads and compiles the files.
	skynet.newservice(kind)
	local before, began = measure.rss_kb(), measure.now()
	for _ = 1, n do skynet.newservice(kind) end
	local seconds = measure.now() - began
	measure.result(name, n, seconds, string.format("kb_each=%.2f", (measure.rss_kb() - before) / n))
end

-- Services of a few lines, one after another.
function W.spawn(name, n) launch(name, "bench_idle", n) end

-- Services with a code base of 5,000 lines each.
function W.spawnlarge(name, n) launch(name, "bench_large", n) end

-- Resident memory of n pending calls, timers and waiting messages. Its rate says nothing, so it is not reported.
function W.memory(name, n)
	local peer = skynet.newservice "bench_peer"
	local metrics = {}
	local function weigh(what, f)
		collectgarbage()
		local before = measure.rss_kb()
		f()
		metrics[#metrics + 1] = string.format("%s_bytes=%.0f", what, (measure.rss_kb() - before) * 1024 / n)
	end
	local function sleepers(f)
		return function()
			for _ = 1, n do skynet.fork(f) end
			-- Every fork has run up to its wait, and what it sent has been handled.
			skynet.yield()
			skynet.call(peer, "lua", "echo", 0)
		end
	end
	weigh("call", sleepers(function() skynet.call(peer, "lua", "hold") end))
	weigh("sleep", sleepers(function() skynet.sleep(1 << 30) end))
	local noop = function() end
	weigh("timeout", function()
		for _ = 1, n do skynet.timeout(1 << 30, noop) end
	end)
	-- Sent to itself: none is handled before this function waits.
	skynet.dispatch("lua", noop)
	local me = skynet.self()
	weigh("message", function()
		for i = 1, n do skynet.send(me, "lua", "some text that does not fit into the message", i) end
	end)
	measure.say("RESULT", name, 0, 0, table.concat(metrics, " "))
end

-- A node with n services more than an empty one, which does nothing. Measured from outside.
function W.idle(name, n)
	local before = measure.rss_kb()
	for _ = 1, n do skynet.newservice "bench_idle" end
	local each = n > 0 and string.format("kb_each=%.2f", (measure.rss_kb() - before) / n) or nil
	measure.say("READY", name, each)
	skynet.wait()
end
W.idle10k = W.idle

return W
