-- Patterns in a syntax like that of regular expressions, made into patterns of lpeg.
--
-- A text is parsed by functions that take the place where something may begin, and return the place behind it and what
-- it is, or nothing. What it is is a table, { kind, ... }; patterns are made of these when the whole text has been
-- read, so that a mistake in the text is what the message is about. `makers` has a function for each kind.

local lpeg = require "lpeg"

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

-- Makers -------------------------------------------------------------------------------------------------------------

local makers = {}

local function make(node, defs)
	return makers[node[1]](node, defs)
end

-- What a name stands for where a function or the like is wanted.
local function defined(name, defs)
	local value = defs and defs[name]
	if not value then
		wrong("undefined name: " .. name)
	end
	return value
end

function makers.literal(node)
	return lpeg.P(node[2])
end

function makers.named(node, defs)
	local name = node[2]
	local value = defs and defs[name] or predefined[name]
	if not value then
		wrong(("name '%s' undefined"):format(name))
	end
	return lpeg.P(value)
end

-- `bytes` and `ranges` of a class are one set each.
function makers.class(node, defs)
	local set = node.bytes ~= "" and lpeg.S(node.bytes) or nil
	if node[2] then
		local ranges = lpeg.R(table.unpack(node, 2))
		set = set and set + ranges or ranges
	end
	for _, name in ipairs(node.names) do
		local pattern = makers.named({ "named", name }, defs)
		set = set and set + pattern or pattern
	end
	return node.complement and any - set or set
end

function makers.sequence(node, defs)
	if not node[2] then
		return lpeg.P(true)
	end
	local pattern = make(node[2], defs)
	for i = 3, #node do
		pattern = pattern * make(node[i], defs)
	end
	return pattern
end

function makers.choice(node, defs)
	local pattern = make(node[2], defs)
	for i = 3, #node do
		pattern = pattern + make(node[i], defs)
	end
	return pattern
end

function makers.look(node, defs)
	return #make(node[2], defs)
end

makers["not"] = function(node, defs)
	return -make(node[2], defs)
end

makers["repeat"] = function(node, defs)
	return make(node[2], defs) ^ node[3]
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

function makers.times(node, defs)
	return times(make(node[2], defs), node[3])
end

function makers.divide(node, defs)
	return make(node[2], defs) / node[3]
end

makers["->"] = function(node, defs)
	return make(node[2], defs) / defined(node[3], defs)
end

makers[">>"] = function(node, defs)
	return make(node[2], defs) % defined(node[3], defs)
end

makers["=>"] = function(node, defs)
	return lpeg.Cmt(make(node[2], defs), defined(node[3], defs))
end

makers["~>"] = function(node, defs)
	return lpeg.Cf(make(node[2], defs), defined(node[3], defs))
end

function makers.position()
	return lpeg.Cp()
end

function makers.simple(node, defs)
	return lpeg.C(make(node[2], defs))
end

function makers.table(node, defs)
	return lpeg.Ct(make(node[2], defs))
end

function makers.substitution(node, defs)
	return lpeg.Cs(make(node[2], defs))
end

function makers.group(node, defs)
	return lpeg.Cg(make(node[2], defs), node[3] or nil)
end

-- Does the text of a group come again at this place?
local function again(subject, at, text)
	if type(text) == "string" and subject:find(text, at, true) == at then
		return at + #text
	end
end

function makers.back(node)
	return lpeg.Cmt(lpeg.Cb(node[2]), again)
end

function makers.rule(node)
	if not node.grammar then
		wrong(("rule '%s' used outside a grammar"):format(node[2]))
	end
	return lpeg.V(node[2])
end

function makers.grammar(node, defs)
	local rules = { node[2].name }
	for i = 2, #node do
		local name = node[i].name
		if rules[name] then
			wrong(("'%s' already defined as a rule"):format(name))
		end
		rules[name] = make(node[i].body, defs)
	end
	return lpeg.P(rules)
