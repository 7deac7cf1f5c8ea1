-- JSON in Lua: a player's record to text and back.
local n = tonumber((...)) or 60
local byte, sub, find, format = string.byte, string.sub, string.find, string.format

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\t"] = "\\t" }
local encode

local function quote(s)
	return '"' .. s:gsub('["\\\n\t]', escapes) .. '"'
end

local writers = {
	string = function(v, out) out[#out + 1] = quote(v) end,
	boolean = function(v, out) out[#out + 1] = tostring(v) end,
	number = function(v, out)
		out[#out + 1] = math.type(v) == "integer" and tostring(v) or format("%.14g", v)
	end,
	table = function(v, out)
		if #v > 0 then
			out[#out + 1] = "["
			for i, x in ipairs(v) do
				if i > 1 then
					out[#out + 1] = ","
				end
				encode(x, out)
			end
			out[#out + 1] = "]"
			return
		end
		local keys = {}
		for key in pairs(v) do
			keys[#keys + 1] = key
		end
		table.sort(keys)
		out[#out + 1] = "{"
		for i, key in ipairs(keys) do
			if i > 1 then
				out[#out + 1] = ","
			end
			out[#out + 1] = quote(key)
			out[#out + 1] = ":"
			encode(v[key], out)
		end
		out[#out + 1] = "}"
	end,
}

function encode(v, out)
	writers[type(v)](v, out)
end

local decode

local function space(s, i)
	local c = byte(s, i)
	while c == 32 or c == 10 or c == 9 or c == 13 do
		i = i + 1
		c = byte(s, i)
	end
	return i, c
end

local function text(s, i)
	local parts, from = nil, i + 1
	local at = from
	while true do
		local c = byte(s, at)
		if c == 34 then
			local piece = sub(s, from, at - 1)
			return parts and parts .. piece or piece, at + 1
		elseif c == 92 then
			local e = sub(s, at + 1, at + 1)
			parts = (parts or "") .. sub(s, from, at - 1) .. (e == "n" and "\n" or e == "t" and "\t" or e)
			at = at + 2
			from = at
		elseif not c then
			error("unfinished string")
		else
			at = at + 1
		end
	end
end

function decode(s, i)
	local c
	i, c = space(s, i)
	if c == 34 then
		return text(s, i)
	elseif c == 123 then
		local out = {}
		i, c = space(s, i + 1)
		while c ~= 125 do
			local key, value
			key, i = text(s, i)
			i = space(s, i)
			value, i = decode(s, i + 1)
			out[key] = value
			i, c = space(s, i)
			if c == 44 then
				i, c = space(s, i + 1)
			end
		end
		return out, i + 1
	elseif c == 91 then
		local out = {}
		i, c = space(s, i + 1)
		while c ~= 93 do
			out[#out + 1], i = decode(s, i)
			i, c = space(s, i)
			if c == 44 then
				i, c = space(s, i + 1)
			end
		end
		return out, i + 1
	elseif c == 116 then
		return true, i + 4
	elseif c == 102 then
		return false, i + 5
	end
	local _, last = find(s, "^[-+.%deE]+", i)
	return tonumber(sub(s, i, last)), last + 1
end

local record = {
	name = "Hero \"of\" the North", level = 42, gold = 123456, ratio = 0.375, online = true, banned = false,
	position = { x = 12.5, y = -7.25, map = "forest" }, friends = {}, items = {},
}
for i = 1, 12 do
	record.friends[i] = "friend" .. i
	record.items[i] = { id = 1000 + i, count = i, bound = i % 2 == 0, note = "line\n" .. i }
end
local length = 0
for i = 1, n do
	record.level = i
	local out = {}
	encode(record, out)
	local s = table.concat(out)
	local back = decode(s, 1)
	length = length + #s + back.level + #back.items
end
print(length)
