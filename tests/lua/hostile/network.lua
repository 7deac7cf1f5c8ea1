-- A node of a network with a master, which is the master itself, and which other nodes of a cluster may call, too.
local skynet = require "skynet"
local cluster = require "skynet.cluster"

skynet.dispatch("lua", function(session, _, ...)
	if session ~= 0 then
		skynet.retpack(...)
	end
end)

skynet.start(function()
	local _, port = cluster.open(0)
	cluster.register("echo", skynet.self())
	print("PORT " .. port)
	print "READY to be called"
end)
