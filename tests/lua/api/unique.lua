-- A service that tests start as a singleton: it answers with the argument that it was started with.
local skynet = require "skynet"

local argument = ...

skynet.start(function()
	skynet.dispatch("lua", function()
		skynet.retpack(argument)
	end)
end)
