-- A server of HTTP/1.1: connections that stay, requests that wait in line, limits on all that strangers send.
--
-- Each connection has a coroutine, which reads a request, runs the handler, writes the answer, and goes on with what
-- the connection brings next. What may take only so long notes a deadline in the connection; one coroutine of the
-- service looks for those that have passed, and closes these connections, so that the others are woken.
local skynet = require "skynet"
local socket = require "skynet.socket"
local core = require "skynet.core"
local native = require "skynet.http.core"
local websocket = require "http.websocket"
local reasons = require "skynet.http.reasons"

local event, now = native.event, skynet.now

local DEFAULTS <const> = {
	headlimit = 16 << 10,
	bodylimit = 1 << 20,
	headtimeout = 1000,
	bodytimeout = 6000,
	idletimeout = 6000,
	writetimeout = 6000,
	maxclient = 10000,
}

local HIGH <const> = 256 << 10 -- bytes of output that may wait before the next ones are made
local LINGER <const> = 100 -- centiseconds that a refused client may still send, so that it reads why
local LINGER_BYTES <const> = 1 << 20
local SWEEP <const> = 20 -- centiseconds between looks at the deadlines

-- What a handler is raised when the request cannot be read: with a status to answer, or with none if nobody is there.
local Failure = {}
Failure.__index = Failure
Failure.__tostring = function(self)
	return self.text
end

local function fail(text, status)
	error(setmetatable({ text = text, status = status }, Failure))
end

-- Deadlines

local all = {} -- connections of this service
local sweeping = false

