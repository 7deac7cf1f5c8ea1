-- Does while it loads what only a service can.
local skynet = require "skynet"
local config = require "no_such_module_of_a_client"

skynet.init(function() end)
for _, name in ipairs(config.names) do
	accept[name] = function() end
end
config.loaded = config.a.b.c("x")
leaked = true

function response.last() end
