-- Services with a class: the methods that a file defines, called by name from objects in other services.
--
-- Both sides run the class's file to learn the methods' numbers, which are what messages carry. On this side the file
-- runs for its definitions only.

local skynet = require "skynet"
require "skynet.manager"
local check = require("skynet.core").check
local interface = require "snax.interface"

local snax = {}

local classes = {} -- name -> class
local objects = setmetatable({}, { __mode = "v" }) -- handle -> object

if not skynet._proto.snax then
	skynet.register_protocol {
		name = "snax",
		id = skynet.PTYPE_SNAX,
		pack = skynet.pack,
		unpack = skynet.unpack,
	}
end

-- What `require` gives to a file that runs for its definitions: it has fields like itself and does nothing. Its
-- elements and results are nil, so that loops over them end.
local nothing = {}
setmetatable(nothing, {
	__index = function(_, key)
		return type(key) == "string" and nothing or nil
	end,
	__newindex = function() end,
	__call = function() end,
})

local function void()
	return nothing
end

-- The globals for a class's file; what it defines besides methods is thrown away with them.
local function client_globals()
	local custom = skynet.getenv "snax_interface_g"
	local globals = { require = not custom and void or nil }
	return setmetatable(globals, { __index = custom and require(custom) or _G })
end

function snax.interface(name)
	check(type(name) == "string", "the name of a snax class is a string")
	local class = classes[name]
	if class then
		return class
	end
	class = { name = name, accept = {}, response = {}, system = {} }
	for id, method in ipairs(interface(name, client_globals())) do
		local _, group, method_name, f = table.unpack(method)
		if method_name ~= "init" or group ~= "system" or f then -- who has no init is not sent one
			class[group][method_name] = id
		end
	end
	classes[name] = class
	return class
end

-- A table of functions, each made when it is first used.
local function stubs(ids, unknown, make)
	local function first_use(self, name)
		local id = ids[name] or error(unknown:format(name), 2)
		local f = make(id)
		self[name] = f
		return f
	end
	return setmetatable({}, { __index = first_use })
end

local Object = {
	__tostring = function(self)
		return ("[%s:%x]"):format(self.type, self.handle)
	end,
}

local function new_object(handle, class)
	local title = class.name:gsub("%%", "%%%%")
	local object = { handle = handle, type = class.name }
	object.post = stubs(class.accept, "post " .. title .. ":%s no exist", function(id)
		return function(...)
			skynet.send(handle, "snax", id, ...)
		end
	end)
	object.req = stubs(class.response, "request " .. title .. ":%s no exist", function(id)
		return function(...)
			return skynet.call(handle, "snax", id, ...)
		end
	end)
	return setmetatable(object, Object)
end

function snax.bind(handle, name)
	local object = objects[handle]
	if object then
		check(object.type == name, ("assertion failed! (%s is a service of another class than %s)"):format(object, name))
		return object
	end
	object = new_object(handle, snax.interface(name))
	objects[handle] = object
	return object
end

function snax.rawnewservice(name, ...)
	local init = snax.interface(name).system.init
	local handle = check(skynet.newservice("snaxd", name), "it has exited while it started")
	objects[handle] = nil -- of a dead service, should the number have come round
	if init then
		local ok, failure = pcall(skynet.call, handle, "snax", init, ...)
		if not ok then
			skynet.kill(handle) -- nobody knows it
			error(failure, 0)
		end
	end
	return handle
end

function snax.newservice(name, ...)
	return snax.bind(snax.rawnewservice(name, ...), name)
end

-- Services that exist once: the manager starts them, or waits for somebody who does.

function snax.uniqueservice(name, ...)
	return snax.bind(skynet.uniqueservice("snaxd", name, ...), name)
end

function snax.globalservice(name, ...)
	return snax.bind(skynet.uniqueservice(true, "snaxd", name, ...), name)
end

function snax.queryservice(name)
	return snax.bind(skynet.queryservice("snaxd", name), name)
end

function snax.queryglobal(name)
	return snax.bind(skynet.queryservice(true, "snaxd", name), name)
end

local function system_call(object, method, ...)
	check(type(object) == "table" and object.handle and object.type, "an object of snax.newservice or snax.bind expected")
	return skynet.call(object.handle, "snax", snax.interface(object.type).system[method], ...)
end

function snax.kill(object, ...)
	system_call(object, "exit", ...)
end

function snax.self()
	return snax.bind(skynet.self(), SERVICE_NAME)
end

function snax.exit(...)
	snax.kill(snax.self(), ...)
end

local function result(ok, ...)
	if not ok then
		error((...), 0)
	end
	return ...
end

function snax.hotfix(object, source, ...)
	return result(system_call(object, "hotfix", source, ...))
end

function snax.profile_info(object)
	return system_call(object, "profile")
end

function snax.printf(fmt, ...)
	skynet.error(fmt:format(...))
end

return snax
