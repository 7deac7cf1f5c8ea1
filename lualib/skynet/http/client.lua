-- A client of HTTP/1.1: connections are used again, and everything has a limit.
--
-- A request has one deadline for all that it does, redirects included: a timer that closes the connection which the
-- request is using at that moment. Who reads an answer that has no end gives it another one as it goes on.
local skynet = require "skynet"
local socket = require "skynet.socket"
local core = require "skynet.core"
local native = require "skynet.http.core"

local event, now = native.event, skynet.now

local DEFAULTS <const> = {
	timeout = 3000,
	idletimeout = 3000,
	maxidle = 8,
	headlimit = 64 << 10,
	bodylimit = 16 << 20,
	redirects = 5,
	decompress = true,
}

local PORTS <const> = { http = 80, https = 443 }
local REPEATABLE <const> = { GET = true, HEAD = true, PUT = true, DELETE = true, OPTIONS = true, TRACE = true }
local HIGH <const> = 256 << 10 -- bytes of output that may wait before more is asked for

-- Errors are texts; they say which request failed.
local function fail(job, text)
	error(("%s %s: %s"):format(job.method, job.shown, text), 0)
end

-- Urls

local function split_authority(text)
	local host, port = text:match "^(%[[%x:%.]+%]):?(%d*)$"
	if not host then
		host, port = text:match "^([^:%[%]@]+):?(%d*)$"
	end
	return host, tonumber(port)
end

local function parse_url(text)
	local scheme, authority, target = text:match "^(%a+)://([^/?#]+)([^#]*)"
	scheme = scheme and scheme:lower()
	if not PORTS[scheme] then
		return nil, "its url is none of http or https"
	end
	local host, port = split_authority(authority)
	if not host or port and port > 65535 then
		return nil, "its url has no host that can be read"
	end
	if target:sub(1, 1) ~= "/" then
		target = "/" .. target
	end
	return {
		scheme = scheme,
		host = host:match "^%[(.*)%]$" or host,
		port = port or PORTS[scheme],
		authority = authority,
		target = target:gsub("[%c ]", function(c) return ("%%%02X"):format(c:byte()) end),
	}
end

-- Where a redirect leads.
local function resolve(location, from)
	if location:find "^%a+://" then
		return parse_url(location)
	elseif location:find "^//" then
		return parse_url(from.scheme .. ":" .. location)
	end
	local base = ("%s://%s"):format(from.scheme, from.authority)
	if location:sub(1, 1) ~= "/" then
		base = base .. from.target:match("^[^?]*"):gsub("[^/]*$", "")
	end
	return parse_url(base .. location)
end

-- The deadline of a request, in centiseconds from now; false: none.
local function set_deadline(job, cs)
	if job.timer then
		job.timer:cancel()
		job.timer = nil
	end
	if cs then
		job.timer = skynet.timer(cs * 10, function()
			job.late, job.timer = true, nil
			if job.socket then
				socket.close(job.socket)
			end
		end)
	end
end

-- Connections. Those that wait for a request are in the client's `idle`, by where they lead to.

local function discard(conn)
	if not conn.closed then
		conn.closed = true
		skynet.fork(socket.close, conn.id)
	end
end

local function open(self, job, url)
	local id, why = socket.open(url.host, url.port, function(begun)
		job.socket = begun
	end)
	if job.late then
		if id then
			socket.close(id)
		end
		fail(job, "it takes too long")
	elseif not id then
		fail(job, ("no connection with %s:%d: %s"):format(url.host, url.port, why))
	end
	if url.scheme == "https" then
		local options = { name = url.host }
		for k, v in pairs(self.tls or {}) do
			options[k] = v
		end
		local ok, done, reason = pcall(socket.tls, id, options)
		if not ok or not done then
			socket.close(id)
			fail(job, job.late and "it takes too long" or tostring(ok and reason or done))
		end
	end
	return { id = id, reader = native.answers(self.headlimit, self.bodylimit or nil), used = 0 }
end

local function take(self, key)
	local list = self.idle[key]
	while list and list[1] do
		local conn = table.remove(list)
		if now() - conn.since < self.idletimeout and not socket.disconnected(conn.id) then
			return conn
		end
		discard(conn)
	end
end

local function expire(self)
	while next(self.idle) do
		skynet.sleep(100)
		for key, list in pairs(self.idle) do
			while list[1] and (now() - list[1].since >= self.idletimeout or socket.disconnected(list[1].id)) do
				discard(table.remove(list, 1))
			end
			if not list[1] then
				self.idle[key] = nil
			end
		end
	end
	self.expiring = false
end

