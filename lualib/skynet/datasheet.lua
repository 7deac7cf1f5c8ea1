-- Tables that all services of a node read, filled from a shared sheet as they are looked at (see
-- skynet.datasheet.builder).
--
-- A table of a sheet is, until somebody looks into it, empty with a metatable that fills it; then it is an ordinary
-- table. An update empties the tables again. Tables are known by their number, which an update does not change.

local skynet = require "skynet"
local patient = require "skynet.patient"
local service = require "skynet.service"
local core = require "skynet.datasheet.core"
local raise = require("skynet.core").raise

---@class skynet.datasheet.sheet
---@field box userdata
---@field tables table<integer, table> those that this service has, by number
---@field numbers table<table, integer> and the other way round
---@field lazy table metatable of tables that are to be filled

local datasheet = {}
local daemon
local opened = {} -- name -> root table, or a list of the coroutines that wait for it
local failures = {} -- name -> error

skynet.init(function()
	daemon = service.query "datasheet"
end)

---@param sheet skynet.datasheet.sheet
local function table_of(sheet, number)
	local t = sheet.tables[number]
	if not t then
		t = setmetatable({}, sheet.lazy)
		sheet.tables[number], sheet.numbers[t] = t, number
	end
	return t
end

---@param sheet skynet.datasheet.sheet
local function fill(sheet, t)
	local links = {}
	core.fill(sheet.box, sheet.numbers[t], t, links)
	setmetatable(t, nil)
	for i = 1, #links, 2 do
		t[links[i]] = table_of(sheet, links[i + 1])
	end
	return t
end

local function new_sheet(box)
	local sheet = { box = box }
	sheet.tables = setmetatable({}, { __mode = "v" })
	sheet.numbers = setmetatable({}, { __mode = "k" })
	sheet.lazy = {
		__index = function(t, key) return fill(sheet, t)[key] end,
		__len = function(t) return #fill(sheet, t) end,
		__pairs = function(t) return next, fill(sheet, t), nil end,
	}
	return sheet
end

---@param sheet skynet.datasheet.sheet
local function update(sheet, box)
	core.empty(sheet.box) -- the old version goes now, not when a collector finds the box
	sheet.box = box
	for _, t in next, sheet.tables do
		setmetatable(t, nil)
		for key in next, t do
			t[key] = nil
		end
		setmetatable(t, sheet.lazy)
	end
end

local function follow(sheet, pointer)
	while true do
		local new = patient(daemon, "lua", "monitor", pointer)
		update(sheet, core.box(new))
		skynet.send(daemon, "lua", "release", pointer)
		pointer = new
	end
end

local function open(name)
	local pointer = skynet.call(daemon, "lua", "query", name)
	local sheet = new_sheet(core.box(pointer))
	skynet.fork(follow, sheet, pointer)
	return table_of(sheet, 0)
end

-- The first coroutine that wants a sheet asks for it, the others wait.
local function open_once(name)
	local waiting = {}
	opened[name] = waiting
	local ok, root = pcall(open, name)
	if ok then
		opened[name] = { root = root }
	else
		opened[name], failures[name] = nil, ("call failed (datasheet %s)"):format(name)
	end
	for _, co in ipairs(waiting) do
		skynet.wakeup(co)
	end
end

function datasheet.query(name)
	local entry = opened[name]
	if not entry and not failures[name] then
		open_once(name)
	elseif entry and not entry.root then
		local co = coroutine.running()
		entry[#entry + 1] = co
		skynet.wait(co)
	end
	if failures[name] then
		raise(failures[name])
	end
	return opened[name].root
end

-- Tells the daemon at the end of this service.
local function close()
	if daemon then
		skynet.send(daemon, "lua", "close")
	end
end

return setmetatable(datasheet, { __gc = close })
