-- An empty service that becomes what the function says that skynet.service.new sent.

local skynet = require "skynet"

local name = ...

local function no_dispatch()
	error "No dispatch function"
end

local function become(_, _, cmd, code, ...)
	assert(cmd == "init", "the first message is init")
	local body
	skynet.start = function(f) -- the service runs already
		body = f
	end
	skynet.dispatch("lua", no_dispatch)
	assert(load(code, name, "b"))(...)
	if body then
		body()
	end
	skynet.ret()
end

skynet.dispatch("lua", become)
skynet.start(function() end)
