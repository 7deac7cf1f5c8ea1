local skynet = require "skynet"

local inner = require "modules.inner"
local order = inner.order

skynet.init(function()
	order[#order + 1] = "outer init"
end)
order[#order + 1] = "outer chunk"

return inner
