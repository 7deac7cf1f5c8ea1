-- Workloads of a size that the environment variable BENCH_SIZE gives, for the diagrams.
local skynet = require "skynet"
local measure = require "measure"
local timed, join, services = measure.timed, measure.join, measure.services

local W = {}

local function size() return (assert(tonumber(os.getenv "BENCH_SIZE"), "BENCH_SIZE is the size")) end

-- Calls that carry a string of that many bytes one way.
function W.payloadcall(name, n)
	local echo = skynet.newservice "bench_peer"
	local s = ("x"):rep(size())
	timed(name, n, function()
		for _ = 1, n do assert(skynet.call(echo, "lua", "len", s) == #s) end
	end)
end

-- One-way messages with such a string, at most 64 MB of them in the mailbox.
function W.payloadsend(name, n)
	local sink = skynet.newservice "bench_peer"
	local s = ("x"):rep(size())
	local lot = math.max(1, math.min(5000, (64 << 20) // #s))
	timed(name, n, function()
		for i = 1, n do
			skynet.send(sink, "lua", "count", s)
			if i % lot == 0 then skynet.call(sink, "lua", "echo", 0) end
		end
		assert(skynet.call(sink, "lua", "total") == n)
	end)
end

-- The calls to another node, 16 outstanding.
function W.payloadcluster(name, n)
	local cluster = measure.other_node()
	local s = ("x"):rep(size())
	local each = n // 16
	timed(name, each * 16, function()
		join(16, function()
			for _ = 1, each do assert(cluster.call("bench", "@bench_peer", "len", s) == #s) end
		end)
	end)
end

-- A token that goes round so many services.
function W.ringof(name, n)
	local count = size()
	local rounds = math.max(1, n // count)
	local ring = services("bench_peer", count)
	for i = 1, count do skynet.call(ring[i], "lua", "peer", ring[i % count + 1]) end
	local me = coroutine.running()
	skynet.dispatch("lua", function() skynet.wakeup(me) end)
	skynet.call(ring[count], "lua", "home", skynet.self())
	timed(name, count * rounds, function()
		skynet.send(ring[1], "lua", "token", rounds, 1)
		skynet.wait(me)
	end)
end

-- Half of so many services call the other half.
function W.pairsof(name, n)
	local half = size() // 2
	local each = math.max(1, n // half)
	local callers = services("bench_peer", half)
	for i = 1, half do skynet.call(callers[i], "lua", "peer", skynet.newservice "bench_peer") end
	timed(name, each * half, function()
		join(half, function(i) assert(skynet.call(callers[i], "lua", "drive", each) == each) end)
	end)
end

return W