end

-- Parsers ------------------------------------------------------------------------------------------------------------

local byte, find, match, sub = string.byte, string.find, string.match, string.sub

-- Bytes, for what is decided by one.
local function bytes_of(text)
	local set = {}
	for i = 1, #text do
		set[byte(text, i)] = true
	end
	return set
end

local dash, less, slash = byte "-", byte "<", byte "/"
local blank = bytes_of "- \t\n\v\f\r"

-- Where the space and the comments end that begin at a place.
local function skip(text, at)
	while blank[byte(text, at)] do
		local next = match(text, "^%s*()", at)
		next = byte(text, next) == dash and match(text, "^%-%-[^\n]*()", next) or next
		if next == at then
			break
		end
		at = next
	end
	return at
end

local function name_at(text, at)
	local name, next = match(text, "^([%a_][%w_]*)()", at)
	return next, name
end

-- Where the body of a rule begins, if its name ends at a place.
local function body_at(text, at)
	at = skip(text, at)
	return byte(text, at) == less and byte(text, at + 1) == dash and at + 2 or nil
end

-- The name of a rule that is defined here, and where its body begins.
local function definition_at(text, at)
	local next, name = name_at(text, at)
	return next and body_at(text, next), name
end

local function mistake(text, at)
	local rest = sub(text, at, at + 20)
	if #text >= at + 20 then
		rest = rest .. "..."
	end
	wrong(("pattern error near '%s'"):format(rest))
end

local expression, prefix

