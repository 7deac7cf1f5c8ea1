-- `require` and `skynet.init` of a service. A module may register init functions that
-- block, so they cannot run inside Lua's own `require` while the main chunk is loading:
-- they are kept, and the start coroutine runs them. This file is part of every service,
-- so it is as small as can be; loading modules in a coroutine is skynet.loading.

local plain = require
local loaded = package.loaded
local running = coroutine.running

local deferred = {} -- init functions of the main chunk; nil once they were taken
local loading -- the module of that name, once it was needed

local function require(name)
	local value = loaded[name]
	if value ~= nil and not (loading and loading.jobs[name]) then
		return value
	end
	local co, main = running()
	if main then
		return plain(name)
	end
	loading = loading or plain "skynet.loading"
	return loading.require(co, name)
end

-- Where nobody collects init functions, the list is nil and insert raises.
local function init(f)
	local co, main = running()
	local list
	if main then
		list = deferred
	elseif loading then
		list = loading.scopes[co]
	end
	table.insert(list, f)
end

local function init_all()
	local list = deferred
	deferred = nil
	for _, f in ipairs(list or {}) do
		f()
	end
end

return { require = require, init = init, init_all = init_all, plain = plain }
