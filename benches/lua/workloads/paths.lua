-- Single functions of hot paths, for counting their instructions. What is timed has to go through messages.
local skynet = require "skynet"
local measure = require "measure"
local timed = measure.timed

local W = {}

-- What a request of a game looks like.
local function sample() return "move", 10086, { x = 1.5, y = -2.25, tags = { "a", "bb" } } end

-- Packing such a request into a block.
function W.pack(name, n)
	local pack, trash = skynet.pack, skynet.trash
	local what, id, body = sample()
	timed(name, n, function()
		for _ = 1, n do trash(pack(what, id, body)) end
	end)
end

-- Unpacking it.
function W.unpack(name, n)
	local unpack, msg, sz = skynet.unpack, skynet.pack(sample())
	local what, id, body
	timed(name, n, function()
		for _ = 1, n do what, id, body = unpack(msg, sz) end
	end)
	assert(what == "move" and id == 10086 and body.tags[2] == "bb")
	skynet.trash(msg, sz)
end

-- Splitting what a socket has read: 16 frames of 62 bytes, and the beginning of one more. Counts frames.
function W.netpack(name, n)
	local netpack = measure.optional "skynet.netpack"
	local frame = string.pack(">s2", ("f"):rep(62))
	local data = frame:rep(16) .. frame:sub(1, 32)
	-- The rest of the frame begins the next event.
	local event = frame:sub(33) .. frame:rep(15) .. frame:sub(1, 32)
	-- As the socket engine of this implementation writes it: the data, then type, socket, size and a spare word.
	local function message(bytes) return bytes .. string.pack("=i4i4i4i4", 1, 7, #bytes, 0) end
	local me, queue = coroutine.running(), nil
	local function split(msg, sz)
		local what
		queue, what = netpack.filter(queue, msg, sz)
		assert(what == "more")
		local count = 0
		for _, ptr, size in netpack.pop, queue do
			skynet.trash(ptr, size)
			count = count + 1
		end
		return count
	end
	-- Only messages have an address.
	local first = true
	skynet.register_protocol {
		name = "text",
		id = skynet.PTYPE_TEXT,
		unpack = function(msg, sz)
			if first then
				first = false
				return assert(split(msg, sz) == 16)
			end
			timed(name, n // 16 * 16, function()
				for _ = 1, n // 16 do assert(split(msg, sz) == 16) end
			end)
			skynet.wakeup(me)
		end,
		dispatch = function() end,
	}
	skynet.rawsend(skynet.self(), "text", message(data))
	skynet.rawsend(skynet.self(), "text", message(event))
	skynet.wait(me)
end

-- Taking a cluster's request apart, and freeing its message.
function W.request(name, n)
	local core, frame = measure.optional "skynet.cluster.core", nil
	frame = core.packrequest("@player", 7, skynet.pack(sample())):sub(3)
	local unpack, trash = core.unpackrequest, skynet.trash
	local to, session, msg, sz
	timed(name, n, function()
		for _ = 1, n do
			to, session, msg, sz = unpack(frame)
			trash(msg, sz)
		end
	end)
	assert(to == "@player" and session == 7)
end

return W
