-- Patterns in a syntax like that of regular expressions, made into patterns of lpeg.
--
-- The native half makes a program of a text: steps for a machine with a stack of patterns, each followed by its
-- argument. They are run when the whole text has been read, so that a mistake in the text is what the message is about.

local lpeg = require "lpeg"
local core = require "skynet.re.core"

local re = {}

local any = lpeg.P(1)
local operators = getmetatable(any)

-- What %name stands for, unless definitions say something else.
local predefined

-- Patterns by their text, for each function. They go when nobody uses them.
local compiled, searches, replacements

local function forget()
	local weak = { __mode = "v" }
	compiled = setmetatable({}, weak)
	searches = setmetatable({}, weak)
	replacements = setmetatable({}, weak)
end

-- The predefined classes are those of the current locale from now on.
function re.updatelocale()
	local classes = lpeg.locale()
	predefined = { nl = lpeg.P "\n" }
	for letter, name in pairs {
		a = "alpha", c = "cntrl", d = "digit", g = "graph", l = "lower",
		p = "punct", s = "space", u = "upper", w = "alnum", x = "xdigit",
	} do
		predefined[letter] = classes[name]
		predefined[letter:upper()] = any - classes[name]
	end
	forget()
end

-- Something is wrong with the text. The error names the place of the code that gave the text.
local function wrong(message)
	error({ message })
end

-- Steps --------------------------------------------------------------------------------------------------------------

-- What a name stands for where a function or the like is wanted.
local function defined(name, defs)
	local value = defs and defs[name]
	if not value then
		wrong("undefined name: " .. name)
	end
	return value
end

-- A pattern so many times; long repetitions are put together from halves.
local function times(pattern, n)
	if n == 0 then
		return lpeg.P(true)
	elseif n == 1 then
		return pattern
	end
	local half = times(pattern, n // 2)
	return n % 2 == 0 and half * half or half * half * pattern
end

-- Does the text of a group come again at this place?
local function again(subject, at, text)
	if type(text) == "string" and subject:find(text, at, true) == at then
		return at + #text
	end
end

-- Steps that push a pattern, by what they are given.
local push = {
	literal = lpeg.P,
	set = lpeg.S,
	rule = lpeg.V,
	any = function() return any end,
	position = function() return lpeg.Cp() end,
	back = function(name) return lpeg.Cmt(lpeg.Cb(name), again) end,
}

function push.named(name, defs)
	local value = defs and defs[name] or predefined[name]
	if not value then
		wrong(("name '%s' undefined"):format(name))
	end
	return lpeg.P(value)
end

function push.stray(name)
	wrong(("rule '%s' used outside a grammar"):format(name))
end

-- Steps that make a pattern of the last one.
local change = {
	simple = lpeg.C,
	table = lpeg.Ct,
	substitution = lpeg.Cs,
	complement = function(pattern) return any - pattern end,
	look = function(pattern) return #pattern end,
	["not"] = function(pattern) return -pattern end,
	["repeat"] = function(pattern, number) return pattern ^ tonumber(number) end,
	times = function(pattern, number) return times(pattern, tonumber(number)) end,
	format = function(pattern, text) return pattern / text end,
	select = function(pattern, number) return pattern / tonumber(number) end,
	group = function(pattern, name) return lpeg.Cg(pattern, name or nil) end,
	apply = function(pattern, name, defs) return pattern / defined(name, defs) end,
	accumulate = function(pattern, name, defs) return pattern % defined(name, defs) end,
	decide = function(pattern, name, defs) return lpeg.Cmt(pattern, defined(name, defs)) end,
	fold = function(pattern, name, defs) return lpeg.Cf(pattern, defined(name, defs)) end,
}

-- The others. They return the new top of the stack. While a grammar is made, the table of its rules is on the stack.
local others = {}

function others.sequence(stack, top, count)
	local first = top - count + 1
	if count == 0 then
		stack[first] = lpeg.P(true)
		return first
	end
	local pattern = stack[first]
	for i = first + 1, top do
		pattern = pattern * stack[i]
	end
	stack[first] = pattern
	return first
end

function others.choice(stack, top, count)
	local first = top - count + 1
	local pattern = stack[first]
	for i = first + 1, top do
		pattern = pattern + stack[i]
	end
	stack[first] = pattern
	return first
end

function others.grammar(stack, top, name)
	stack[top + 1] = { name }
	return top + 1
end

function others.define(stack, top, name)
	if stack[top][name] then
		wrong(("'%s' already defined as a rule"):format(name))
	end
	return top
end

function others.enter(stack, top, name)
	stack[top - 1][name] = stack[top]
	return top - 1
end

others["end"] = function(stack, top)
	stack[top] = lpeg.P(stack[top])
	return top
end

local function mistake(text, at)
	local rest = text:sub(at, at + 20)
	if #text >= at + 20 then
		rest = rest .. "..."
	end
	wrong(("pattern error near '%s'"):format(rest))
end

-- Functions ----------------------------------------------------------------------------------------------------------

local function parsed(text, defs)
	local program, at = core.parse(text)
	if not program then
		if math.type(at) then
			mistake(text, at)
		end
		wrong(at)
	end
	local stack, top = {}, 0
	for i = 1, #program, 2 do
		local step, argument = program[i], program[i + 1]
		local f = change[step]
		if f then
			stack[top] = f(stack[top], argument, defs)
		else
			f = push[step]
			if f then
				top = top + 1
				stack[top] = f(argument, defs)
			else
				top = others[step](stack, top, argument)
			end
		end
	end
	return stack[1]
end

-- The pattern of a text; errors are said to be `level` functions further out.
local function compile(text, defs, level)
	if lpeg.type(text) == "pattern" then
		return text
	elseif type(text) == "number" then
		text = tostring(text)
	elseif type(text) ~= "string" then
		error(("bad pattern (string expected, got %s)"):format(type(text)), level + 1)
	end
	local done, pattern = pcall(parsed, text, defs)
	if done then
		return pattern
	elseif type(pattern) == "table" then
		error(pattern[1], level + 1)
	end
	error(pattern, 0)
end

function re.compile(text, defs)
	local pattern = compile(text, defs, 2)
	return pattern
end

function re.match(subject, text, init)
	local pattern = compiled[text]
	if not pattern then
		pattern = compile(text, nil, 2)
		compiled[text] = pattern
	end
	return pattern:match(subject, init or 1)
end

function re.find(subject, text, init)
	local search = searches[text]
	if not search then
		local pattern = compile(text, nil, 2) / 0
		search = lpeg.P { lpeg.Cp() * pattern * lpeg.Cp() + 1 * lpeg.V(1) }
		searches[text] = search
	end
	local first, behind = search:match(subject, init or 1)
	if first then
		return first, behind - 1
	end
	return first
end

function re.gsub(subject, text, replacement)
	local byreplacement = replacements[text]
	if not byreplacement then
		byreplacement = {}
		replacements[text] = byreplacement
	end
	local pattern = byreplacement[replacement]
	if not pattern then
		pattern = lpeg.Cs((operators.__div(compile(text, nil, 2), replacement) + 1) ^ 0)
		if replacement ~= nil then
			byreplacement[replacement] = pattern
		end
	end
	return pattern:match(subject)
end

re.updatelocale()

return re
