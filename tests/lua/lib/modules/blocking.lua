local skynet = require "skynet"

local steps = {}

local function ask(x)
	skynet.sleep(1)
	return skynet.call(tonumber(skynet.getenv "echo_service"), "lua", "echo", x)
end

skynet.init(function()
	steps[#steps + 1] = "init: " .. ask(2)
end)

steps[#steps + 1] = "chunk: " .. ask(1)

return { steps = steps }
