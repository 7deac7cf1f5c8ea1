-- The part of a reload that happens inside a service: what would be done, and doing it.

local codecache = require "skynet.codecache"
local core = require "skynet.core"
local at_once = require "skynet.reload.at_once"
local new_compare = require("skynet.reload.compare").new

local service = {}

-- Values that are not the module's: the libraries, and what other modules have returned.
local function foreign_values()
	local foreign = { [_G] = true, [package] = true, [package.loaded] = true }
	for _, value in pairs(package.loaded) do
		if type(value) == "table" or type(value) == "function" then
			foreign[value] = true
		end
	end
	return foreign
end

-- Runs the file. It may use globals and what is loaded, but may not assign to globals, load other modules, or wait.
local function run(path, name)
	local env = setmetatable({
		require = function(other)
			local module = package.loaded[other]
			if module == nil then
				-- What is new is loaded as the application would load it. It stays loaded, also after a dry run.
				module = require(other)
			end
			return module
		end,
	}, {
		__index = _G,
		__newindex = function(_, key)
			core.raise(("it assigns to the global variable %s"):format(tostring(key)))
		end,
	})
	local chunk, why = codecache.loadfile(path, "bt", env)
	if not chunk then
		return nil, why
	end
	local ok, module = at_once(chunk, tostring, name, path)
	if not ok then
		return nil, module
	elseif type(module) ~= "table" then
		return nil, ("it returns a %s, not a table"):format(type(module))
	end
	-- From now on its functions have the globals that all have.
	for i = 1, math.huge do
		local variable = debug.getupvalue(chunk, i)
		if not variable then
			break
		elseif variable == "_ENV" then
			debug.setupvalue(chunk, i, _G)
		end
	end
	return module, debug.getinfo(chunk, "S").source
end

-- What a reload would do here; nil if the module is not loaded.
local function plan(name, force)
	local old = package.loaded[name]
	if old == nil then
		return nil
	end
	local report = { module = name, changed = {}, new = {}, removed = {}, conflicts = {}, held = 0, inside = 0 }
	local function refuse(text)
		report.conflicts[#report.conflicts + 1] = text
		return report
	end
	if type(old) ~= "table" then
		return refuse(("the module that is loaded is a %s, not a table"):format(type(old)))
	end
	local path, why = package.searchpath(name, package.path)
	if not path then
		return refuse("its file is not there:" .. why)
	end
	report.path = path
	local new, source = run(path, name)
	if not new then
		report.failed = true
		return refuse(source)
	end
	local compare = new_compare(force)
	compare:modules(name, old, new, source, foreign_values())
	report.changed, report.new, report.removed = compare.changed, compare.new, compare.removed
	report.conflicts = compare.conflicts
	return report, compare, new
end

-- References to functions that are replaced, outside of stacks, and coroutines that are inside them: how many of each.
-- With `apply` the references become those to the new functions.
local function look_around(compare, new, apply)
	local skip = { [compare] = true, [new] = true }
	for _, part in pairs(compare) do
		if type(part) == "table" then
			skip[part] = true
		end
	end
	for _, action in ipairs(compare.actions) do
		skip[action] = true
	end
	for _, variable in pairs(compare.variables) do
		skip[variable] = true
	end
	return core.exchange(compare.replaced, skip, apply)
end

local function is_nothing(report)
	return #report.changed == 0 and #report.new == 0 and #report.conflicts == 0
end

-- References that the module's own tables and variables have: they are no surprise.
local function own_references(compare)
	local count = 0
	for _, action in ipairs(compare.actions) do
		if action[1] == "field" and compare.replaced[rawget(action[2], action[3])] then
			count = count + 1
		elseif action[1] == "set" and compare.replaced[select(2, debug.getupvalue(action[2], action[3]))] then
			count = count + 1
		end
	end
	return count
end

function service.judge(name, force)
	local report, compare, new = plan(name, force)
	if compare and not is_nothing(report) then
		local held, inside = look_around(compare, new)
		report.held, report.inside = math.max(held - own_references(compare), 0), inside
	end
	return report
end

local function apply(report, compare, new, old)
	local before = rawget(old, "__before_reload")
	if before then
		before(new)
	end
	compare:apply()
	report.held, report.inside = look_around(compare, new, true)
	local after = rawget(old, "__after_reload")
	if after then
		after(compare.replaced)
	end
end

-- Does it, if there is no conflict or `force` is set. report.done tells whether.
function service.apply(name, force)
	local report, compare, new = plan(name, force)
	if not compare then
		return report
	elseif is_nothing(report) then
		report.done = true
		return report
	elseif #report.conflicts > 0 and not force then
		return report
	end
	local ok, why = pcall(apply, report, compare, new, package.loaded[name])
	report.done = ok
	if not ok then
		report.failed = true
		report.conflicts[#report.conflicts + 1] = "a hook has failed: " .. tostring(why)
	end
	return report
end

return service
