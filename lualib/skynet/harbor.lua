-- Names and links of the harbor network, asked of this node's `.cslave`.

local skynet = require "skynet"

local harbor = {}

local function ask(...)
	return skynet.call(".cslave", "lua", ...)
end

function harbor.globalname(name, handle)
	skynet.send(".cslave", "lua", "REGISTER", name, handle or skynet.self())
end

function harbor.queryname(name)
	return ask("QUERYNAME", name)
end

function harbor.link(id)
	ask("LINK", id)
end

function harbor.connect(id)
	ask("CONNECT", id)
end

function harbor.linkmaster()
	ask "LINKMASTER"
end

return harbor
