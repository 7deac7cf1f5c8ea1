-- Keeps the names of the services made by skynet.service, and starts their cells.

local skynet = require "skynet"
local shown = require("skynet.core").shown

---@class service_provider.entry
---@field status "booting"|"ready"|"failed"|nil nil: only asked for
---@field handle integer? of its cell
---@field failure string?
---@field init string? arguments
---@field time integer?
---@field [integer] function responses of those who wait
local entries = {} ---@type table<string, service_provider.entry>

local function entry_of(name)
	local entry = entries[name]
	if not entry then
		entry = {}
		entries[name] = entry
	end
	return entry
end

local function settle(entry, status)
	entry.status = status
	for i, response in ipairs(entry) do
		entry[i] = nil
		response(status == "ready", entry.handle)
	end
end

local command = {}

function command.test(name)
	local entry = entries[name]
	local status = entry and entry.status
	if status == "failed" then
		error(entry.failure, 0)
	elseif status == "booting" then
		skynet.retpack(nil, true)
	elseif status == "ready" then
		skynet.retpack(entry.handle)
	else
		skynet.ret()
	end
end

local function wait_for(name)
	local entry = entry_of(name)
	if entry.status == "ready" then
		skynet.retpack(entry.handle)
	elseif entry.status == "failed" then
		error(entry.failure, 0)
	else
		table.insert(entry, skynet.response())
	end
end

command.query = wait_for

local function join(...)
	local words = table.pack(...)
	for i = 1, words.n do
		words[i] = tostring(words[i])
	end
	return table.concat(words, ",")
end

local function boot(entry, name, code, ...)
	entry.handle = assert(skynet.newservice("service_cell", name))
	skynet.call(entry.handle, "lua", "init", code, ...)
end

function command.launch(name, code, ...)
	local entry = entry_of(name)
	if entry.status then
		return wait_for(name) -- somebody was faster
	end
	entry.status, entry.time, entry.init = "booting", math.floor(skynet.time()), join(...)
	local ok, failure = pcall(boot, entry, name, code, ...)
	if ok then
		settle(entry, "ready")
		return skynet.retpack(entry.handle)
	end
	if entry.handle then
		skynet.send(entry.handle, "debug", "EXIT")
	end
	entry.failure = tostring(failure)
	settle(entry, "failed")
	error(entry.failure, 0)
end

function command.close(name)
	local entry = entries[name]
	local handle
	if entry and (entry.status == "ready" or entry.status == "failed") then
		entries[name] = nil -- a failed one may be tried again
		handle = entry.status == "ready" and entry.handle or nil
	end
	skynet.retpack(handle)
end

skynet.info_func(function()
	local report = {}
	for name, entry in pairs(entries) do
		if entry.handle and entry.status ~= "failed" then
			report[skynet.address(entry.handle)] = {
				name = name,
				init = entry.init,
				time = os.date("%Y %b %d %T", entry.time),
				status = entry.status == "booting" and (entry[1] and ("waiting(%d)"):format(#entry) or "booting") or nil,
			}
		end
	end
	return report
end)

skynet.dispatch("lua", function(_, _, cmd, ...)
	local f = command[cmd] or error(("unknown command %s"):format(shown(cmd)))
	f(...)
end)

skynet.start(function() end)
