-- A node that is stopped from outside: its services say when they are closed.
local skynet = require "skynet"

local mode = ...

local function closer(text)
	local function say()
		io.stdout:write(text .. "\n")
		io.stdout:flush()
	end
	return setmetatable({}, { __gc = say, __close = say })
end

if mode == "child" then
	kept = closer "finalizer of a child"
	skynet.start(function() end)
elseif mode == "busy" then
	skynet.start(function()
		skynet.fork(function()
			skynet.error "spinning"
			while true do
			end
		end)
	end)
else
	kept = closer "finalizer of main"
	skynet.start(function()
		for _ = 1, 3 do
			skynet.newservice(SERVICE_NAME, "child")
		end
		if skynet.getenv "busy" then
			skynet.newservice(SERVICE_NAME, "busy")
		end
		skynet.error "ready"
	end)
end
