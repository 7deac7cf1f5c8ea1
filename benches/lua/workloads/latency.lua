-- How long a call takes while a service is half busy.
--
-- Open loop: calls are due at times that do not depend on the answers (exponential gaps), and a call's time counts from
-- when it was due, so that a stall is seen by every call that it delays.
local skynet = require "skynet"
local measure = require "measure"

local W = {}

-- Calls a second, with a number of them outstanding at any time.
local function capacity(call, n)
	local began = measure.now()
	local started = 0
	measure.join(64, function()
		while started < n do
			started = started + 1
			-- A coroutine for each call, as in the measurement.
			local me = coroutine.running()
			skynet.fork(function()
				call()
				skynet.wakeup(me)
			end)
			skynet.wait(me)
		end
	end)
	return n / (measure.now() - began)
end

local function open_loop(name, n, call)
	local rate = capacity(call, n) / 2
	local mean = 1e9 / rate
	local times, left, me = {}, n, coroutine.running()
	local hpc, random, log = skynet.hpc, math.random, math.log
	math.randomseed(1)
	local began = hpc()
	local due, sent = began, 0
	local function one(when)
		call()
		times[#times + 1] = hpc() - when
		left = left - 1
		if left == 0 then skynet.wakeup(me) end
	end
	while sent < n do
		local now = hpc()
		while due <= now and sent < n do
			skynet.fork(one, due)
			sent = sent + 1
			due = due - math.floor(log(1 - random()) * mean)
		end
		-- The forks run, answers come in.
		skynet.yield()
	end
	if left > 0 then skynet.wait(me) end
	local seconds = (hpc() - began) / 1e9
	table.sort(times)
	local function percentile(p) return times[math.max(1, math.ceil(n * p))] / 1e3 end
	measure.result(name, n, seconds, string.format("p50_us=%.2f p99_us=%.2f p999_us=%.2f max_us=%.2f",
		percentile(0.5), percentile(0.99), percentile(0.999), times[n] / 1e3))
end

-- Calls between two services of one node. The caller never rests, since it waits for the time of the next call.
function W.latency(name, n)
	local echo = skynet.newservice "bench_peer"
	open_loop(name, n, function() skynet.call(echo, "lua", "echo", 1) end)
end

-- The same with a service of another node.
function W.clusterlatency(name, n)
	local cluster = measure.other_node()
	open_loop(name, n, function() cluster.call("bench", "@bench_peer", "echo", 1) end)
end

return W
