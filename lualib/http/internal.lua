-- What servers and clients of HTTP have in common: heads, chunked bodies, requests and their answers.
--
-- `readfn()` gives the next bytes, at least one; `readfn(n)` exactly n. Both raise when there are no more.
local core = require "skynet.core"
local native = require "skynet.http.core"

local internal = {}

local HEAD_LIMIT <const> = 8192
local SIZE_LIMIT <const> = 128 -- bytes of the line with a chunk's size
local SIZE_DIGITS <const> = 15 -- more of them would not be a size in a 64 bit integer

-- The text of a head without the empty line at its end, and what follows; nothing if it is too long.
local function head(readfn, data)
	if data:sub(1, 2) == "\r\n" then
		return "", data:sub(3)
	end
	local searched = 1
	while true do
		local at = data:find("\r\n\r\n", searched, true)
		if at then
			return data:sub(1, at - 1), data:sub(at + 4)
		end
		searched = math.max(1, #data - 2)
		if #data > HEAD_LIMIT then
			return
		end
		data = data .. readfn()
		-- The end is looked for first: so the end of a head may come with more than is allowed without.
		if data:sub(1, 2) == "\r\n" and not data:find("\r\n\r\n", searched, true) then
			return "", data:sub(3)
		end
	end
end

internal.head = head

function internal.recvheader(readfn, lines, buffered)
	local text, rest = head(readfn, buffered)
	if not text then
		return
	end
	for line in (text .. "\r\n"):gmatch "(.-)\r\n" do
		if line == "" then
			break
		end
		lines[#lines + 1] = line
	end
	return rest
end

function internal.parseheader(lines, from, t)
	if native.fields(table.concat(lines, "\r\n", from), t) then
		return t
	end
end

-- Takes chunks apart: next_chunk(limit) gives a chunk's bytes; "" and what follows at the last one; nothing if they are
-- no chunks, or too long.
local function chunks(readfn, data)
	return function(limit)
		local at = data:find("\r\n", 1, true)
		while not at do
			if #data > SIZE_LIMIT then
				return
			end
			data = data .. readfn()
			at = data:find("\r\n", 1, true)
		end
		local digits = data:sub(1, at - 1):match "^%s*(%x+)%s*$"
		if not digits or #digits > SIZE_DIGITS then
			return
		end
		local size = tonumber(digits, 16)
		data = data:sub(at + 2)
		if size == 0 then
			return "", data
		elseif limit and size > limit then
			return
		end
		local missing = size + 2 - #data
		if missing > 0 then
			data = data .. readfn(missing)
		end
		local chunk = data:sub(1, size)
		if data:sub(size + 1, size + 2) ~= "\r\n" then
			return
		end
		data = data:sub(size + 3)
		return chunk
	end
end

-- The fields behind the last chunk go into the header. False if there were too many of them; nil, with what comes
-- after, if they are not fields.
local function trailer(readfn, data, header)
	local text, rest = head(readfn, data)
	if not text then
		return false
	end
	return native.fields(text, header) and header or nil, rest
end

function internal.recvchunkedbody(readfn, limit, header, buffered)
	local next_chunk, parts, total = chunks(readfn, buffered), {}, 0
	while true do
		local chunk, rest = next_chunk(limit and limit - total)
		if not chunk then
			return
		elseif rest then
			header = trailer(readfn, rest, header)
			if header == false then
				return
			end
			return table.concat(parts), header
		end
		total = total + #chunk
		parts[#parts + 1] = chunk
	end
end

-- The length that a header announces; a repeated one counts as none.
function internal.length(header)
	local text = header["content-length"]
	local number = type(text) ~= "table" and tonumber(text)
	return number and (math.tointeger(number) or number)
end

-- As many bytes as announced, of which some may be there already.
function internal.fixedbody(readfn, length, data)
	if length <= #data then
		return data:sub(1, length)
	end
	return data .. readfn(length - #data)
end

-- Requests. An interface is { init = f(hostname)?, close = f?, read = f([n]), write = f(s), readall = f() }.

function internal.request(interface, method, host, url, recvheader, header, content)
	local text = { ("%s %s HTTP/1.1\r\n"):format(method, url) }
	local chunked = false
	if header then
		if not header.Host then
			header.Host = host
		end
		for k, v in pairs(header) do
			text[#text + 1] = ("%s:%s\r\n"):format(k, tostring(v))
		end
		chunked = content and header["transfer-encoding"] == "chunked"
	else
		text[2] = ("host:%s\r\n"):format(host)
	end
	text[#text + 1] = chunked and "\r\n" or ("Content-length:%d\r\n\r\n"):format(content and #content or 0)
	interface.write(table.concat(text))
	if content and content ~= "" then
		interface.write(content)
	end

	local answer, rest = head(interface.read, "")
	core.check(answer, "Recv header failed")
	local line, fields = answer:match "^(.-)\r\n(.*)$"
	local code = (line or answer):match "HTTP/[%d%.]+%s+(%d+)%s+.*$"
	core.check(code, "assertion failed! no status line")
	header = recvheader or {}
	core.check(native.fields(fields or "", header), "Invalid HTTP response header")
	return tonumber(code), rest, header
end

-- Is there no body unless one is announced?
local function bodiless(code)
	return code == 204 or code == 304 or code < 200
end

local function is_chunked(header)
	local encoding = header["transfer-encoding"]
	if encoding and encoding ~= "identity" then
		core.check(encoding == "chunked", "Unsupport transfer-encoding")
		return true
	end
	return false
end

function internal.response(interface, code, rest, header)
	if is_chunked(header) then
		local body = internal.recvchunkedbody(interface.read, nil, header, rest)
		return core.check(body, "Invalid response body")
	end
	local length = internal.length(header)
	if length then
		return internal.fixedbody(interface.read, length, rest)
	elseif bodiless(code) then
		return ""
	end
	return rest .. (interface.readall() or "")
end

-- Answers piece by piece. A kind of body is a function of the stream that gives the next piece.

local stream = {}
stream.__index = stream
stream.__close = function(self)
	self:close()
end

function stream:close()
	local f = self._onclose
	if f then
		self._onclose = nil
		f(self)
	end
end

function stream:padding()
	if self.connected then
		return self:_reading(), self
	end
	self:close()
	return nil, self
end

stream.__call = stream.padding

local function fixed_stream(length)
	local first = true
	return function(self)
		local data = first and self._body or self._interface.read()
		first = false
		if #data >= length then
			data = data:sub(1, length)
			self.connected = nil
		end
		length = length - #data
		return data
	end
end

local function chunked_stream(self, rest)
	local read = self._interface.read
	local next_chunk = chunks(read, rest)
	return function()
		local chunk, after = next_chunk()
		if chunk and after then
			self.connected = nil
			if trailer(read, after, self.header) == false then
				chunk = nil
			end
		end
		if not chunk then
			self.connected = false
			self:close()
		end
		return chunk
	end
end

local function empty_stream(self)
	self.connected = nil
	return ""
end

local function endless_stream(self)
	local data = self._body
	if data then
		self._body = nil
		return data
	end
	return self._interface.read()
end

function internal.response_stream(interface, code, rest, header)
	local self = setmetatable({
		status = code,
		header = header,
		connected = true,
		_body = rest,
		_interface = interface,
	}, stream)
	local length = internal.length(header)
	if is_chunked(header) then
		self._reading = chunked_stream(self, rest)
	elseif length then
		self._reading = fixed_stream(length)
	elseif bodiless(code) then
		self._reading = empty_stream
	else
		self._reading = endless_stream
	end
	return self
end

return internal
