-- The values of recorded vectors, which come as Lua tables in the shape of their JSON.
local recorded = {}

function recorded.bytes(hex)
	return (hex:gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end))
end

local bytes = recorded.bytes

-- A byte string in any of its forms.
function recorded.data(value)
	if type(value) == "string" then
		return bytes(value)
	elseif value.hex then
		return bytes(value.hex)
	elseif value["repeat"] then
		local unit = bytes(value["repeat"])
		return unit:rep(value.n // #unit + 1):sub(1, value.n)
	end
	local parts = {}
	if value.t == "frames_decimal" then
		for i = value.from, value.to do
			parts[#parts + 1] = string.pack(">s2", i)
		end
	else
		for i, part in ipairs(assert(value.concat, "a summary cannot be rebuilt")) do
			parts[i] = recorded.data(part)
		end
	end
	return table.concat(parts)
end

-- A typed value; of the tables only those that are lists.
function recorded.value(v)
	local t = v.t
	if t == "nil" then
		return nil
	elseif t == "bool" then
		return v.v
	elseif t == "int" then
		return math.tointeger(tonumber(v.v))
	elseif t == "num" then
		return (string.unpack(">d", bytes(v.bits)))
	elseif t == "str" or t == "msg" then
		return recorded.data(v)
	end
	assert(t == "table" and #v.hash == 0, t)
	local list = {}
	for i, item in ipairs(v.array) do
		list[i] = recorded.value(item)
	end
	return list
end

-- A list of them, with its length as n.
function recorded.values(list)
	local values = { n = #list }
	for i, v in ipairs(list) do
		values[i] = recorded.value(v)
	end
	return values
end

return recorded