local function class(text, at)
	local node = { "class", names = {} }
	local bytes = {}
	at = at + 1
	if find(text, "^%^", at) then
		node.complement = true
		at = at + 1
	end
	repeat
		local name, next = match(text, "^%%([%a_][%w_]*)()", at)
		if name then
			table.insert(node.names, name)
		elseif find(text, "^.%-[^%]]", at) then
			node[#node + 1] = sub(text, at, at) .. sub(text, at + 2, at + 2)
			next = at + 3
		else
			bytes[#bytes + 1] = sub(text, at, at)
			next = at + 1
		end
		if at > #text then
			return
		end
		at = next
	until find(text, "^%]", at)
	node.bytes = table.concat(bytes)
	return at + 1, node
end

-- Something in brackets: what is in front, what behind, the kind.
local brackets = {
	{ "{~", "~}", "substitution" },
	{ "{|", "|}", "table" },
	{ "{", "}", "simple" },
}

local function enclosed(text, at, grammar, close, kind, name)
	local next, body = expression(text, at, grammar)
	if sub(text, next, next + #close - 1) == close then
		return next + #close, { kind, body, name }
	end
end

local function bracket(text, at, grammar)
	if sub(text, at, at + 1) == "{:" then
		local start, name = name_at(text, at + 2)
		start = start and match(text, "^:()", start)
		local next, node = enclosed(text, start or at + 2, grammar, ":}", "group", start and name)
		if next then
			return next, node
		end
	elseif sub(text, at, at + 1) == "{}" then
		return at + 2, { "position" }
	end
	for _, entry in ipairs(brackets) do
		local open, close, kind = entry[1], entry[2], entry[3]
		if sub(text, at, at + #open - 1) == open then
			local next, node = enclosed(text, at + #open, grammar, close, kind)
			if next then
				return next, node
			end
		end
	end
end

local function primary(text, at, grammar)
	local first = sub(text, at, at)
	if first == "(" then
		local next, body = expression(text, at + 1, grammar)
		if find(text, "^%)", next) then
			return next + 1, body
		end
	elseif first == "'" or first == '"' then
		local close = find(text, first, at + 1, true)
		if close then
			return close + 1, { "literal", sub(text, at + 1, close - 1) }
		end
	elseif first == "[" then
		return class(text, at)
	elseif first == "%" or first == "=" then
		local next, name = name_at(text, at + 1)
		if next then
			return next, { first == "%" and "named" or "back", name }
		end
	elseif first == "{" then
		return bracket(text, at, grammar)
	elseif first == "." then
		return at + 1, { "literal", 1 }
	elseif first == "<" then
		local next, name = name_at(text, at + 1)
		if next and find(text, "^>", next) then
			return next + 1, { "rule", name, grammar = grammar }
		end
	else
		local next, name = name_at(text, at)
		if next and not body_at(text, next) then
			return next, { "rule", name, grammar = grammar }
		end
	end
end

local counts = { [byte "+"] = 1, [byte "*"] = 0, [byte "?"] = -1 }
local arrows = { ["->"] = true, ["=>"] = true, [">>"] = true, ["~>"] = true }
local suffixes = bytes_of "+*?^-=>~"

-- What may follow an arrow, by the kind of arrow.
local function arrow(text, at, body)
	local kind = sub(text, at, at + 1)
	local start = skip(text, at + 2)
	local next, name = name_at(text, start)
	if next then
		return next, { kind, body, name }
	elseif kind ~= "->" then
		return
	elseif sub(text, start, start + 1) == "{}" then
		return start + 2, { "table", body }
	end
	local quote, string, behind = match(text, "^(['\"])(.-)%1()", start)
	if quote then
		return behind, { "divide", body, string }
	end
	local number
	number, behind = match(text, "^(%d+)()", start)
	if number then
		return behind, { "divide", body, tonumber(number) }
	end
end

-- One of the things that follow a primary.
local function suffix(text, at, body)
	local first = byte(text, at)
	if not suffixes[first] then
		return
	elseif counts[first] then
		return at + 1, { "repeat", body, counts[first] }
	elseif sub(text, at, at) == "^" then
		local sign, number, next = match(text, "^%^([+-]?)(%d+)()", at)
		if not sign then
			return
		elseif sign == "" then
			return next, { "times", body, tonumber(number) }
		end
		return next, { "repeat", body, tonumber(sign .. number) }
	elseif arrows[sub(text, at, at + 1)] then
		return arrow(text, at, body)
	end
end

function prefix(text, at, grammar)
	local first = sub(text, at, at)
	if first == "&" or first == "!" then
		local next, body = prefix(text, skip(text, at + 1), grammar)
		if next then
			return next, { first == "&" and "look" or "not", body }
		end
		return
	end
	local next, node = primary(text, at, grammar)
	if not next then
		return
	end
	next = skip(text, next)
	while true do
		local behind, more = suffix(text, next, node)
		if not behind then
			return next, node
		end
		next, node = skip(text, behind), more
	end
end

local ends = bytes_of "/)}:~|"

-- A sequence ends where something stands that can follow one.
local function sequence(text, at, grammar)
	local node = { "sequence" }
	while not ends[byte(text, at)] do
		local next, part = prefix(text, at, grammar)
		if not next then
			break
		end
		node[#node + 1] = part
		at = next
	end
	if at <= #text and not find(text, "^[/)}]", at) and not find(text, "^[:~|]}", at) and not definition_at(text, at) then
		mistake(text, at)
	end
	return at, node
end

function expression(text, at, grammar)
	at = skip(text, at)
	local start, name = definition_at(text, at)
	if start then
		local node = { "grammar" }
		repeat
			local body
			at, body = expression(text, start, true)
			node[#node + 1] = { name = name, body = body }
			start, name = definition_at(text, at)
		until not start
		return at, node
	end
	local node
	at, node = sequence(text, at, grammar)
	if byte(text, at) == slash then
		node = { "choice", node }
		repeat
			at, node[#node + 1] = sequence(text, skip(text, at + 1), grammar)
		until byte(text, at) ~= slash
	end
	return at, node
end

-- Functions ----------------------------------------------------------------------------------------------------------

local function parsed(text, defs)
	local at, node = expression(text, 1, false)
	if at <= #text then
		mistake(text, at)
	end
	return make(node, defs)
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
