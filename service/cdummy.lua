-- The `.cslave` of a node without a network: global names are this node's own.

local skynet = require "skynet"
require "skynet.manager"
local core = require "skynet.core"

local names = {}
local waiting = {} -- name -> responses of those who asked for it
local harbor

local command = {}

function command.REGISTER(name, handle)
	assert(not names[name], "the name is taken")
	names[name] = handle
	core.redirect(harbor, handle, skynet.PTYPE_HARBOR, 0, "N " .. name)
	for _, response in ipairs(waiting[name] or {}) do
		response(true, handle)
	end
	waiting[name] = nil
end

function command.QUERYNAME(name)
	local handle = names[name]
	if name:sub(1, 1) == "." then
		skynet.retpack(skynet.localname(name))
	elseif handle then
		skynet.retpack(handle)
	else
		waiting[name] = waiting[name] or {}
		table.insert(waiting[name], skynet.response())
	end
end

function command.LINK()
	skynet.ret()
end

-- Nobody can be connected, so this has no answer; the kept response ends with this service.
local never = {}

function command.CONNECT()
	skynet.error "Can't connect to other harbor in single node mode"
	table.insert(never, skynet.response())
end

skynet.dispatch("lua", function(_, _, cmd, ...)
	local f = command[cmd] or error(("unknown command %s"):format(core.shown(cmd)))
	f(...)
end)

skynet.start(function()
	harbor = assert(skynet.launch("harbor", 0, skynet.self()))
end)
