-- The second node of the cluster workloads. It runs until it is killed.
local skynet = require "skynet"
local measure = require "measure"

skynet.start(function()
	local ok, cluster = pcall(require, "skynet.cluster")
	-- The first node says why there is no cluster.
	if ok then
		cluster.reload { bench = assert(os.getenv "BENCH_NODE", "BENCH_NODE is the address") }
		cluster.register("bench_peer", skynet.newservice "bench_peer")
		cluster.open "bench"
	end
	measure.say "READY node"
end)
