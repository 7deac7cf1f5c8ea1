-- What all workloads share: a clock, resident memory, lines for the kit, and a way to do things at the same time.
-- Only the public API of skynet is used here and in the workloads, so that they run on any implementation.
--
-- A workload prints one of
--     RESULT <name> <operations> <seconds> [<metric>=<value> ...]
--     SKIPPED <name> <reason>
--     FAILED <name> <reason>
-- and one that is measured from outside prints READY <name> [<metric>=<value> ...] and goes on.
local skynet = require "skynet"

local M = {}

function M.now() return skynet.hpc() / 1e9 end

-- Resident memory of the process. The kernel sums up its pages for this file; the figure in /proc/self/status can be
-- some hundred kilobytes behind.
function M.rss_kb()
	for line in io.lines "/proc/self/smaps_rollup" do
		local kb = line:match "^Rss:%s+(%d+)"
		if kb then return tonumber(kb) end
	end
end

function M.say(...)
	io.stdout:write(table.concat({ ... }, " "), "\n")
	io.stdout:flush()
end

function M.result(name, operations, seconds, metrics)
	M.say("RESULT", name, operations, string.format("%.6f", seconds), metrics)
end

-- Runs f and reports how long its operations took.
function M.timed(name, operations, f)
	local began = M.now()
	f()
	M.result(name, operations, M.now() - began)
end

-- Runs f(1) ... f(n) in coroutines of their own and waits for all.
function M.join(n, f)
	local left, me = n, coroutine.running()
	for i = 1, n do
		skynet.fork(function()
			f(i)
			left = left - 1
			if left == 0 then skynet.wakeup(me) end
		end)
	end
	skynet.wait(me)
end

-- Processor time of the whole process so far, in seconds.
M.cpu = os.clock

-- Runs f and reports how long its operations took, and the processor time of this process for each.
function M.costed(name, operations, f)
	local cpu, began = M.cpu(), M.now()
	f()
	local seconds, used = M.now() - began, M.cpu() - cpu
	M.result(name, operations, seconds, ("cpu_ns=%.1f"):format(used / operations * 1e9))
end

-- n services of one kind.
function M.services(kind, n)
	local made = {}
	for i = 1, n do made[i] = skynet.newservice(kind) end
	return made
end

-- Ends the workload without a result, for a reason that is not an error.
function M.skip(reason) error({ skip = reason }, 0) end

-- A module that not every node has.
function M.optional(module)
	local ok, found = pcall(require, module)
	if ok then return found end
	if tostring(found):find("module '" .. module .. "' not found", 1, true) then
		M.skip("this node has no " .. module)
	end
	error(found, 0)
end

-- The other node, as soon as it answers.
function M.other_node()
	local cluster = M.optional "skynet.cluster"
	cluster.reload { bench = assert(os.getenv "BENCH_NODE", "BENCH_NODE is the other node's address") }
	for _ = 1, 50 do
		if pcall(cluster.call, "bench", "@bench_peer", "echo", 0) then return cluster end
		skynet.sleep(10)
	end
	error "the other node does not answer"
end

return M
