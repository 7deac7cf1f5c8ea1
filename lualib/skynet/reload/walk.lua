-- A walk over everything that a service has: who else holds certain functions, and which coroutines are inside them.

local walk = {}

-- Calls found(holder, how, key, function) for each reference to one of `functions` outside of stacks; returns how many
-- coroutines are inside them. `skip` are values that are not looked into.
--
-- how is "value" or "key" of a table, "upvalue" of a function, "user" value of a userdata.
function walk.holders(functions, skip, found)
	local seen, line, inside = {}, { debug.getregistry() }, 0
	for value in pairs(skip) do
		seen[value] = true
	end
	seen[line], seen[seen] = true, true
	for kind = -1, 1 do -- those of strings and other types
		local meta = debug.getmetatable(kind == -1 and "" or kind == 0 and 0 or print)
		if meta then
			line[#line + 1] = meta
		end
	end

	local function reach(value)
		local kind = type(value)
		if (kind == "table" or kind == "function" or kind == "thread" or kind == "userdata") and not seen[value] then
			seen[value] = true
			line[#line + 1] = value
		end
	end

	local function thread(co)
		local is_inside = false
		for level = 0, math.huge do
			local info = debug.getinfo(co, level, "f")
			if not info then
				break
			end
			is_inside = is_inside or functions[info.func] ~= nil
			reach(info.func)
			for i = 1, math.huge do
				local name, value = debug.getlocal(co, level, i)
				if not name then
					break
				end
				reach(value)
			end
		end
		inside = inside + (is_inside and 1 or 0)
	end

	seen[line[1]] = true
	while #line > 0 do
		local value = table.remove(line)
		local kind = type(value)
		if kind == "table" then
			for key, item in next, value do
				if functions[item] then
					found(value, "value", key, item)
				end
				if functions[key] then
					found(value, "key", item, key)
				end
				reach(key)
				reach(item)
			end
			reach(debug.getmetatable(value))
		elseif kind == "function" then
			for i = 1, math.huge do
				local name, item = debug.getupvalue(value, i)
				if not name then
					break
				end
				if functions[item] then
					found(value, "upvalue", i, item)
				end
				reach(item)
			end
		elseif kind == "userdata" then
			for i = 1, math.huge do
				local item, there = debug.getuservalue(value, i)
				if not there then
					break
				end
				if functions[item] then
					found(value, "user", i, item)
				end
				reach(item)
			end
			reach(debug.getmetatable(value))
		else
			thread(value)
		end
	end
	return inside
end

return walk