local function keep(self, key, conn)
	local list = self.idle[key] or {}
	if self.closed or #list >= self.maxidle then
		return discard(conn)
	end
	self.idle[key] = list
	conn.since = now()
	list[#list + 1] = conn
	if not self.expiring then
		self.expiring = true
		skynet.fork(expire, self)
	end
end

-- Writing a request

local function request_head(job, url)
	local header = job.header
	local more = { header.host and "" or header.Host and "" or ("host: %s\r\n"):format(url.authority) }
	local body = job.body
	if type(body) == "function" then
		local length = job.length
		more[2] = length and ("content-length: %d\r\n"):format(length) or "transfer-encoding: chunked\r\n"
	elseif body or job.method == "POST" or job.method == "PUT" or job.method == "PATCH" then
		more[2] = ("content-length: %d\r\n"):format(body and #body or 0)
	end
	if job.accepts_encoding then
		more[#more + 1] = "accept-encoding: gzip, deflate\r\n"
	end
	local first = ("%s %s HTTP/1.1"):format(job.method, url.target)
	return native.head(first, header, table.concat(more), type(body) == "string" and body or nil)
end

local function write_request(job, conn, url)
	local id = conn.id
	local sent = socket.write(id, request_head(job, url))
	if type(job.body) ~= "function" or not sent then
		return sent
	end
	job.streamed = true -- it cannot be sent again
	for data in job.body do
		if data ~= "" then
			sent = socket.write(id, job.length and data or ("%x\r\n%s\r\n"):format(#data, data))
		end
		while sent and (socket.pending(id) or 0) > HIGH do
			skynet.sleep(1)
		end
		if not sent or job.late then
			return false
		end
	end
	return job.length and sent or socket.write(id, "0\r\n\r\n")
end

-- Reading an answer

local function receive(conn, kind, ...)
	while kind == nil do
		if conn.over then
			return
		end
		local data = socket.read(conn.id)
		if not data then
			conn.over = true
			native.ended(conn.reader)
			return receive(conn, event(conn.reader))
		end
		conn.heard = true
		return receive(conn, event(conn.reader, data))
	end
	return kind, ...
end

local answer = {}
answer.__index = answer

function answer:close()
	if self.conn then
		discard(self.conn)
		self:release()
	end
end

answer.__close = answer.close

function answer:extend(cs)
	if self.conn then
		set_deadline(self.job, cs)
	end
end

-- The connection goes to a request that waits for one, or is closed.
function answer:release()
	local conn, job = self.conn, self.job
	self.conn = nil
	set_deadline(job, false)
	if conn and not conn.closed then
		if self.keep_alive and not job.late then
			keep(job.client, job.key, conn)
		else
			discard(conn)
		end
	end
end

local function broken(self, text)
	local job = self.job
	self:close()
	fail(job, job.late and "it takes too long" or text)
end

-- The next piece as it came.
local function raw_piece(self)
	local conn = self.conn
	if not conn then
		return
	end
	local kind, data = receive(conn, event(conn.reader))
	if kind == "data" then
		return data
	elseif kind == "end" then
		self:release()
		return
	end
	broken(self, data or "the connection has ended in the middle of the answer")
end

function answer:read()
	local inflater = self.inflater
	while true do
		local data = raw_piece(self)
		if not inflater then
			return data
		elseif not data then
			self.inflater = nil
			if not self.inflated then
				broken(self, "the compressed body ends too early")
			end
			return
		end
		local text, over = native.inflate(inflater, data)
		if not text then
			broken(self, over)
		end
		self.inflated = over
		if text ~= "" then
			return text
		end
	end
end

local function read_all(self)
	local parts = {}
	for data in self.read, self do
		parts[#parts + 1] = data
	end
	return table.concat(parts)
end

-- The head of the final answer; nothing if the connection has ended before it, as idle ones may.
local function read_head(job, conn)
	native.bodiless(conn.reader, job.method == "HEAD")
	local interim = 0
	while true do
		local kind, status, _, header, _, keep_alive, body = receive(conn, event(conn.reader))
		if kind == nil then
			return
		elseif not kind then
			return nil, status
		elseif status >= 200 or status == 101 then
			return setmetatable({
				job = job,
				conn = conn,
				status = status,
				header = header,
				keep_alive = keep_alive and status ~= 101,
				has_body = body,
			}, answer)
		end
		interim = interim + 1
		if interim > 16 then
			return nil, "too many answers of 1xx"
		end
	end
end

local function exchange(self, job, url)
	job.key = ("%s %s %d"):format(url.scheme, url.host, url.port)
	local conn = take(self, job.key)
	local used = conn
	while true do
		conn = conn or open(self, job, url)
		job.socket, conn.heard = conn.id, false
		local written, text = write_request(job, conn, url), nil
		local got
		if written then
			got, text = read_head(job, conn)
		end
		if got then
			return got
		end
		discard(conn)
		if job.late then
			fail(job, "it takes too long")
		end
		-- A connection that waited may have been closed by the server at this very moment.
		local again = used and not conn.heard and not job.streamed and REPEATABLE[job.method]
		if not again then
			fail(job, text or "the connection has ended before the answer")
		end
		conn, used = nil, nil
	end
end

-- Redirects

local function lower_keys(header)
	local names = {}
	for k in pairs(header) do
		names[k:lower()] = k
	end
	return names
end

local function without(header, ...)
	local copy, names = {}, lower_keys(header)
	for k, v in pairs(header) do
		copy[k] = v
	end
	for _, name in ipairs { ... } do
		if names[name] then
			copy[names[name]] = nil
		end
	end
	return copy
end

-- Changes the request into the one that an answer asks for; where to, or nothing.
local function follow(job, got, url)
	local location = got.header.location
	local status = got.status
	local moved = status == 301 or status == 302 or status == 303 or status == 307 or status == 308
	if not moved or type(location) ~= "string" or job.redirects <= 0 then
		return
	end
	if (status == 307 or status == 308) and job.streamed then
		return -- its body is gone
	end
	local to, why = resolve(location, url)
	if not to then
		fail(job, "a redirect to where nobody can go: " .. why)
	elseif url.scheme == "https" and to.scheme == "http" then
		fail(job, "a redirect from https to http")
	end
	job.redirects = job.redirects - 1
	if status == 303 and job.method ~= "HEAD" or status < 303 and job.method == "POST" then
		job.method, job.body = "GET", nil
		job.header = without(job.header, "content-type", "content-encoding")
	end
	if to.host ~= url.host or to.port ~= url.port or to.scheme ~= url.scheme then
		job.header = without(job.header, "authorization", "cookie", "host")
	end
	return to
end

-- Small bodies of redirects are read, so that the connection can be used again.
local function pass_over(got)
	if not got.has_body then
		return got:release()
	end
	local bytes = 0
	while got.conn and bytes < HIGH do
		local data = raw_piece(got)
		bytes = bytes + #(data or "")
	end
	got:close()
end

local function decode(job, got)
	local encoding = got.header["content-encoding"]
	if not (job.accepts_encoding and got.has_body and type(encoding) == "string" and encoding ~= "identity") then
		return
	end
	local inflater = native.inflater(encoding, job.client.bodylimit or nil)
	if not inflater then
		broken(got, "its content encoding is not known: " .. encoding)
	end
	got.inflater = inflater
	got.header["content-encoding"] = nil
	got.header["content-length"] = nil
end

local function run(self, job, url)
	while true do
		local got = exchange(self, job, url)
		local to = follow(job, got, url)
		if not to then
			decode(job, got)
			got.url = ("%s://%s%s"):format(url.scheme, url.authority, url.target)
			if not got.has_body then
				got:release()
			end
			return got
		end
		pass_over(got)
		url = to
	end
end

local Client = {}
Client.__index = Client

local function new_job(self, options)
	core.check(type(options) == "table" and type(options.url) == "string", "a request has an url")
	core.check(not self.closed, "this client is closed")
	local header = {}
	for _, list in ipairs { self.header or {}, options.header or {} } do
		for k, v in pairs(list) do
			core.check(type(k) == "string", "the name of a header's field is a string")
			header[k] = v
		end
	end
	local decompress = options.decompress
	if decompress == nil then
		decompress = self.decompress
	end
	local method = options.method or (options.body and "POST" or "GET")
	core.check(method:find "^[%w!#$%%&'*+.^_`|~-]+$", "a method is a word")
	return {
		client = self,
		method = method,
		shown = options.url:sub(1, 200):gsub("[%c]", "?"),
		header = header,
		body = options.body,
		length = options.length,
		redirects = options.redirects or self.redirects,
		accepts_encoding = decompress and not lower_keys(header)["accept-encoding"],
	}
end

function Client:request(options)
	local job = new_job(self, options)
	local url, why = parse_url(options.url)
	if not url then
		fail(job, why)
	end
	local timeout = options.timeout
	if timeout == nil then
		timeout = self.timeout
	end
	set_deadline(job, timeout)
	local ok, got = pcall(run, self, job, url)
	if ok and not options.stream then
		local all
		ok, all = pcall(got.has_body and read_all or function() return "" end, got)
		if ok then
			got.body = all
		else
			got = all
		end
	end
	if not ok then
		set_deadline(job, false)
		error(got, 0)
	end
	return got
end

local function with(options, url, method, body)
	local all = { url = url, method = method, body = body }
	for k, v in pairs(options or {}) do
		all[k] = v
	end
	return all
end

function Client:get(url, options)
	return self:request(with(options, url, "GET"))
end

function Client:post(url, body, options)
	return self:request(with(options, url, "POST", body or ""))
end

function Client:close()
	self.closed = true
	for key, list in pairs(self.idle) do
		for _, conn in ipairs(list) do
			discard(conn)
		end
		self.idle[key] = nil
	end
end

local client = {}

function client.new(options)
	local self = setmetatable({ idle = {} }, Client)
	for k, v in pairs(DEFAULTS) do
		self[k] = v
	end
	for k, v in pairs(options or {}) do
		self[k] = v
	end
	return self
end

return client
