-- How long a client waits for something that takes a call. The clients are the kit's (benches/src/crowd.rs): 64
-- connections, whose frames come back as soon as a call for each has been answered.
local skynet = require "skynet"
local measure = require "measure"

local W = {}

-- Two bytes of length, and what they say (SIZE in benches/src/crowd.rs).
local FRAME <const> = 2 + 64

-- Serves clients until the node is killed.
local function serve(name, call)
	local socket = measure.optional "skynet.socket"
	local nodelay = require("skynet.socketdriver").nodelay
	local port = assert(tonumber(os.getenv "BENCH_PORT"), "BENCH_PORT is a free port")

	local function answer(id, frame)
		call()
		socket.write(id, frame)
	end

	local function client(id)
		socket.start(id)
		nodelay(id)
		while true do
			local frame = socket.read(id, FRAME)
			if not frame then break end
			-- The next one does not wait for this one's call.
			skynet.fork(answer, id, frame)
		end
		socket.close(id)
	end

	local listener = socket.listen("127.0.0.1", port)
	socket.start(listener, function(id) skynet.fork(client, id) end)
	measure.say("READY", name)
	skynet.wait()
end

-- Calls between two services of one node.
function W.latency(name)
	local echo = skynet.newservice "bench_peer"
	serve(name, function() skynet.call(echo, "lua", "echo", 1) end)
end

-- The same with a service of another node.
function W.clusterlatency(name)
	local cluster = measure.other_node()
	serve(name, function() cluster.call("bench", "@bench_peer", "echo", 1) end)
end

return W
