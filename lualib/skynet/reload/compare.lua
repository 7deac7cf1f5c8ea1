-- What has to be done to a module that runs so that it runs the code of another one, as a list of actions. Nothing is
-- changed here.
--
-- A pair is an old and a new value in the same place. Tables stay the old ones, and get the new functions. Variables of
-- functions (upvalues) are known by their names: a new function gets the old variable, so that it finds the state
-- that is there. A value that is no function stays, unless the module wants it replaced.

local compare = {}
compare.__index = compare

local NONE <const> = {}

local function upvalues(f)
	local i = 0
	return function()
		i = i + 1
		local name, value = debug.getupvalue(f, i)
		if name then
			return i, name, value
		end
	end
end

local function is_lua(f)
	return debug.getinfo(f, "S").what ~= "C"
end

-- Two functions that do the same, with the same variables, in the same lines.
local function same_code(a, b)
	local i = 0
	repeat
		i = i + 1
		local name = debug.getupvalue(a, i)
		if name ~= debug.getupvalue(b, i) then
			return false
		end
	until not name
	return string.dump(a, true) == string.dump(b, true)
end

-- `force` makes new values win where the types differ.
function compare.new(force)
	return setmetatable({
		force = force,
		-- { "field", table, key, value }, { "join", f, i, f, i }, { "set", f, i, value }, { "meta", table, value }
		actions = {},
		replaced = {}, -- old function -> new one
		changed = {}, -- names of functions
		new = {},
		removed = {}, -- names of functions that the new file has not; they stay
		conflicts = {},
		variables = {}, -- name -> { f, i, ambiguous = true } of the old functions
		done = {}, -- old or new values that have been looked at
		foreign = {}, -- tables that are not the module's
		wanted = NONE, -- keys of the module whose values are replaced
	}, compare)
end

