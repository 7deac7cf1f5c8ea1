-- The first service: starts the system services in their order, then the application, and leaves.

local skynet = require "skynet"
require "skynet.manager"

-- Without this one the node is of no use.
local function must_start(name)
	local ok, handle = pcall(skynet.newservice, name)
	if not ok or not handle then
		skynet.error(("error: bootstrap can't start %s"):format(name))
		if skynet.localname ".launcher" then -- without it the node is being stopped
			skynet.setenv("bootstrap_failed", name) -- makes the status of the process 1
		end
		skynet.abort()
		skynet.wait() -- for the end, which is near
	end
	return handle
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
	local main = skynet.getenv "start" or "main"
	if pcall(skynet.newservice, main) then
		if discovery then
			skynet.send(discovery, "lua", "START") -- nobody is sent to a node that is not ready
		end
	else
		-- The reason has been logged by the service itself.
		skynet.error(("error: the start service '%s' has failed; the node goes on without it"):format(main))
	end
	skynet.exit()
end)
