-- Tells what is allocated: the allocator's report goes to standard error; the Lua memory of each service, and the sums,
-- are printed.

local skynet = require "skynet"
local memory = require "skynet.memory"

local function lines()
	local rows = {}
	for handle, bytes in next, memory.info() do
		rows[#rows + 1] = ("%s %gK"):format(skynet.address(handle), bytes / 1024)
	end
	table.sort(rows)
	rows[#rows + 1] = ("Total memory:\t%d"):format(memory.total())
	rows[#rows + 1] = ("Total block:\t%d"):format(memory.block())
	return table.concat(rows, "\n")
end

skynet.start(function()
	memory.dumpinfo()
	print(lines())
	skynet.exit()
end)
