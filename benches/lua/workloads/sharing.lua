-- Workloads: data that services share.
local skynet = require "skynet"
local measure = require "measure"

local W = {}

-- n services that subscribe to a new channel; returns the channel.
local function audience(n)
	local channel = measure.optional "skynet.multicast".new()
	for i = 1, n do
		skynet.call(skynet.newservice "bench_cast", "lua", "join", channel.channel, skynet.self())
	end
	return channel
end

-- Waits for n messages of subscribers; start() is called first.
local function heard_by(n, start)
	local me, left = coroutine.running(), n
	skynet.dispatch("lua", function()
		left = left - 1
		if left == 0 then skynet.wakeup(me) end
	end)
	start()
	skynet.wait(me)
end

--- A channel with 10,000 subscribers (or as many as n deliveries allow). Counts deliveries.
function W.multicast(name, n)
	local size = math.min(10000, n)
	local channel = audience(size)
	measure.timed(name, size * (n // size), function()
		heard_by(size, function()
			for i = 1, n // size do channel:publish("member " .. i, "hello, everybody", i == n // size) end
		end)
	end)
end

--- What a subscriber costs that works on a payload of 1 MB, with n of them.
function W.memcast(name, n)
	local channel = audience(n)
	local text = ("x"):rep(1 << 20)
	local before, began = measure.rss_kb(), measure.now()
	heard_by(n, function() channel:publish("hold", text) end)
	local bytes = (measure.rss_kb() - before) * 1024 / n
	measure.result(name, n, measure.now() - began, ("bytes=%.1f"):format(bytes))
end

-- Walks over 1,000 items until n fields have been read; returns the seconds.
local function read(items, n)
	local began, sum = measure.now(), 0
	for _ = 1, n // 3000 do
		for i = 1, 1000 do
			local item = items[i]
			sum = sum + item.price + #item.name
		end
	end
	assert(sum > 0)
	return measure.now() - began
end

--- Fields of a sharedata table that have been read before, three an item; beside it those of a local table, and the first reading.
function W.sharedata(name, n)
	local sharedata = measure.optional "skynet.sharedata"
	local items = {}
	for i = 1, 1000 do items[i] = { id = i, price = i * 1.5, name = "item" .. i } end
	sharedata.new("items", { items = items })
	local shared = sharedata.query("items").items
	local first = read(shared, 3000)
	local seconds, plain = read(shared, n), read(items, n)
	local each = ("first_ns=%.1f local_ns=%.2f shared_ns=%.2f"):format(first / 3000 * 1e9, plain / n * 1e9, seconds / n * 1e9)
	measure.result(name, n, seconds, each)
end

return W
