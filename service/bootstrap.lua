-- The first service: starts the system services in their order, then the application, and leaves.

local skynet = require "skynet"
require "skynet.manager"

-- The node stops, and the status of the process is 1.
local function give_up(name)
	if skynet.localname ".launcher" then -- without it the node is being stopped
		skynet.setenv("bootstrap_failed", name)
	end
	skynet.abort()
	skynet.wait() -- for the end, which is near
end

-- Without this one the node is of no use.
local function must_start(name)
	local ok, handle = pcall(skynet.newservice, name)
	if not ok or not handle then
		skynet.error(("error: bootstrap can't start %s"):format(name))
		give_up(name)
	end
	return handle
end

-- The application, or its tree. What happens without it says the key startfail.
local function start(service, what, name)
	if pcall(skynet.newservice, service) then
		return true
	end
	-- The reason has been logged by the service itself.
	local stop = skynet.getenv "startfail" == "stop"
	skynet.error(("error: %s '%s' has failed; the node %s"):format(what, name,
		stop and "stops (config key startfail)" or "goes on without it"))
	if stop then
		give_up(name)
	end
end

local function start_single_node()
	assert(not skynet.getenv "standalone", "standalone has no meaning with harbor = 0")
	skynet.setenv("standalone", "true")
	return must_start "cdummy"
end

local function start_slave()
	if skynet.getenv "standalone" then
		must_start "cmaster"
	end
	return must_start "cslave"
end

-- Keeps the TLS library initialised as long as the node lives.
local function hold_tls()
	require("skynet.service").new("ltls_holder", function()
		require("ltls.init.c").constructor()
	end)
end

skynet.start(function()
	skynet.name(".launcher", assert(skynet.launch("snlua", "launcher"), "no launcher"))
	local id = tonumber(skynet.getenv "harbor" or 0)
	skynet.name(".cslave", id == 0 and start_single_node() or start_slave())
	if skynet.getenv "standalone" then
		skynet.name("DATACENTER", must_start "datacenterd")
	end
	must_start "service_mgr"
	if skynet.getenv "enablessl" == "true" then
		local ok, failure = pcall(hold_tls)
		if not ok then
			skynet.error(("error: enablessl = true, but there is no TLS: %s; the node goes on without it"):format(failure))
		end
	end
	local discovery = skynet.getenv "discovery" and must_start "discoveryd"
	local supervise = skynet.getenv "supervise"
	local started = not supervise or start("supervisord", "the supervision tree", supervise)
	local main = skynet.getenv "start" or not supervise and "main"
	started = (not main or start(main, "the start service", main)) and started
	if started then
		if discovery then
			skynet.send(discovery, "lua", "START") -- nobody is sent to a node that is not ready
		end
	end
	skynet.exit()
end)
