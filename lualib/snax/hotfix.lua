-- Replaces methods of a running snax service by those that a source text defines.
--
-- A `local x` without a value in that text stands for the variable x of the running methods: the new functions share
-- it with the old ones. The names come from the upvalues of the methods, and of the functions that are upvalues
-- themselves. Nothing is replaced before the whole patch is known to fit.

local collect = require "snax.methods"

local patches = 0 -- their number makes the chunk names, by which a patch knows its own functions

local function next_upvalue(f, i)
	local name, value = debug.getupvalue(f, i + 1)
	if name then
		return i + 1, name, value
	end
end

local function upvalues(f)
	return next_upvalue, f, 0
end

-- Notes the variables of f by their names, and the functions among them.
local function note(f, variables, functions)
	for i, name, value in upvalues(f) do
		local known = variables[name]
		if not known then
			variables[name] = { f, i }
		elseif debug.upvalueid(f, i) ~= debug.upvalueid(known[1], known[2]) then
			known.ambiguous = true
		end
		if type(value) == "function" then
			functions[#functions + 1] = value
		end
	end
end

-- name -> where the variable is: { function, index }, with `ambiguous` set if several have the name.
local function running_variables(methods)
	local variables, functions, seen = {}, {}, {}
	for _, method in ipairs(methods) do
		functions[#functions + 1] = method[4]
	end
	for _, f in ipairs(functions) do -- grows on the way
		if not seen[f] and debug.getinfo(f, "S").what ~= "C" then
			seen[f] = true
			note(f, variables, functions)
		end
	end
	return variables
end

-- Joins the empty variables of f, and of the functions of the same patch that it uses.
local function join(f, variables, seen)
	seen[f] = true
	local source = debug.getinfo(f, "S").source
	for i, name, value in upvalues(f) do
		local variable = variables[name]
		if value == nil and variable then
			if variable.ambiguous then
				error(("ambiguity local value %s"):format(name), 0)
			end
			debug.upvaluejoin(f, i, variable[1], variable[2])
		elseif type(value) == "function" and not seen[value] and debug.getinfo(value, "S").source == source then
			join(value, variables, seen)
		end
	end
end

local function find(methods, group, name)
	for _, method in ipairs(methods) do
		if method[2] == group and method[3] == name then
			return method
		end
	end
	error(("Patch mismatch %s.%s"):format(group, name), 0)
end

local function apply(methods, source, ...)
	patches = patches + 1
	-- Globals that the patch defines while it runs are its own; all others are those of the service.
	local globals = setmetatable({}, { __index = _G })
	local patch = collect(function(env)
		local main, failure = load(source, ("=hotfix(%d)"):format(patches), "bt", env)
		return main or error(failure, 0)
	end, globals)
	getmetatable(globals).__newindex = _G

	local variables, seen, replacements = running_variables(methods), {}, {}
	for _, new in ipairs(patch) do
		if new[4] then
			replacements[find(methods, new[2], new[3])] = new[4]
			join(new[4], variables, seen)
		end
	end
	for method, f in pairs(replacements) do
		method[4] = f
	end

	for _, new in ipairs(patch) do
		if new[2] == "system" and new[3] == "hotfix" and new[4] then
			return new[4](...)
		end
	end
end

---@param methods snax.method[] of the running service
---@param source string
---@param ... any arguments of the patch's function hotfix
---@return boolean ok
---@return any ... what that function returned, or the error
return function(methods, source, ...)
	return pcall(apply, methods, source, ...)
end
