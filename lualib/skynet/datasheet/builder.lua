-- Makes the sheets that skynet.datasheet reads, and starts the service that keeps them.

local skynet = require "skynet"
local service = require "skynet.service"
local core = require "skynet.datasheet.core"
local check = require("skynet.core").check

local builder = {}
local sheets = {} -- name -> the bytes of the last version
local daemon

-- The service. It has its functions inside, since a service of skynet.service is one function.
local function keep_sheets()
	local skynet = require "skynet"
	local core = require "skynet.datasheet.core"
	local shown = require("skynet.core").shown

	local names = {} -- name -> pointer of its present version
	local versions = {} -- pointer -> { box =, name =, refs =, next =, monitors = responses, collectors = responses }
	local holders = {} -- service -> pointer -> how often it has that
	local command = {}

	-- A version that has been replaced goes with the last service that has it.
	local function settle(pointer)
		local version = versions[pointer]
		if version.next and version.refs == 0 then
			versions[pointer] = nil
			core.empty(version.box)
			for _, response in ipairs(version.collectors) do
				response(true)
			end
		end
	end

	local function give(source, pointer)
		local held = holders[source] or {}
		holders[source] = held
		held[pointer] = (held[pointer] or 0) + 1
		versions[pointer].refs = versions[pointer].refs + 1
		return pointer
	end

	local function drop(source, pointer, times)
		local held = holders[source]
		if not held or not held[pointer] then
			return
		end
		local left = held[pointer] - times
		held[pointer] = left > 0 and left or nil
		versions[pointer].refs = versions[pointer].refs - times
		settle(pointer)
	end

	function command.update(_, name, pointer)
		local box = core.box(pointer)
		core.release(pointer)
		local old = versions[names[name]]
		local before = names[name]
		names[name] = pointer
		versions[pointer] = { box = box, name = name, refs = 0, monitors = {}, collectors = {} }
		if old then
			old.next = pointer
			for source, response in pairs(old.monitors) do
				if not response(true, give(source, pointer)) then
					drop(source, pointer, 1)
				end
			end
			settle(before)
		end
		skynet.ret()
	end

	function command.query(source, name)
		local pointer = assert(names[name], "there is no such datasheet")
		skynet.retpack(give(source, pointer))
	end

	-- Answers when the version is replaced, with the newest one.
	function command.monitor(source, pointer)
		local version = assert(versions[pointer], "there is no such version")
		if version.next then
			skynet.retpack(give(source, names[version.name]))
		else
			version.monitors[source] = skynet.response()
		end
	end

	function command.release(source, pointer)
		drop(source, pointer, 1)
	end

	-- The service has ended.
	function command.close(source)
		for pointer, times in pairs(holders[source] or {}) do
			versions[pointer].monitors[source] = nil
			drop(source, pointer, times)
		end
		holders[source] = nil
	end

	-- Answers when nobody has the version any more.
	function command.collect(_, pointer)
		local version = versions[pointer]
		if not version then
			return skynet.ret()
		end
		table.insert(version.collectors, skynet.response())
		settle(pointer)
	end

	skynet.info_func(function()
		local report = {}
		for name, pointer in pairs(names) do
			report[name] = { handle = pointer, monitors = versions[pointer].refs }
		end
		return report
	end)

	skynet.dispatch("lua", function(_, source, cmd, ...)
		local f = command[cmd] or error(("unknown command %s"):format(shown(cmd)))
		f(source, ...)
	end)
end

skynet.init(function()
	daemon = service.new("datasheet", keep_sheets)
end)

builder.compile = core.compile

local function publish(name, bytes)
	sheets[name] = bytes
	local box = core.new(bytes)
	local pointer = core.share(box)
	core.empty(box)
	skynet.call(daemon, "lua", "update", name, pointer)
end

local function bytes_of(value)
	return type(value) == "string" and value or core.compile(value)
end

function builder.new(name, value)
	check(not sheets[name], ("assertion failed! (there is a datasheet %s already)"):format(name))
	publish(name, bytes_of(value))
end

function builder.update(name, value)
	local old = check(sheets[name], ("assertion failed! (there is no datasheet %s)"):format(name))
	publish(name, core.diff(old, bytes_of(value)))
end

return builder
