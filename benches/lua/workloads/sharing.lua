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

--- Fields of a sharedata table that have been read before, three an item; beside it those of a local table, and the
--- first reading.
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

-- The source of a configuration: a table of so many items, about 650 bytes each in memory.
local function configuration(items, version)
	return ([[
local items = {}
for i = 1, %d do
	items[i] = {
		id = i, name = "item-" .. i, price = i + 0.5, kind = i %% 17, stack = 99,
		text = ("This is what item %%d is good for, and where it can be found."):format(i),
		need = { level = i %% 60 + 1, class = { i %% 3, i %% 5, 7 } },
		gives = { attack = i %% 100, defence = i * 2, speed = 1.25 },
	}
end
return { version = %d, items = items }
]]):format(items, version)
end

--- A configuration of 50 MB that 1,000 services read (or as many as n): what it weighs, and in each; the time of a
--- field, beside one of a local table; loading a new version; and until all services have gone over to it.
function W.sharetable(name, n)
	local sharetable = measure.optional "skynet.sharetable"
	local items = math.max(1000, 65 * n)
	local readers = measure.services("bench_share", n)
	local function all(what, version)
		for i = 1, n do
			local price, got = skynet.call(readers[i], "lua", what)
			assert(price == 1.5 and got == version)
		end
	end
	for i = 1, n do skynet.call(readers[i], "lua", "ready") end

	local before = measure.rss_kb()
	sharetable.loadstring("config", configuration(items, 1))
	local loaded = measure.rss_kb()
	all("open", 1)
	local opened = measure.rss_kb()
	local fields = 20000 * n
	local shared, plain = skynet.call(readers[1], "lua", "read", fields)

	local began = measure.now()
	sharetable.loadstring("config", configuration(items, 2))
	local new = measure.now()
	all("update", 2)
	local updated = measure.now()
	measure.result(name, 0, 0, ("table_mb=%.1f kb_each=%.2f shared_ns=%.2f local_ns=%.2f load_ms=%.1f update_ms=%.1f"):format(
		(loaded - before) / 1024, (opened - loaded) / n, shared / fields * 1e9, plain / fields * 1e9,
		(new - began) * 1e3, (updated - new) * 1e3))
end

return W