local function overdue(conn)
	local stage = conn.stage
	conn.deadline = nil
	conn.late = true
	if stage == "head" or stage == "body" then
		socket.write(conn.id, "HTTP/1.1 408 Request Time-out\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
	end
	if stage == "write" then
		socket.shutdown(conn.id)
	else
		skynet.fork(socket.close, conn.id)
	end
end

local function sweep()
	while next(all) do
		skynet.sleep(SWEEP)
		local time = now()
		local late = {}
		for conn in pairs(all) do
			if conn.deadline and conn.deadline < time then
				late[#late + 1] = conn
			end
		end
		for _, conn in ipairs(late) do
			overdue(conn)
		end
	end
	sweeping = false
end

local function limit(conn, stage, time)
	conn.stage, conn.deadline = stage, now() + time
end

-- Log lines: strangers cause only so many of them.

local lines, since, untold = 0, 0, 0

local function tell(conn, text)
	if now() - since > 1000 then
		if untold > 0 then
			skynet.error(("http: %d more lines about bad requests were left out"):format(untold))
		end
		lines, since, untold = 0, now(), 0
	end
	lines = lines + 1
	if lines > 20 then
		untold = untold + 1
	else
		skynet.error(("http: %s: %s"):format(conn.addr or conn.id, text))
	end
end

-- Writing

local function drain(conn)
	local id = conn.id
	local last = socket.pending(id)
	if not last or last <= HIGH then
		return
	end
	limit(conn, "write", conn.options.writetimeout)
	while last and last > HIGH and not conn.late do
		skynet.sleep(1)
		local left = socket.pending(id)
		if left and left < last then
			limit(conn, "write", conn.options.writetimeout)
		end
		last = left
	end
	conn.deadline = nil
end

local function write(conn, data)
	if conn.late or not socket.write(conn.id, data) then
		fail "the client has gone"
	end
end

local date, date_of -- the field, and the second that it is of

local function date_line()
	local time = skynet.time() // 1
	if time ~= date_of then
		date_of = time
		date = os.date("!date: %a, %d %b %Y %H:%M:%S GMT\r\n", time // 1 | 0)
	end
	return date
end

local function status_line(status)
	return ("HTTP/1.1 %03d %s"):format(status, reasons[status] or "")
end

local function connection_line(conn)
	if not conn.keep_alive then
		return "connection: close\r\n"
	end
	return conn.request.version == "1.0" and "connection: keep-alive\r\n" or ""
end

-- A body that comes from a function.
local function write_pieces(conn, status, body, header, silent)
	local length = header["content-length"] or header["Content-Length"]
	length = length and core.check(math.tointeger(tonumber(length)), "content-length is no number")
	local chunked = not length and conn.request.version == "1.1"
	if not (length or chunked) then
		conn.keep_alive = false -- its end is the end of the connection
	end
	local framing = length and ("content-length: %d\r\n"):format(length)
		or chunked and "transfer-encoding: chunked\r\n" or ""
	write(conn, native.head(status_line(status), header, date_line() .. framing .. connection_line(conn)))
	conn.begun = true
	if silent then
		return
	end
	local sent = 0
	while true do
		local data = body()
		if data == nil then
			break
		end
		core.check(type(data) == "string", "a body's function gives strings")
		sent = sent + #data
		if length and sent > length then
			core.raise(("the body has more than the %d bytes that its header says"):format(length))
		elseif data ~= "" then
			write(conn, chunked and ("%x\r\n%s\r\n"):format(#data, data) or data)
			drain(conn)
		end
	end
	if chunked then
		write(conn, "0\r\n\r\n")
	elseif length and sent < length then
		core.raise(("the body has %d of the %d bytes that its header says"):format(sent, length))
	end
end

local function write_answer(conn, status, body, header)
	status = core.check(math.tointeger(status or 200), "a handler returns a status, a body and a header")
	local kind = type(body)
	local bodiless = status == 204 or status == 304
	if kind == "function" and not bodiless then
		return write_pieces(conn, status, body, header or {}, conn.request.method == "HEAD")
	end
	core.check(kind == "string" or kind == "nil" or bodiless, "a body is a string, a function or nil")
	local framing = bodiless and "" or ("content-length: %d\r\n"):format(body and #body or 0)
	if bodiless or conn.request.method == "HEAD" then
		body = nil
	end
	write(conn, native.head(status_line(status), header, date_line() .. framing .. connection_line(conn), body))
end

-- Refuses what cannot be read, or what failed, and ends the connection.
local function refuse(conn, status)
	conn.keep_alive = false
	local text = reasons[status] or ""
	local more = ("content-length: %d\r\nconnection: close\r\n"):format(#text)
	if not socket.write(conn.id, native.head(status_line(status), nil, more, text)) then
		return
	end
	-- A socket that is closed with something unread takes the answer with it.
	limit(conn, "linger", LINGER)
	local bytes = 0
	while bytes < LINGER_BYTES do
		local data = socket.read(conn.id)
		if not data then
			return
		end
		bytes = bytes + #data
	end
end

-- Reading

-- The next thing that comes; nothing at the end of the connection.
local function receive(conn, kind, ...)
	while kind == nil do
		local data = socket.read(conn.id)
		if not data then
			return
		end
		if conn.stage == "idle" then
			limit(conn, "head", conn.options.headtimeout)
		end
		return receive(conn, event(conn.reader, data))
	end
	return kind, ...
end

local request = {}
request.__index = request

function request:read()
	local conn = self.conn
	if self.complete then
		return
	end
	if self.expects_continue then
		self.expects_continue = nil
		write(conn, "HTTP/1.1 100 Continue\r\n\r\n")
	end
	if not self.begun then
		self.begun = true
		self.deadline = now() + conn.options.bodytimeout
	end
	conn.stage, conn.deadline = "body", self.deadline
	local kind, data, status = receive(conn, event(conn.reader))
	conn.deadline = nil
	if kind == "data" then
		return data
	elseif kind == "end" then
		self.complete = true
		return
	elseif kind == nil then
		conn.keep_alive = false
		fail(conn.late and "the body takes too long" or "the client has gone")
	end
	tell(conn, data)
	fail(data, status)
end

function request:body()
	local parts = self.parts
	if not parts then
		parts = {}
		self.parts = parts
		for data in self.read, self do
			parts[#parts + 1] = data
		end
		parts = { table.concat(parts) }
		self.parts = parts
	end
	return parts[1]
end

function request:websocket(handle, options)
	local conn = self.conn
	core.check(not self.upgraded, "this request was upgraded before")
	core.check(self.complete, "a request with a body cannot become a websocket")
	self.upgraded = true
	conn.deadline = nil
	local all_options = { strict = true }
	for k, v in pairs(options or {}) do
		all_options[k] = v
	end
	all_options.upgrade = {
		header = self.header,
		method = self.method,
		url = self.url,
		rest = native.rest(conn.reader),
	}
	return websocket.accept(self.id, handle, "ws", self.addr, all_options)
end

-- A path with its escapes replaced; nothing if they are none.
local function plain_path(path)
	if not path:find("%", 1, true) then
		return path
	end
	local ok, text = pcall(native.unescape, (path:gsub("%+", "%%2B")))
	return ok and text or nil
end

local function new_request(conn, method, target, header, minor, body, expects_continue)
	local path, query = target:gsub("^%a+://[^/?]*", ""):match "^([^?]*)%??(.*)$"
	return setmetatable({
		conn = conn,
		id = conn.id,
		addr = conn.addr,
		method = method,
		url = target,
		path = plain_path(path),
		query = query,
		header = header,
		version = minor == 1 and "1.1" or "1.0",
		complete = not body,
		expects_continue = expects_continue,
	}, request)
end

-- Reads what a handler has left of a body, so that the next request can be found; not for ever.
local function skip_body(conn, self)
	if self.complete then
		return true
	elseif self.expects_continue then
		return false -- the client has not sent it, and may or may not do so
	end
	local bytes = 0
	while bytes < HIGH do
		local data = self:read()
		if not data then
			return true
		end
		bytes = bytes + #data
	end
	return false
end

local function answer(conn, self)
	local ok, status, body, header = xpcall(conn.options.handler, function(why)
		return type(why) == "string" and debug.traceback(why, 2) or why
	end, self)
	if self.upgraded then
		conn.keep_alive = false
		return
	elseif ok then
		if conn.options.closing() or self.close then
			conn.keep_alive = false
		end
		ok, status = pcall(write_answer, conn, status, body, header)
	end
	if ok then
		return
	end
	conn.keep_alive = false
	if getmetatable(status) == Failure then
		if status.status and not conn.begun then
			refuse(conn, status.status)
		end
		return
	end
	skynet.error(("http: %s %s: %s"):format(self.method, self.url, status))
	if not conn.begun then
		refuse(conn, 500)
	end
	-- An answer that is cut off must not look like a whole one: it ends without its last chunk, or its last bytes.
end

local function serve_one(conn, first)
	local options = conn.options
	limit(conn, "idle", first and options.headtimeout or options.idletimeout)
	local kind, method, target, header, minor, keep_alive, body, expects = receive(conn, event(conn.reader))
	conn.stage, conn.deadline = nil, nil
	if kind == nil then
		if conn.late and not native.idle(conn.reader) then
			tell(conn, "a request takes too long")
		end
		return false
	elseif not kind then
		local text, status = method, target
		tell(conn, text)
		refuse(conn, status)
		return false
	end
	conn.keep_alive, conn.busy, conn.begun = keep_alive, true, nil
	local self = new_request(conn, method, target, header, minor, body, expects)
	conn.request = self
	if not self.path then
		refuse(conn, 400)
		return false
	end
	answer(conn, self)
	conn.busy = false
	if not conn.keep_alive or conn.late then
		return false
	end
	local ok, skipped = pcall(skip_body, conn, self)
	drain(conn)
	return ok and skipped and not options.closing()
end

local function run(conn)
	if conn.options.tls then
		local ok, why = socket.tls(conn.id, conn.options.tls)
		if not ok then
			return tell(conn, why)
		end
	end
	conn.reader = native.requests(conn.options.headlimit, conn.options.bodylimit or nil)
	local first = true
	while serve_one(conn, first) do
		first = false
	end
end

local server = {}

local function complete(options)
	core.check(type(options) == "table" and type(options.handler) == "function",
		"a server has options, of which one is the handler, a function")
	local all_options = { closing = function() return false end }
	for k, v in pairs(DEFAULTS) do
		all_options[k] = v
	end
	for k, v in pairs(options) do
		all_options[k] = v
	end
	if options.tls then
		all_options.tls = { role = "server" }
		for k, v in pairs(options.tls) do
			all_options.tls[k] = v
		end
	end
	return all_options
end

local function serve(id, addr, options)
	local ok, why = socket.start(id)
	if not ok then
		return false, why
	end
	local conn = { id = id, addr = addr, options = options }
	all[conn] = true
	if options.clients then
		options.clients[conn] = true
	end
	if not sweeping then
		sweeping = true
		skynet.fork(sweep)
	end
	socket.warning(id, function() end) -- whoever does not read is waited for
	ok, why = xpcall(run, debug.traceback, conn)
	all[conn] = nil
	if options.clients then
		options.clients[conn] = nil
	end
	socket.close(id)
	if not ok then
		tell(conn, why)
		return false, why
	end
	return true
end

function server.serve(id, addr, options)
	return serve(id, addr, complete(options))
end

-- A server that listens.

local Listener = {}
Listener.__index = Listener

function Listener:count()
	local n = 0
	for _ in pairs(self.clients) do
		n = n + 1
	end
	return n
end

function Listener:close(timeout)
	if not self.closed then
		self.closed = true
		socket.close(self.listener)
	end
	for conn in pairs(self.clients) do
		if not conn.busy then
			skynet.fork(socket.close, conn.id)
		end
	end
	local until_when = now() + (timeout or 500)
	while next(self.clients) and now() < until_when do
		skynet.sleep(2)
	end
	local left = self:count()
	for conn in pairs(self.clients) do
		conn.late = true
		socket.shutdown(conn.id)
	end
	return left
end

local BUSY <const> = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

function server.listen(options)
	options = complete(options)
	local self = setmetatable({ clients = setmetatable({}, { __mode = "k" }), closed = false }, Listener)
	options.clients = self.clients
	options.closing = function()
		return self.closed
	end
	local id, address, port = socket.listen(options.address or "0.0.0.0", options.port or 0, options.backlog)
	core.check(id, address)
	self.listener, self.address, self.port = id, address, port
	local count = 0
	socket.start(id, function(new, addr)
		if count >= options.maxclient then
			skynet.fork(function()
				if socket.start(new) then
					socket.write(new, BUSY)
					socket.close(new)
				end
			end)
			return
		end
		count = count + 1
		skynet.fork(function()
			serve(new, addr, options)
			count = count - 1
		end)
	end)
	return self
end

return server
