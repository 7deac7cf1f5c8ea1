-- What happens inside one service: coroutines and timers.
local skynet = require "skynet"
local measure = require "measure"
local timed, join = measure.timed, measure.join

local W = {}

-- A coroutine is made, runs and ends.
function W.fork(name, n)
	local batch = math.min(1000, n)
	timed(name, n // batch * batch, function()
		local ran = 0
		for _ = 1, n // batch do
			join(batch, function() ran = ran + 1 end)
		end
		assert(ran == n // batch * batch)
	end)
end

-- Once round the own mailbox.
function W.yield(name, n)
	timed(name, n, function()
		for _ = 1, n do skynet.yield() end
	end)
end

-- Timers that are pending at the same time, with delays of 0 to 0.49 s. The last ones made are due that much later, so
-- n has to be so large that half a second does not count for much.
function W.timer(name, n)
	local left, me = n, coroutine.running()
	timed(name, n, function()
		for i = 1, n do
			skynet.timeout(i % 50, function()
				left = left - 1
				if left == 0 then skynet.wakeup(me) end
			end)
		end
		skynet.wait(me)
	end)
end

-- A tree of coroutines with n leaves, each node ten children; every leaf gives its number, every node the sum.
function W.tree(name, n)
	local function sum(first, size)
		if size == 1 then return first end
		local part, total = size // 10, 0
		join(10, function(i)
			-- Others add to the total while this sum waits.
			local one = sum(first + (i - 1) * part, part)
			total = total + one
		end)
		return total
	end
	local leaves = 1
	while leaves * 10 <= n do leaves = leaves * 10 end
	timed(name, leaves, function() assert(sum(0, leaves) == leaves * (leaves - 1) // 2) end)
end

return W
