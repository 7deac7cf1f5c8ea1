local skynet = require "skynet"

local order = {}

skynet.init(function()
	order[#order + 1] = "inner init"
end)
order[#order + 1] = "inner chunk"

return { order = order }
