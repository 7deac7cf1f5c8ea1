-- New code for a module in services that run: all are asked what it would do there, and if nothing stands in the way,
-- all do it.

local skynet = require "skynet"
local core = require "skynet.core"
local codecache = require "skynet.codecache"

local reload = {}

local AT_ONCE <const> = 100 -- services that are asked at the same time
local PATIENCE <const> = 500 -- centiseconds for an answer

local OPTIONS <const> = { module = "string", services = "table", dry = "boolean", force = "boolean", canary = "number" }

-- The class of each Lua service of the node, by its handle.
local function lua_services()
	local services = {}
	for address, line in pairs(skynet.call(".launcher", "lua", "LIST")) do
		local class = line:match "^snlua (%S+)"
		if class then
			services[tonumber(address:sub(2), 16)] = class
		end
	end
	return services
end

-- Those that are meant by a list of classes and addresses, in the order of their handles.
local function selected(wanted)
	local services, handles = lua_services(), {}
	local classes
	for _, word in ipairs(wanted or {}) do
		classes = classes or {}
		local handle = word
		if type(word) == "string" then
			handle = word:sub(1, 1) == "." and skynet.localname(word) or tonumber(word:match "^:(%x+)$" or "", 16) or word
		end
		classes[handle] = word
	end
	local used = {}
	for handle, class in pairs(services) do
		if not classes or classes[handle] or classes[class] then
			handles[#handles + 1] = handle
			used[handle], used[class] = true, true
		end
	end
	for handle, word in pairs(classes or {}) do
		core.check(used[handle], ("reload: there is no Lua service %s"):format(core.shown(word)))
	end
	table.sort(handles)
	return handles, services
end

-- Asks all, some at a time; calls got(handle, report, why) for each. A report of nil without `why`: it has not loaded
-- the module.
local function ask(handles, got, ...)
	for first = 1, #handles, AT_ONCE do
		local requests, waiting = skynet.request(), {}
		for at = first, math.min(first + AT_ONCE - 1, #handles) do
			local handle = handles[at]
			requests:add { handle, "debug", "RELOAD", ... }
			waiting[handle] = true
		end
		for request, answer in requests:select(PATIENCE) do
			local handle = request[1]
			waiting[handle] = nil
			if answer then
				got(handle, answer[1])
			elseif answer == false then
				got(handle, nil, "it could not be asked: its log says why")
			end -- else it has ended
		end
		for handle in pairs(waiting) do
			got(handle, nil, ("it has not answered within %d seconds"):format(PATIENCE // 100))
		end
	end
end

-- One more in a table of counts.
local function count(counts, items)
	for _, item in ipairs(items) do
		counts[item] = (counts[item] or 0) + 1
	end
end

local function summary(name)
	return { module = name, services = 0, classes = {}, changed = {}, new = {}, removed = {}, conflicts = {}, held = 0,
		inside = 0, failed = {}, done = 0, nothing = 0 }
end

local function add(result, handle, class, report, why)
	if report then
		result.services = result.services + 1
		result.classes[class] = (result.classes[class] or 0) + 1
		result.path = result.path or report.path
		count(result.changed, report.changed)
		count(result.new, report.new)
		count(result.removed, report.removed)
		count(result.conflicts, report.conflicts)
		result.held, result.inside = result.held + report.held, result.inside + report.inside
		if #report.changed == 0 and #report.new == 0 and #report.conflicts == 0 then
			result.nothing = result.nothing + 1
		end
		result.done = result.done + (report.done and 1 or 0)
		why = report.failed and report.conflicts[1] or nil
	end
	if why then
		result.failed[skynet.address(handle)] = why
	end
end

local function check(options)
	core.check(type(options) == "table", "reload: a table of options expected")
	for key, value in pairs(options) do
		core.check(OPTIONS[key], ("reload: there is no option '%s'"):format(tostring(key)))
		core.check(type(value) == OPTIONS[key], ("reload: %s: a %s expected"):format(key, OPTIONS[key]))
	end
	core.check(options.module, "reload: the option module is missing")
end

-- Judges, and applies what nothing stands in the way of. Returns a table; see meta/skynet/reload.lua.
function reload.run(options)
	check(options)
	local name = options.module
	local handles, classes = selected(options.services)
	-- The file is compiled once, for all.
	local path = package.searchpath(name, package.path)
	if path then
		codecache.clear(path)
		local ok, why = codecache.loadfile(path)
		if not ok then
			local result = summary(name)
			result.path, result.error = path, why
			return result
		end
	end
	local result, loaded = summary(name), {}
	ask(handles, function(handle, report, why)
		if report then
			loaded[#loaded + 1] = handle
		end
		add(result, handle, classes[handle], report, why)
	end, name, options.force or false, false)
	if result.services == 0 and not next(result.failed) then
		result.error = "no service has loaded it"
		return result
	elseif options.dry or not options.force and (next(result.conflicts) or next(result.failed)) then
		return result
	end
	table.sort(loaded)
	local first = options.canary and table.move(loaded, 1, math.min(options.canary, #loaded), 1, {}) or loaded
	local judged = result
	result = summary(name)
	ask(first, function(handle, report, why)
		add(result, handle, classes[handle], report, why)
	end, name, options.force or false, true)
	result.applied, result.waiting = true, judged.services - #first
	return result
end

-- Text

local function sorted(counts)
	local names = {}
	for name in pairs(counts) do
		names[#names + 1] = name
	end
	table.sort(names)
	return names
end

local function names_of(counts, all)
	local list = sorted(counts)
	for i, name in ipairs(list) do
		if counts[name] ~= all then
			list[i] = ("%s (in %d)"):format(name, counts[name])
		end
	end
	return table.concat(list, ", ")
end

-- A result as lines for people.
function reload.text(result)
	local lines = {}
	local function line(...)
		lines[#lines + 1] = string.format(...)
	end
	line("%s: %s, loaded by %d services of %d classes", result.module, result.path or "no file", result.services,
		#sorted(result.classes))
	for _, part in ipairs { "changed", "new", "removed" } do
		if next(result[part]) then
			line("  %s: %s", part == "removed" and "not in the file any more, and still there" or part,
				names_of(result[part], result.services))
		end
	end
	if result.nothing > 0 then
		line("  nothing to do in %d services", result.nothing)
	end
	if result.held > 0 then
		line("  %d references to changed functions elsewhere%s", result.held, result.applied and " were replaced" or "")
	end
	if result.inside > 0 then
		line("  %d coroutines are inside changed functions; they finish there", result.inside)
	end
	for _, conflict in ipairs(sorted(result.conflicts)) do
		line("  conflict: %s (in %d)", conflict, result.conflicts[conflict])
	end
	for _, address in ipairs(sorted(result.failed)) do
		line("  %s: %s", address, result.failed[address])
	end
	if result.error then
		line("  error: %s", result.error)
	end
	if result.applied then
		line("done in %d services%s", result.done, result.waiting > 0 and (", %d wait"):format(result.waiting) or "")
	else
		line("nothing was done")
	end
	return table.concat(lines, "\n")
end

return reload
