-- Services made from a function, one of each name in the node. `service_provider` keeps the
-- names, `service_cell` runs the function.

local skynet = require "skynet"
local core = require "skynet.core"
require "skynet.manager"

local service = {}
local known = {} -- name -> handle, of those that query() has found
local provider

-- At the first use only: a preload script may require this module in services that start before the managers of
-- services.
local function ask(...)
	provider = provider or skynet.uniqueservice "service_provider"
	return skynet.call(provider, "lua", ...)
end

-- A function travels as bytecode: only its globals can be bound again on the other side.
local function dump(main)
	core.check(type(main) == "function", "a function expected, which is to be the service")
	core.check(debug.getupvalue(main, 1) == "_ENV" and not debug.getupvalue(main, 2),
		"assertion failed! (the function of a service may use globals only, no local of its surroundings)")
	return string.dump(main)
end

function service.new(name, main, ...)
	local code = dump(main)
	local handle, booting = ask("test", name)
	if handle then
		return handle
	end
	if booting then
		return service.query(name)
	end
	return ask("launch", name, code, ...)
end

function service.query(name)
	local handle = known[name]
	if not handle then
		handle = ask("query", name)
		known[name] = handle
	end
	return handle
end

function service.close(name)
	known[name] = nil
	local handle = ask("close", name)
	if not handle then
		return false
	end
	skynet.kill(handle)
	return true
end

return service
