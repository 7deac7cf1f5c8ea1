-- The Lua half of the program in docs/rust-services.md.

local skynet = require "skynet"
require "skynet.manager"

local function use()
	local counter = skynet.launch("counter", "hello")
	skynet.send(counter, "lua", "add", 40)
	skynet.setenv("sum", skynet.call(counter, "lua", "add", 2))
	assert(not pcall(skynet.call, counter, "lua", "explode"))
end

skynet.start(function()
	print(pcall(use))
	skynet.abort()
end)
