-- Keeps the documents of skynet.sharedata by name.
--
-- A pointer that is sent to a service has a reference, which the service has given back by `confirm` once it has one of
-- its own. So a document lives until the last proxy in any service is collected, and no longer.

local skynet = require "skynet"
local core = require "skynet.sharedata.core"
local shown = require("skynet.core").shown
local cache = require "skynet.codecache"

---@class sharedatad.entry
---@field box userdata
---@field pointer lightuserdata
---@field [integer] function responses of those who wait for the next version
local entries = {} ---@type table<string, sharedatad.entry>
local sent = {} -- pointer -> how many receivers have not confirmed it

cache.mode "OFF" -- a file that is shared again is read again

local function run(chunk, env, ...)
	local result = chunk(...)
	return type(result) == "table" and result or setmetatable(env, nil)
end

-- The table to be shared.
local function evaluate(name, value, ...)
	local kind = type(value)
	if kind == "nil" then
		return {}
	elseif kind == "table" then
		return value
	end
	assert(kind == "string", ("Unknown data type %s"):format(kind))
	local env = setmetatable({}, { __index = _ENV })
	local file = value:match "^@(.*)"
	if file then
		return run(assert(loadfile(file, "bt", env)), env, ...)
	end
	return run(assert(load(value, "=" .. name, "bt", env)), env, ...)
end

local function document(...)
	local box = core.new(evaluate(...))
	return { box = box, pointer = core.pointer(box) }
end

local function share(entry)
	local pointer = core.share(entry.box)
	sent[pointer] = (sent[pointer] or 0) + 1
	return pointer
end

-- Answers all who wait for a change; `entry` is what they get, if anything.
local function tell(waiting, entry)
	for _, response in ipairs(waiting) do
		if response "TEST" then
			response(true, entry and share(entry))
		end
	end
end

-- Forgets responses of services that have ended, now and then.
local function add_waiter(entry, response)
	local n = #entry + 1
	entry[n] = response
	if n & (n - 1) == 0 then
		local kept = 0
		for i = 1, n do
			local one = entry[i]
			entry[i] = nil
			if one "TEST" then
				kept = kept + 1
				entry[kept] = one
			end
		end
	end
end

local command = {}

function command.new(name, ...)
	assert(not entries[name], "the name is in use")
	entries[name] = document(name, ...)
end

function command.update(name, ...)
	local new, old = document(name, ...), entries[name]
	entries[name] = new
	if old then
		tell(old, new)
		core.empty(old.box)
	end
end

function command.delete(name)
	local old = assert(entries[name], "there is nothing of this name")
	entries[name] = nil
	tell(old)
	core.empty(old.box)
end

function command.query(name)
	return share(assert(entries[name], "there is nothing of this name"))
end

function command.confirm(pointer)
	local n = assert(sent[pointer], "this was not sent")
	sent[pointer] = n > 1 and n - 1 or nil
	core.release(pointer)
end

function command.monitor(name, pointer)
	local entry = entries[name]
	if entry and entry.pointer == pointer then
		add_waiter(entry, skynet.response())
		return
	end
	skynet.retpack(entry and share(entry))
end

skynet.info_func(function()
	local report = {}
	for name, entry in pairs(entries) do
		report[name] = { pointer = tostring(entry.pointer), monitors = #entry }
	end
	return report
end)

skynet.dispatch("lua", function(session, _, cmd, ...)
	local f = command[cmd] or error(("unknown command %s"):format(shown(cmd)))
	if cmd == "monitor" then
		return f(...)
	end
	local result = f(...)
	if session ~= 0 then
		skynet.retpack(result)
	end
end)

skynet.start(function() end)
