-- Immutable tables that all services of a node read without copies.
--
-- A service called "sharetable" keeps the versions by name. It counts a version's users by their handles; memory is
-- safe without that, since a Lua state holds what it has opened.

local skynet = require "skynet"
local service = require "skynet.service"
local core = require "skynet.sharetable.core"
local check = require("skynet.core").check

local sharetable = {}
local keeper ---@type integer
local opened = {} -- name -> list of versions that this service has queried
local guard

-- The body of the service. It may use globals only.
local function keep()
	local skynet = require "skynet"
	local core = require "skynet.sharetable.core"

	local current = {} -- name -> pointer
	local versions = {} -- pointer -> { name, users = set of handles }

	local function retire(pointer)
		local version = versions[pointer]
		if current[version.name] ~= pointer and not next(version.users) then
			versions[pointer] = nil
			core.release(pointer)
			return version.name
		end
	end

	local function install(name, pointer)
		local old = current[name]
		current[name] = pointer
		versions[pointer] = { name = name, users = {} }
		if old then
			retire(old)
		end
	end

	local function use(source, name)
		local pointer = current[name]
		if pointer then
			versions[pointer].users[source] = true
		end
		return pointer
	end

	local command = {}

	function command.loadfile(_, name, ...)
		install(name, core.fromfile(name, ...))
	end

	function command.loadstring(_, name, source, ...)
		install(name, core.fromstring(name, source, ...))
	end

	function command.loadtable(_, name, value)
		install(name, core.fromtable(value))
	end

	function command.query(source, name)
		return use(source, name)
	end

	function command.queryall(source, names)
		local found = {}
		if names then
			for _, name in pairs(names) do
				found[name] = use(source, name)
			end
		else
			for name in pairs(current) do
				found[name] = use(source, name)
			end
		end
		return found
	end

	-- A service that has gone over to another version has nothing of this one any more.
	function command.release(source, pointer)
		local version = versions[pointer]
		if version then
			version.users[source] = nil
			retire(pointer)
		end
	end

	function command.close(source)
		for pointer, version in pairs(versions) do
			if version.users[source] then
				version.users[source] = nil
				local name = retire(pointer)
				if name then
					skynet.error(("Delete a version (%s) of %s"):format(pointer, name))
				end
			end
		end
	end

	skynet.info_func(function()
		local info = {}
		for name, pointer in pairs(current) do
			info[name] = { current = tostring(pointer), size = core.size(pointer) }
		end
		for pointer, version in pairs(versions) do
			local entry = info[version.name]
			if current[version.name] ~= pointer then
				local users = {}
				for handle in pairs(version.users) do
					users[#users + 1] = skynet.address(handle)
				end
				table.sort(users)
				local line = ("%s [%d]: (%s)"):format(pointer, core.size(pointer), table.concat(users, ","))
				entry.history = entry.history and entry.history .. "\n" .. line or line
			end
		end
		return info
	end)

	skynet.start(function()
		skynet.dispatch("lua", function(session, source, name, ...)
			if session == 0 then
				command[name](source, ...)
			else
				skynet.retpack(command[name](source, ...))
			end
		end)
	end)
end

local function ask(...)
	keeper = keeper or service.new("sharetable", keep)
	return skynet.call(keeper, "lua", ...)
end

-- This service is going to refer to the version until its state is closed; then the guard is collected.
local function open(name, pointer)
	guard = guard or setmetatable({}, {
		__gc = function()
			skynet.send(keeper, "lua", "close")
		end,
	})
	local list = opened[name] or {}
	opened[name] = list
	if list[#list] ~= pointer then
		list[#list + 1] = pointer
	end
	return core.open(pointer)
end

function sharetable.loadfile(name, ...)
	ask("loadfile", name, ...)
end

function sharetable.loadstring(name, source, ...)
	ask("loadstring", name, source, ...)
end

function sharetable.loadtable(name, value)
	check(type(value) == "table", ("assertion failed! (table expected, got %s)"):format(type(value)))
	ask("loadtable", name, value)
end

function sharetable.query(name)
	local pointer = ask("query", name)
	if pointer then
		return open(name, pointer)
	end
end

function sharetable.queryall(names)
	local found = ask("queryall", names)
	for name, pointer in pairs(found) do
		found[name] = open(name, pointer)
	end
	return found
end

function sharetable.update(...)
	for _, name in ipairs { ... } do
		local pointer = opened[name] and ask("query", name)
		if pointer then
			local list = opened[name] -- as it is now: another coroutine may have updated
			for i = #list, 1, -1 do
				local old = list[i]
				if old ~= pointer then
					local unused = core.update(old, pointer)
					-- No reference to a table of it is left, and none can come back.
					table.remove(list, i)
					if unused then
						core.release(old)
						skynet.send(keeper, "lua", "release", old)
					end
				end
			end
			open(name, pointer)
		end
	end
end

return sharetable
