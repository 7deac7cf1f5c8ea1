-- Runs one object of a snax class: `snaxd <name>`. See skynet.snax for the other side.
--
-- A message is a method's number and its arguments. Before init has ended only the system's own methods work; a class
-- without an init function is ready at once.

local skynet = require "skynet"
local profile = require "skynet.profile"
local snax = require "skynet.snax"
local interface = require "snax.interface"
local hotfix = require "snax.hotfix"

local class = ...

-- A class may keep modules in a folder of its name beside its file.
local function located(pattern)
	SERVICE_NAME = class
	SERVICE_PATH = ("%s%s/"):format(pattern:match "^[^?]*", class)
	package.path = ("%s?.lua;%s"):format(SERVICE_PATH, package.path)
end

local loader = skynet.getenv "snax_loader"
local methods, pattern = interface(class, _ENV, loader and dofile(loader), located)
if SERVICE_NAME ~= class then -- an application's own snax.interface need not know of located()
	located(pattern)
end

local stats = {} -- method name -> { count = calls that have ended, time = their CPU seconds }

local Stat = {}

-- Runs however the method ends: by an error, or with the service.
function Stat:__close()
	self.count = self.count + 1
	self.time = self.time + profile.stop()
end

local function measure(name)
	local stat = stats[name] or setmetatable({ count = 0, time = 0 }, Stat)
	stats[name] = stat
	profile.start()
	return stat
end

local called, ready = false, false

local function get_ready()
	ready = true
	skynet.info_func(function()
		return stats
	end)
end

if not methods[1][4] then
	get_ready()
end

local system = {}

function system.init(f, ...)
	assert(not called, "Already init")
	called = true
	if f then
		f(...)
	end
	get_ready()
	skynet.ret()
end

function system.exit(f, ...)
	assert(ready, "Init first")
	if f then
		f(...)
	end
	skynet.ret()
	skynet.exit()
end

function system.hotfix(_, ...)
	skynet.retpack(hotfix(methods, ...))
end

function system.profile()
	skynet.retpack(stats)
end

local function dispatch(_, _, id, ...)
	local method = methods[id] or error(("%s has no method %s"):format(class, id))
	local _, group, name, f = table.unpack(method)
	if group == "system" then
		return system[name](f, ...)
	end
	assert(ready, "Init first")
	local _ <close> = measure(name)
	if group == "response" then
		skynet.retpack(f(...))
	else
		f(...)
	end
end

function snax.enablecluster()
	skynet.dispatch("lua", dispatch)
end

skynet.dispatch("snax", dispatch)
skynet.start(function() end)
