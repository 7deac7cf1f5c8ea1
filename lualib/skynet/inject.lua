-- Runs source code inside a service, with a way to the local tables of its handlers.

-- The tables that functions have as upvalues, by name; functions among the upvalues are followed.
-- Nearer ones win over those with the same name further away.
local function upvalue_tables(functions)
	local found, seen = {}, {}
	for _, f in ipairs(functions) do -- grows on the way
		local count = seen[f] and 0 or debug.getinfo(f, "u").nups
		seen[f] = true
		for i = 1, count do
			local name, value = debug.getupvalue(f, i)
			if type(value) == "function" then
				functions[#functions + 1] = value
			elseif type(value) == "table" and found[name] == nil then
				found[name] = value
			end
		end
	end
	return found
end

local function environment(skynet, print, roots)
	local handlers = {}
	for name, class in pairs(skynet._proto) do
		if type(name) == "string" and class.dispatch then
			handlers[name] = upvalue_tables { class.dispatch }
			roots[#roots + 1] = class.dispatch
		end
	end
	local env = { print = print, _U = upvalue_tables(roots), _P = handlers }
	return setmetatable(env, { __index = _ENV })
end

---@param source string Lua source
---@param filename string? names the chunk
---@param args table passed to the chunk
---@param ... function where the search for `_U` begins
---@return boolean ok
---@return string[] output printed lines; the message of an error comes last
return function(skynet, source, filename, args, ...)
	local output = {}
	local function print(...)
		local line = table.pack(...)
		for i = 1, line.n do
			line[i] = tostring(line[i])
		end
		output[#output + 1] = table.concat(line, "\t")
	end
	local name = filename and "@" .. filename or "=(load)"
	local chunk, err = load(source, name, "bt", environment(skynet, print, { ... }))
	if not chunk then
		return false, { err }
	end
	local ok, failure = pcall(chunk, table.unpack(args, 1, args.n))
	if not ok then
		output[#output + 1] = tostring(failure)
	end
	return ok, output
end
