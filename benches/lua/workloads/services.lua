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

-- Resident memory of n things that f makes. A node of its own for each kind, since memory that one has freed would hide
-- what the next one takes. A rate would say nothing, so none is reported.
local function weigh(name, n, f)
	collectgarbage()
	local before = measure.rss_kb()
	f()
	measure.result(name, 0, 0, string.format("bytes=%.0f", (measure.rss_kb() - before) * 1024 / n))
end

-- Runs f, which is to wait, in n coroutines.
local function waiting(n, peer, f)
	for _ = 1, n do skynet.fork(f) end
	-- Every fork has run up to its wait, and what it sent has been handled.
	skynet.yield()
	skynet.call(peer, "lua", "echo", 0)
end

-- Calls that wait for an answer, with the coroutines on both sides.
function W.memcall(name, n)
	local peer = skynet.newservice "bench_peer"
	weigh(name, n, function()
		waiting(n, peer, function() skynet.call(peer, "lua", "hold") end)
	end)
end

-- Sleeping coroutines.
function W.memsleep(name, n)
	local peer = skynet.newservice "bench_peer"
	weigh(name, n, function()
		waiting(n, peer, function() skynet.sleep(1 << 30) end)
	end)
end

-- Timers that share a function.
function W.memtimer(name, n)
	local function noop() end
	weigh(name, n, function()
		for _ = 1, n do skynet.timeout(1 << 30, noop) end
	end)
end

-- Messages that wait in a mailbox: its owner sends them to itself, and handles none before it waits.
function W.memmessage(name, n)
	skynet.dispatch("lua", function() end)
	local me = skynet.self()
	weigh(name, n, function()
		for i = 1, n do skynet.send(me, "lua", "some text that does not fit into the message", i) end
	end)
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
W.idle100k = W.idle

return W
