-- Messages of the protocol "queue", handled strictly one after another (deprecated: use skynet.queue).
-- An answer is (true, results...) or (false, error).

local skynet = require "skynet"
local check = require("skynet.core").check
local queue = require "skynet.queue"

local mqueue = {}
local waiting = 0

local protocol = { id = skynet.PTYPE_QUEUE, name = "queue" }
protocol.pack, protocol.unpack = skynet.pack, skynet.unpack
skynet.register_protocol(protocol)

function mqueue.register(f)
	check(not skynet.dispatch "queue", "assertion failed! (mqueue.register is called once)")
	local in_turn = queue()

	local function handle(session, ...)
		waiting = waiting - 1
		if session ~= 0 then
			return skynet.retpack(pcall(f, ...))
		end
		local ok, err = pcall(f, ...)
		if err or not ok then
			skynet.error("mqueue:", err)
		end
	end

	skynet.dispatch("queue", function(session, _, ...)
		waiting = waiting + 1
		in_turn(handle, session, ...)
	end)
end

local function reraise(ok, ...)
	if not ok then
		error((...), 0)
	end
	return ...
end

function mqueue.size()
	return waiting
end

function mqueue.send(addr, ...)
	return skynet.send(addr, "queue", ...)
end

function mqueue.call(addr, ...)
	return reraise(skynet.call(addr, "queue", ...))
end

return mqueue
