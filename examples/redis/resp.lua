-- The protocol of Redis (RESP 2): requests are lists of strings, answers are one of five kinds.

local match, sub = string.match, string.sub

local resp = {}

-- The largest parts that a request may have, as in Redis.
local MAX_ITEMS <const> = 1024 * 1024
local MAX_BYTES <const> = 512 * 1024 * 1024

-- A request typed by hand: words in a line.
local function inline(text, at)
	local line, after = match(text, "^([^\r\n]*)\r?\n()", at)
	if not line then
		assert(#text - at < 65536, "Protocol error: too big inline request")
		return nil
	end
	local words = {}
	for word in line:gmatch "%S+" do
		words[#words + 1] = word
	end
	return words, after
end

local function number(digits, max, what)
	local n = math.tointeger(tonumber(digits))
	return assert(n and n <= max and n, "Protocol error: invalid " .. what)
end

-- The request at `at` and where the next one begins. If it is not complete: nil, and how many bytes are missing at
-- least, if that is known.
function resp.request(text, at)
	if sub(text, at, at) ~= "*" then
		return inline(text, at)
	end
	local items, from = match(text, "^%*(%d+)\r\n()", at)
	if not items then
		assert(#text - at < 32, "Protocol error: invalid multibulk length")
		return nil
	end
	local request = {}
	for i = 1, number(items, MAX_ITEMS, "multibulk length") do
		local length, first = match(text, "^%$(%d+)\r\n()", from)
		if not length then
			assert(#text - from < 32, "Protocol error: expected '$'")
			return nil
		end
		local last = first + number(length, MAX_BYTES, "bulk length") - 1
		if #text < last + 2 then
			return nil, last + 2 - #text
		end
		request[i] = sub(text, first, last)
		from = last + 3
	end
	return request, from
end

resp.ok = "+OK\r\n"
resp.null = "$-1\r\n"

function resp.status(text)
	return "+" .. text .. "\r\n"
end

function resp.failure(text)
	return "-" .. text:gsub("[\r\n]", " ") .. "\r\n"
end

function resp.integer(n)
	return ":" .. n .. "\r\n"
end

function resp.bulk(text)
	return text and "$" .. #text .. "\r\n" .. text .. "\r\n" or resp.null
end

-- A list of strings; nil is null.
function resp.list(items, n)
	local parts = { "*" .. (n or #items) .. "\r\n" }
	for i = 1, n or #items do
		parts[i + 1] = resp.bulk(items[i])
	end
	return table.concat(parts)
end

return resp
