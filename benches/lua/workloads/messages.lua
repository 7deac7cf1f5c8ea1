-- Calls and sends between services of one node.
local skynet = require "skynet"
local measure = require "measure"
local timed, join, services = measure.timed, measure.join, measure.services

local W = {}

-- One caller, one callee, one outstanding call.
function W.call(name, n)
	local echo = skynet.newservice "bench_peer"
	for i = 1, 2000 do skynet.call(echo, "lua", "echo", i) end
	timed(name, n, function()
		local last
		for i = 1, n do last = skynet.call(echo, "lua", "echo", i) end
		assert(last == n)
	end)
end

-- One caller with 64 outstanding calls.
function W.call64(name, n)
	local echo = skynet.newservice "bench_peer"
	local each = n // 64
	timed(name, each * 64, function()
		join(64, function()
			for i = 1, each do skynet.call(echo, "lua", "echo", i) end
		end)
	end)
end

-- 16 callers, each with a callee of its own.
function W.pairs16(name, n)
	local each = n // 16
	local callers = services("bench_peer", 16)
	for i = 1, 16 do skynet.call(callers[i], "lua", "peer", skynet.newservice "bench_peer") end
	timed(name, each * 16, function()
		join(16, function(i) assert(skynet.call(callers[i], "lua", "drive", each) == each) end)
	end)
end

-- One-way messages from one sender, with a call at times to keep the mailbox within bounds.
function W.send(name, n)
	local sink = skynet.newservice "bench_peer"
	timed(name, n, function()
		for i = 1, n do
			skynet.send(sink, "lua", "count", i)
			if i % 5000 == 0 then skynet.call(sink, "lua", "echo", 0) end
		end
		assert(skynet.call(sink, "lua", "total") == n)
	end)
end

-- 8 senders, one receiver.
function W.fanin(name, n)
	local sink = skynet.newservice "bench_peer"
	local senders = services("bench_peer", 8)
	local each = n // 8
	timed(name, each * 8, function()
		join(8, function(i) skynet.call(senders[i], "lua", "flood", sink, each) end)
		assert(skynet.call(sink, "lua", "total") == each * 8)
	end)
end

-- A token that goes round a ring of 512 services.
function W.ring(name, n)
	local size = 512
	local rounds = math.max(1, n // size)
	local ring = services("bench_peer", size)
	for i = 1, size do skynet.call(ring[i], "lua", "peer", ring[i % size + 1]) end
	local me, hops = coroutine.running(), 0
	skynet.dispatch("lua", function(_, _, _, i)
		hops = i
		skynet.wakeup(me)
	end)
	skynet.call(ring[size], "lua", "home", skynet.self())
	timed(name, size * rounds, function()
		skynet.send(ring[1], "lua", "token", rounds, 1)
		skynet.wait(me)
	end)
	assert(hops == size * rounds, hops)
end

-- A room of 10,000 members (or as many as n deliveries allow): one says something, all are told. Counts deliveries.
function W.chat(name, n)
	local size = math.min(10000, n)
	local sayings = n // size
	local room = skynet.newservice "bench_room"
	local members = {}
	for i = 1, size do
		members[i] = skynet.newservice("bench_room", "member")
		skynet.call(members[i], "lua", "join", skynet.self())
	end
	skynet.call(room, "lua", "open", members, sayings)
	local me, left = coroutine.running(), size
	skynet.dispatch("lua", function(_, _, heard)
		assert(heard == sayings, heard)
		left = left - 1
		if left == 0 then skynet.wakeup(me) end
	end)
	timed(name, size * sayings, function()
		for i = 1, sayings do skynet.call(room, "lua", "say", "member " .. i, "hello, everybody") end
		skynet.wait(me)
	end)
end

-- A table of a game's usual shape.
local sample = {
	id = 10086, name = "player-10086", level = 57, hp = 1234.5, alive = true,
	pos = { x = 1.5, y = -2.25, z = 1e10 },
	bag = { { id = 1, n = 20 }, { id = 2, n = 1 }, { id = 65537, n = 300 }, { id = -5, n = 1 << 40 } },
	tags = { "a", "bb", "ccc", "dddd" },
}

-- Packs and unpacks that table, without sending it.
function W.seri(name, n)
	local pack, unpack = skynet.packstring, skynet.unpack
	timed(name, n, function()
		local _, i, copy
		for k = 1, n do _, i, copy = unpack(pack("cmd", k, sample)) end
		assert(i == n and copy.bag[4].n == 1 << 40)
	end)
end

-- Calls that carry that table both ways.
function W.calltable(name, n)
	local echo = skynet.newservice "bench_peer"
	timed(name, n, function()
		local copy
		for _ = 1, n do copy = skynet.call(echo, "lua", "echo", sample) end
		assert(copy.tags[4] == "dddd")
	end)
end

-- Calls that carry 1 MiB one way.
function W.bigmsg(name, n)
	local echo = skynet.newservice "bench_peer"
	local s = string.rep("x", 1 << 20)
	timed(name, n, function()
		for _ = 1, n do assert(skynet.call(echo, "lua", "len", s) == #s) end
	end)
end

return W
