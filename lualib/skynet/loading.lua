-- `require` and `skynet.init` in coroutines. A module's chunk and its init functions may block there,
-- and other coroutines may want the same module meanwhile. (In the main chunk, where nothing can
-- block yet, both are native.)

local skynet = require "skynet"

local plain = ... -- Lua's own require
local loaded = package.loaded
local running = coroutine.running

local jobs = {} -- module name -> the load in progress
local scopes = {} -- coroutine -> init functions of the module whose chunk it runs
local blocked = {} -- coroutine -> the load it waits for

---@class skynet.loading.job
---@field name string
---@field owner thread
---@field scope table? what the owner's scope was before this load
local Job = {}

-- Also runs if the loading coroutine is killed, so nobody is left waiting.
function Job:__close()
	jobs[self.name] = nil
	scopes[self.owner] = self.scope
	for _, token in ipairs(self) do
		skynet.wakeup(token)
	end
end

local function find_loader(name)
	for _, search in ipairs(package.searchers) do
		local loader, where = search(name)
		if type(loader) == "function" then
			return loader, where
		end
	end
end

local function execute(name, loader, where, inits)
	local value = loader(name, where)
	for _, f in ipairs(inits) do
		f()
	end
	if value ~= nil then
		loaded[name] = value
	elseif loaded[name] == nil then
		loaded[name] = true
	end
	return loaded[name]
end

local function rethrow(ok, ...)
	if not ok then
		error((...), 0)
	end
	return ...
end

local function load_here(co, name)
	local loader, where = find_loader(name)
	if not loader then
		local _, places = pcall(plain, name) -- the list of where it looked
		plain("skynet.core").raise(places)
	end
	local inits = {}
	local job <close> = setmetatable({ name = name, owner = co, scope = scopes[co] }, Job)
	jobs[name], scopes[co] = job, inits
	return rethrow(xpcall(execute, debug.traceback, name, loader, where, inits))
end

-- Follows who waits for whom: a ring of loads would never end.
local function wait_for(co, job)
	local other = job
	while other do
		if other.owner == co then
			plain("skynet.core").raise "circular dependency"
		end
		other = blocked[other.owner]
	end
	blocked[co] = job
	local unblock <close> = setmetatable({}, { __close = function() blocked[co] = nil end })
	while jobs[job.name] == job do
		job[#job + 1] = co
		skynet.wait(co)
	end
end

---@param name string
local function require(name)
	local job = jobs[name]
	local value = loaded[name]
	if value ~= nil and not job then
		return value
	end
	local co = running()
	if not job then
		return load_here(co, name)
	end
	wait_for(co, job)
	value = loaded[name]
	if value == nil then
		plain("skynet.core").raise(("require %s failed"):format(name))
	end
	return value
end

---@param f function
local function init(f)
	local inits = scopes[running()]
	if not inits then
		plain("skynet.core").raise "skynet.init is for main chunks, and for modules while they are loaded"
	end
	inits[#inits + 1] = f
end

return { require = require, init = init }
