-- A new service in the place of one that runs, with its names and its state.

local skynet = require "skynet"
local core = require "skynet.core"

local replace = {}

local OPTIONS <const> = { args = "table", drain = "number", settle = "number", state = "boolean" }
local DRAIN <const> = 500

function replace.state(export, import)
	require("skynet.replace.handover").state(export, import)
end

function replace.run(addr, script, options)
	options = options or {}
	core.check(type(script) == "string", "replace: the name of a service expected")
	for key, value in pairs(options) do
		core.check(OPTIONS[key], ("replace: there is no option '%s'"):format(tostring(key)))
		core.check(type(value) == OPTIONS[key], ("replace: %s: a %s expected"):format(key, OPTIONS[key]))
	end
	local old = addr
	if type(addr) == "string" then
		old = skynet.localname(addr) or tonumber(addr:match "^:(%x+)$" or "", 16)
	end
	core.check(math.type(old) == "integer", ("replace: there is no service %s"):format(core.shown(addr)))
	local args = options.args or {}
	local new = skynet.newservice(script, table.unpack(args, 1, args.n or #args))
	core.check(new, ("replace: %s has ended while it started"):format(script))
	local ok, why = pcall(skynet.call, old, "debug", "REPLACE", new, options.state or false, options.drain or DRAIN,
		options.settle or 0)
	if ok and why ~= true then
		ok = false
	end
	if not ok then
		require "skynet.manager"
		skynet.kill(new)
		error(tostring(why), 0)
	end
	local clusterd = skynet.call(".service", "lua", "MOVE", old, new)
	if clusterd then
		skynet.call(clusterd, "lua", "handover", old, new)
	end
	return new
end

return replace
