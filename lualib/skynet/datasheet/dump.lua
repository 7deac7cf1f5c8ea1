-- Datasheets as bytes, apart from the service that shares them.

local core = require "skynet.datasheet.core"

local dump = { dump = core.compile, diff = core.diff }

-- The tables that the bytes stand for.
function dump.undump(bytes)
	local box = core.new(bytes)
	local function read(number)
		local t, links = {}, {}
		core.fill(box, number, t, links)
		for i = 1, #links, 2 do
			t[links[i]] = read(links[i + 1])
		end
		return t
	end
	local root = read(0)
	core.empty(box)
	return root
end

return dump