function compare:act(...)
	self.actions[#self.actions + 1] = table.pack(...)
end

local function place(f)
	local info = debug.getinfo(f, "S")
	return ("%s:%d"):format(info.short_src, info.linedefined)
end

function compare:conflict(text)
	self.conflicts[#self.conflicts + 1] = text
end

-- Notes the variables of all old functions that belong to the file: those of the value and of the functions behind it.
function compare:note(value, source, seen)
	if seen[value] or self.foreign[value] then
		return
	end
	seen[value] = true
	if type(value) == "table" then
		for _, item in next, value do
			if type(item) == "function" or type(item) == "table" then
				self:note(item, source, seen)
			end
		end
		local meta = debug.getmetatable(value)
		if meta then
			self:note(meta, source, seen)
		end
	elseif is_lua(value) and debug.getinfo(value, "S").source == source then
		for i, name, item in upvalues(value) do
			local known = self.variables[name]
			if not known then
				self.variables[name] = { value, i }
			elseif debug.upvalueid(value, i) ~= debug.upvalueid(known[1], known[2]) then
				known.ambiguous = true
			end
			if type(item) == "function" or type(item) == "table" then
				self:note(item, source, seen)
			end
		end
	end
end

-- The old variable of a name: the partner's own, else the only one in the file.
function compare:variable(old, name)
	if old then
		for i, other in upvalues(old) do
			if other == name then
				return old, i
			end
		end
	end
	local known = self.variables[name]
	if known and not known.ambiguous then
		return known[1], known[2]
	end
end

-- The variables of a new function, whose old partner is `old`, if it has one.
function compare:function_variables(old, new, where)
	for i, name, value in upvalues(new) do
		local id = debug.upvalueid(new, i)
		local f, k = nil, nil
		if name ~= "_ENV" then
			f, k = self:variable(old, name)
		end
		if f then
			self:act("join", new, i, f, k)
			if not self.done[id] then
				self.done[id] = true
				local before, here = select(2, debug.getupvalue(f, k)), ("%s, local %s"):format(where, name)
				local result = self:pair(before, value, here)
				if result ~= before then
					self:act("set", f, k, result)
				end
			end
		elseif not self.done[id] then
			self.done[id] = true
			self:adopt(value, where)
		end
	end
end

-- A value that only the new module has: its functions get the old variables.
function compare:adopt(value, where)
	local kind = type(value)
	if kind ~= "function" and kind ~= "table" or self.done[value] or self.foreign[value] then
		return
	end
	self.done[value] = true
	if kind == "table" then
		for key, item in next, value do
			self:adopt(item, ("%s.%s"):format(where, tostring(key)))
		end
		self:adopt(debug.getmetatable(value), where .. ", metatable")
	elseif is_lua(value) and debug.getinfo(value, "S").source == self.source then
		self:function_variables(nil, value, where)
	end
end

-- An old and a new value in one place. Returns the one that shall be there.
function compare:pair(old, new, where)
	if old == nil then
		self:adopt(new, where)
		return new
	elseif new == nil or rawequal(old, new) then
		return old -- a variable that the new code fills later keeps what the old one has filled in
	elseif type(old) ~= type(new) then
		local text = ("%s was a %s, is a %s"):format(where, type(old), type(new))
		if type(new) == "function" and is_lua(new) then
			text = ("%s (%s)"):format(text, place(new))
		end
		if type(old) ~= "function" and type(old) ~= "table" and type(new) ~= "function" and type(new) ~= "table" then
			return old -- state, such as a number that was a string
		end
		self:conflict(text)
		if self.force then
			self:adopt(new, where)
			return new
		end
		return old
	elseif type(old) == "function" then
		return self:functions(old, new, where)
	elseif type(old) == "table" then
		self:tables(old, new, where)
	end
	return old
end

function compare:functions(old, new, where)
	if self.done[new] then
		return self.replaced[old] or old
	end
	self.done[new] = true
	if not is_lua(old) or not is_lua(new) then
		self.changed[#self.changed + 1] = where
		self:adopt(new, where)
		return new -- here only: a native function may be in use anywhere
	end
	if debug.getinfo(new, "S").source ~= self.source then
		return old -- another module's
	end
	local same = same_code(old, new)
	if not same then
		self.replaced[old] = new
		self.changed[#self.changed + 1] = where
	end
	-- Also of one that stays: what its variables refer to may have changed.
	self:function_variables(old, new, where)
	return same and old or new
end

local function has_functions(value, seen)
	if type(value) == "function" then
		return true
	elseif type(value) ~= "table" or seen[value] then
		return false
	end
	seen[value] = true
	for _, item in next, value do
		if has_functions(item, seen) then
			return true
		end
	end
	return has_functions(debug.getmetatable(value), seen)
end

-- Data that is equal.
local function equal(a, b, seen)
	if type(a) ~= "table" or type(b) ~= "table" then
		return rawequal(a, b) or type(a) == "function" and type(b) == "function" and same_code(a, b)
	elseif seen[a] then
		return seen[a] == b
	end
	seen[a] = b
	for key, value in next, a do
		if not equal(value, rawget(b, key), seen) then
			return false
		end
	end
	for key in next, b do
		if rawget(a, key) == nil then
			return false
		end
	end
	return true
end

-- What shall be at a key that only the new table has; nil if it stays empty. In the module itself all is new. In other
-- tables what is missing may have been taken out while the service ran, unless it is code under a name.
function compare:addition(key, value, where, here)
	local is_module = where == self.name
	if is_module or type(key) == "string" and has_functions(value, {}) then
		self.new[#self.new + 1] = type(value) == "function" and here or ("%s = %s"):format(here, type(value))
		self:adopt(value, here)
		return value
	end
end

function compare:tables(old, new, where)
	if self.done[new] or self.foreign[old] or self.foreign[new] then
		return
	end
	self.done[new] = true
	local is_module = where == self.name
	for key, value in next, new do
		local here = ("%s.%s"):format(where, tostring(key))
		local before = rawget(old, key)
		local result
		if is_module and self.wanted[key] then
			result = before
			if not equal(before, value, {}) then
				self.changed[#self.changed + 1] = here
				self:adopt(value, here)
				result = value
			end
		elseif before == nil then
			result = self:addition(key, value, where, here)
		else
			result = self:pair(before, value, here)
		end
		if not rawequal(result, before) then
			self:act("field", old, key, result)
		end
	end
	for key, value in next, is_module and old or NONE do
		if type(value) == "function" and rawget(new, key) == nil and is_lua(value)
			and debug.getinfo(value, "S").source == self.source then
			self.removed[#self.removed + 1] = ("%s.%s"):format(where, tostring(key))
		end
	end
	local meta, before = debug.getmetatable(new), debug.getmetatable(old)
	if type(meta) == "table" and type(before) == "table" and not rawequal(meta, before) then
		self:tables(before, meta, where .. ", metatable")
	elseif meta and not before then
		self.new[#self.new + 1] = where .. ", metatable"
		self:adopt(meta, where)
		self:act("meta", old, meta)
	end
end

-- Compares modules. `source` is the name of their chunk, `foreign` are values that belong to others.
function compare:modules(name, old, new, source, foreign)
	self.name, self.source = name, source
	for value in pairs(foreign) do
		self.foreign[value] = true
	end
	self.foreign[old], self.foreign[new] = nil, nil
	local reload = rawget(new, "__reload")
	self.wanted = { __reload = true }
	if type(reload) == "table" and type(reload.replace) == "table" then
		for _, key in ipairs(reload.replace) do
			self.wanted[key] = true
		end
	end
	self:note(old, source, {})
	self:tables(old, new, name)
end

-- Does it.
function compare:apply()
	for _, action in ipairs(self.actions) do
		local what = action[1]
		if what == "field" then
			rawset(action[2], action[3], action[4])
		elseif what == "join" then
			debug.upvaluejoin(action[2], action[3], action[4], action[5])
		elseif what == "set" then
			debug.setupvalue(action[2], action[3], action[4])
		else
			debug.setmetatable(action[2], action[3])
		end
	end
end

return compare
