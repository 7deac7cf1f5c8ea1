-- Runs source code as if it stood inside a function that is running: local variables and upvalues
-- of that function are in reach, and what the code assigns to them stays.

---@class skynet.injectcode.variable
---@field value any
---@field index integer of the local variable or upvalue
---@field is_local boolean

-- Calls to debug.* have to come from one function, at one distance from the frame.
---@param source string Lua source; `return` gives results
---@param co thread? whose function; the running coroutine if there is none
---@param level integer? of that function: 0 is the caller, or where a suspended coroutine waits
---@param extra table<string, any>? more names, unless the function has them itself
---@return boolean ok
---@return any ... what the code returned; or the message of its error
return function(source, co, level, extra)
	local here = coroutine.running()
	co = co or here
	level = (level or 0) + (co == here and 2 or 0)
	local info = debug.getinfo(co, level, "f")
	if not info then
		return false, "Invalid level"
	end
	local f, found = info.func, {}

	for index = 1, math.huge do
		local name, value = debug.getupvalue(f, index)
		if not name then
			break
		end
		found[name] = { value = value, index = index, is_local = false }
	end
	for index = 1, math.huge do
		local name, value = debug.getlocal(co, level, index)
		if not name then
			break
		end
		if name:sub(1, 1) ~= "(" then
			found[name] = { value = value, index = index, is_local = true }
		end
	end

	local own = found._ENV and found._ENV.value
	local globals = type(own) == "table" and own or _G
	local changed = {}
	local env = setmetatable({}, {
		__index = function(_, name)
			local variable = found[name]
			if variable then
				return variable.value
			end
			local value = extra and extra[name]
			if value == nil then
				value = globals[name]
			end
			return value
		end,
		__newindex = function(_, name, value)
			local variable = found[name]
			if variable then
				variable.value = value
				changed[variable] = true
			else
				globals[name] = value
			end
		end,
	})
	local chunk, err = load(source, "=(inject)", "t", env)
	if not chunk then
		return false, err
	end
	local results = table.pack(pcall(chunk))
	for variable in pairs(changed) do
		if variable.is_local then
			debug.setlocal(co, level, variable.index, variable.value)
		else
			debug.setupvalue(f, variable.index, variable.value)
		end
	end
	return table.unpack(results, 1, results.n)
end
