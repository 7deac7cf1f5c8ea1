-- What a snax source defines, as a list in which a method's place is the number that clients send:
-- first the four of the system, then `accept` and `response` functions in the order of their definition.
--
-- While the source runs, its globals are a table that stands before the real ones and catches definitions.
-- Afterwards its functions use the real globals, as if they had never had others.

---@class snax.method
---@field [1] integer its number
---@field [2] "system"|"accept"|"response"
---@field [3] string its name
---@field [4] function?

local system = { "init", "exit", "hotfix", "profile" }

-- `accept` or `response`: what is put in becomes a method, and nothing can be read.
local function collector(methods, group)
	local defined = {}
	local function define(_, name, f)
		if type(name) ~= "string" then
			error(("the name of a method of %s must be a string"):format(group), 2)
		elseif type(f) ~= "function" then
			error(("%s.%s must be a function"):format(group, name), 2)
		elseif defined[name] then
			error(("%s.%s duplicate definition"):format(group, name), 2)
		end
		defined[name] = true
		methods[#methods + 1] = { #methods + 1, group, name, f }
	end
	return setmetatable({}, { __newindex = define })
end

---@param open fun(env: table): function makes the source's main function
---@param globals table
---@return snax.method[]
return function(open, globals)
	local methods, places = {}, {}
	for id, name in ipairs(system) do
		methods[id] = { id, "system", name }
		places[name] = id
	end
	local groups = { accept = collector(methods, "accept"), response = collector(methods, "response") }
	local catch = { __index = setmetatable(groups, { __index = globals }) }
	function catch.__newindex(_, name, value)
		local id = places[name]
		if not id then
			globals[name] = value
		elseif type(value) == "function" then
			methods[id][4] = value
		else
			error(("%s must be a function"):format(name), 2)
		end
	end
	local env = setmetatable({}, catch)

	local main = open(env)
	main()

	-- All functions of a source share one variable _ENV. A custom loader may have arranged it otherwise: then they
	-- keep `env`, which only passes on from now on.
	catch.__index, catch.__newindex = globals, globals
	local _, value = debug.getupvalue(main, 1)
	if value == env then
		debug.setupvalue(main, 1, globals)
	end
	return methods
end
