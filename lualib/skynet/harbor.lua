-- Names and links of the harbor network, asked of this node's `.cslave`.

local skynet = require "skynet"

local harbor = {}

-- Centiseconds of a wait that may be as long as it likes, whatever the key `calltimeout` says.
local FOREVER <const> = 0x7fffffff

-- Waits until it happens.
local function wait(...)
	return skynet.timeoutcall(FOREVER, ".cslave", "lua", ...)
end

function harbor.globalname(name, handle)
	skynet.send(".cslave", "lua", "REGISTER", name, handle or skynet.self())
end

function harbor.queryname(name)
	return skynet.call(".cslave", "lua", "QUERYNAME", name)
end

function harbor.link(id)
	wait("LINK", id)
end

function harbor.connect(id)
	wait("CONNECT", id)
end

function harbor.linkmaster()
	wait "LINKMASTER"
end

return harbor
