-- Specs of supervisors and their children: what is wrong with them is told before anything starts.

local core = require "skynet.core"

local spec = {}

local STRATEGIES <const> = { one_for_one = true, one_for_all = true, rest_for_one = true }
local RESTARTS <const> = { permanent = true, transient = true, temporary = true }

local function words(set)
	local list = {}
	for word in pairs(set) do
		list[#list + 1] = ('"%s"'):format(word)
	end
	table.sort(list)
	return table.concat(list, ", ")
end

-- Checks of values: a function of the value that returns what is expected, or nil if it is right.

local function one_of(set)
	return function(value)
		return not set[value] and "one of " .. words(set)
	end
end

local function a_string(value)
	return (type(value) ~= "string" or value == "") and "a string"
end

local function a_boolean(value)
	return type(value) ~= "boolean" and "true or false"
end

local function a_number(least, what)
	return function(value)
		return (type(value) ~= "number" or value < least) and what
	end
end

local function a_list(value, of, what)
	if type(value) ~= "table" then
		return what
	end
	local count = 0
	for key, item in pairs(value) do
		count = count + 1
		if math.type(key) ~= "integer" or not of(item) then
			return what
		end
	end
	return count ~= #value and what
end

local function delays(value)
	return a_list(value, function(ms)
		return type(ms) == "number" and ms >= 0
	end, "a list of milliseconds") or #value == 0 and "a list of milliseconds"
end

local function arguments(value)
	return a_list(value, function(item)
		return type(item) == "string" or type(item) == "number"
	end, "a list of strings and numbers")
end

local function a_name(value)
	return (type(value) ~= "string" or not value:match "^%.?[^.%s:]%S*$") and 'a name, such as ".db"'
end

local TOP <const> = {
	strategy = one_of(STRATEGIES),
	intensity = a_number(0, "a number of restarts"),
	period = a_number(0.001, "seconds"),
	backoff = delays,
}

local CHILD <const> = {
	id = a_string,
	service = a_string,
	supervisor = a_string,
	module = a_string,
	args = arguments,
	name = a_name,
	register = a_string,
	unique = a_boolean,
	restart = one_of(RESTARTS),
	shutdown = function(value)
		return value ~= "kill" and (type(value) ~= "number" or value < 0) and 'centiseconds, or "kill"'
	end,
	start = one_of { now = true, lazy = true },
	fatal = a_boolean,
	keep = a_boolean,
	probe = a_number(1, "centiseconds"),
	memlimit = a_number(1, "bytes"),
	backoff = delays,
}

local function check_keys(keys, values, where)
	for key, value in pairs(values) do
		if type(key) == "string" then
			local check = keys[key]
			core.check(check, ("supervisor: %s: there is no key '%s'"):format(where, key))
			local expected = check(value)
			core.check(not expected, ("supervisor: %s: %s = %s: expected is %s"):format(where, key, core.shown(value), expected))
		end
	end
end

-- The spec of one child, with its defaults. `n` is its place, for those without an id.
function spec.child(given, n)
	core.check(type(given) == "table", ("supervisor: child %d is no table"):format(n))
	core.check(type(given.id) == "string" and given.id ~= "", ("supervisor: child %d has no id"):format(n))
	local where = ("child '%s'"):format(given.id)
	check_keys(CHILD, given, where)
	core.check(#given == 0, ("supervisor: %s: its arguments are a list under the key args"):format(where))
	local kinds = {}
	for _, kind in ipairs { "service", "supervisor", "module" } do
		kinds[#kinds + 1] = given[kind] and kind
	end
	core.check(#kinds == 1, ("supervisor: %s: needs one of service, supervisor, module, and has %s"):format(where,
		#kinds == 0 and "none" or table.concat(kinds, " and ")))
	for _, key in ipairs(kinds[1] == "module" and { "unique", "fatal", "probe", "memlimit" } or {}) do
		core.check(given[key] == nil, ("supervisor: %s: %s is for Lua services, not for a module"):format(where, key))
	end
	core.check(not given.keep or kinds[1] == "service",
		("supervisor: %s: keep is for services, not for a %s"):format(where, kinds[1]))
	core.check(not given.unique or not given.args,
		("supervisor: %s: a unique service is known by its name alone, and takes no args"):format(where))
	local child = {}
	for key, value in pairs(given) do
		child[key] = value
	end
	child.args = given.args or {}
	child.restart = given.restart or "permanent"
	child.start = given.start or "now"
	-- A supervisor has children to end.
	child.shutdown = given.shutdown or (given.supervisor and 6000 or given.module and "kill" or 500)
	return child
end

-- A whole spec: its settings, and the list of its children.
function spec.tree(given)
	core.check(type(given) == "table", "supervisor: a spec is a table")
	check_keys(TOP, given, "spec")
	local children, ids = {}, {}
	for n = 1, #given do
		local child = spec.child(given[n], n)
		core.check(not ids[child.id], ("supervisor: there are two children with the id '%s'"):format(child.id))
		ids[child.id] = true
		children[n] = child
	end
	return {
		strategy = given.strategy or "one_for_one",
		intensity = given.intensity or 3,
		period = given.period or 5,
		backoff = given.backoff or { 0, 100, 1000, 5000 },
	}, children
end

return spec
