-- Read-only tables that all services of a node share without copies, and that can be replaced while they are in use.
-- The service `sharedatad` keeps them by name.

local skynet = require "skynet"
local patient = require "skynet.patient"
local corelib = require "skynet.sharedata.corelib"

local sharedata = {}
local daemon
local proxies = setmetatable({}, { __mode = "v" }) -- by name
local watched = {} -- names whose changes this service is told

skynet.init(function()
	daemon = skynet.uniqueservice "sharedatad"
end)

-- Has each new version of what is called `name`; ends when that is deleted.
local function watch(name, pointer)
	repeat
		pointer = patient(daemon, "lua", "monitor", name, pointer)
		if pointer then
			local proxy = proxies[name]
			if proxy then
				corelib.update(proxy, pointer)
			end
			skynet.send(daemon, "lua", "confirm", pointer)
		end
	until not pointer
	proxies[name], watched[name] = nil, nil
end

local function fetch(name)
	local pointer = skynet.call(daemon, "lua", "query", name)
	local proxy = corelib.box(pointer)
	skynet.send(daemon, "lua", "confirm", pointer)
	return proxy, pointer
end

function sharedata.query(name)
	local proxy = proxies[name]
	if proxy then
		return proxy
	end
	local new, pointer = fetch(name)
	proxy = proxies[name] -- another coroutine may have been faster
	if proxy then
		corelib.close(new)
		return proxy
	end
	proxies[name] = new
	if not watched[name] then
		watched[name] = true
		skynet.fork(watch, name, pointer)
	end
	return new
end

function sharedata.new(name, value, ...)
	skynet.call(daemon, "lua", "new", name, value, ...)
end

function sharedata.update(name, value, ...)
	skynet.call(daemon, "lua", "update", name, value, ...)
end

function sharedata.delete(name)
	skynet.call(daemon, "lua", "delete", name)
end

local function closing(proxy, ...)
	corelib.close(proxy)
	return ...
end

-- Proxies follow an update as soon as this service is told of it; what is left to do is to let go of the old version.
function sharedata.flush()
	collectgarbage()
end

function sharedata.deepcopy(name, ...)
	if proxies[name] then
		return corelib.copy(proxies[name], ...)
	end
	local proxy = fetch(name)
	return closing(proxy, corelib.copy(proxy, ...))
end

return sharedata
