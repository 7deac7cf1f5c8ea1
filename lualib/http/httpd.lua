-- The server's side of HTTP: one request from a reading function, one answer to a writing one.
local core = require "skynet.core"
local native = require "skynet.http.core"
local internal = require "http.internal"
local reasons = require "skynet.http.reasons"
local sockethelper = require "http.sockethelper"

local httpd = {}

local TLS_HANDSHAKE <const> = 22 -- first byte of a TLS connection; both sides would wait for each other

local function read_request(readfn, limit)
	local first = readfn()
	core.check(first:byte() ~= TLS_HANDSHAKE, "a client that wants TLS has connected to a port without it")
	local head, rest = internal.head(readfn, first)
	if not head then
		return 413
	end
	local method, url, version, header = native.request(head)
	version = tonumber(version)
	core.check(version, "assertion failed! no request line")
	if version < 1.0 or version > 1.1 then
		return 505
	elseif not header then
		return 400
	end

	local encoding = header["transfer-encoding"]
	if encoding and encoding ~= "identity" then
		if encoding ~= "chunked" then
			return 501
		end
		local body, merged = internal.recvchunkedbody(readfn, limit, header, rest)
		if not body then
			return 413
		end
		return 200, url, method, merged, body
	end
	local length = internal.length(header)
	if not length then
		return 200, url, method, header, rest
	elseif limit and length > limit then
		return 413
	end
	return 200, url, method, header, internal.fixedbody(readfn, length, rest)
end

local function finish(ok, code, url, method, header, body)
	if ok then
		return code, url, method, header, body
	end
	return nil, code
end

function httpd.read_request(readfn, limit)
	return finish(pcall(read_request, readfn, limit))
end

local function write_chunks(write, body)
	write "transfer-encoding: chunked\r\n"
	while true do
		local data = body()
		if not data then
			return write "\r\n0\r\n\r\n"
		end
		core.check(type(data) == "string", "a body's function gives strings")
		if data ~= "" then
			write(("\r\n%x\r\n"):format(#data))
			write(data)
		end
	end
end

local function write_response(write, status, body, header)
	write(("HTTP/1.1 %03d %s\r\n"):format(status, reasons.original[status] or ""))
	for k, v in pairs(header or {}) do
		if type(v) == "table" then
			for _, item in ipairs(v) do
				write(("%s: %s\r\n"):format(k, tostring(item)))
			end
		else
			write(("%s: %s\r\n"):format(k, tostring(v)))
		end
	end
	local kind = type(body)
	if kind == "string" then
		write(("content-length: %d\r\n\r\n"):format(#body))
		write(body)
	elseif kind == "function" then
		write_chunks(write, body)
	else
		core.check(kind == "nil", "assertion failed! a body is a string, a function or nil")
		write "\r\n"
	end
end

-- To a socket of our own, an answer is written in as few pieces as can be: at the end, and before the body's function
-- is asked for more, since that may take its time.
local function gathered(write, status, body, header)
	local parts = {}
	local function flush()
		if parts[1] then
			local text = table.concat(parts)
			parts = {}
			write(text)
		end
	end
	if type(body) == "function" then
		local f = body
		body = function()
			flush()
			return f()
		end
	end
	local ok, why = pcall(write_response, function(data)
		parts[#parts + 1] = data
	end, status, body, header)
	flush()
	if not ok then
		error(why, 0)
	end
end

function httpd.write_response(write, status, body, header)
	local ok, why = pcall(sockethelper.sockets[write] and gathered or write_response, write, status, body, header)
	if ok then
		return true
	end
	return false, why
end

return httpd
