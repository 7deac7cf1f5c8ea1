-- Bytes: varints, a frame with fields and a checksum, to a string and back.
local n = tonumber((...)) or 700
local byte, char = string.byte, string.char

local function varint(out, v)
	while v >= 128 do
		out[#out + 1] = char(v & 127 | 128)
		v = v >> 7
	end
	out[#out + 1] = char(v)
end

local function readvarint(s, i)
	local v, shift = 0, 0
	while true do
		local b = byte(s, i)
		i = i + 1
		v = v | (b & 127) << shift
		if b < 128 then
			return v, i
		end
		shift = shift + 7
	end
end

local function checksum(s)
	local a, b = 1, 0
	for i = 1, #s do
		a = (a + byte(s, i)) % 65521
		b = (b + a) % 65521
	end
	return b << 16 | a
end

local function encode(fields)
	local out = {}
	for tag, value in ipairs(fields) do
		if math.type(value) == "integer" then
			varint(out, tag << 3)
			varint(out, value << 1 ~ value >> 63)
		else
			varint(out, tag << 3 | 2)
			varint(out, #value)
			out[#out + 1] = value
		end
	end
	local body = table.concat(out)
	return string.pack(">I2I4", #body, checksum(body)) .. body
end

local function decode(s)
	local size, sum, i = string.unpack(">I2I4", s)
	local body = s:sub(i, i + size - 1)
	assert(checksum(body) == sum)
	local fields, at = {}, 1
	while at <= #body do
		local tag, value
		tag, at = readvarint(body, at)
		value, at = readvarint(body, at)
		if tag & 7 == 2 then
			local length = value
			value = body:sub(at, at + length - 1)
			at = at + length
		else
			value = value >> 1 ~ -(value & 1)
		end
		fields[tag >> 3] = value
	end
	return fields
end

local total = 0
for i = 1, n do
	local frame = encode { i, i * i, "player" .. i, i << 20, "a longer text of a field " .. i, 7 }
	local back = decode(frame)
	total = total + #frame + back[1] + back[4] % 1000 + #back[5]
end
print(total)
