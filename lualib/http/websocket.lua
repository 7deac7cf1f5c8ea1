-- Websockets, both roles. A connection is known by its socket's id; those of a service are in `connections`.
--
-- Frames are made and taken apart by the native half, with whatever bytes have come from the socket: reading a message
-- costs one read of the socket, however many frames came with it.
local skynet = require "skynet"
local socket = require "skynet.socket"
local driver = require "skynet.socketdriver"
local core = require "skynet.core"
local crypt = require "skynet.crypt"
local native = require "skynet.http.core"
local internal = require "http.internal"
local httpd = require "http.httpd"
local sockethelper = require "http.sockethelper"

local websocket = {}

local GUID <const> = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
local SERVER_LIMIT <const> = 256 * 1024
local EXPANDED_LIMIT <const> = 16 << 20 -- of what a client gets, if it may be compressed
local OPCODE <const> = { text = 1, binary = 2 }
local CLOSE <const>, PING <const>, PONG <const> = 8, 9, 10

local socket_error = sockethelper.socket_error

local connections = {}

local function known(id)
	return connections[id] or core.raise(("assertion failed! no websocket %s in this service"):format(id))
end

-- Connections

local tls_contexts = {} -- of servers and clients of this service

local function tls_context(role)
	local context = tls_contexts[role]
	if not context then
		context = require "http.tlshelper".newctx()
		if role == "server" then
			local certificate = skynet.getenv "certfile" or "./server-cert.pem"
			local key = skynet.getenv "keyfile" or "./server-key.pem"
			context:set_cert(certificate, key)
		end
		tls_contexts[role] = context
	end
	return context
end

local function begin_tls(id, role, options, name)
	local all = { role = role, name = name }
	for k, v in pairs(options) do
		all[k] = v
	end
	local ok, why = socket.tls(id, all)
	if not ok then
		socket.close(id)
	end
	return ok, why
end

-- A record: reading and writing functions of its socket, and what is said of the peer. Nil and why, if there is no
-- handshake by `options.tls`; the one of the original raises.
local function new_connection(id, role, protocol, addr, hostname, options)
	local self = { id = id, mode = role, addr = addr, protocol = protocol }
	if protocol == "wss" and options.tls then
		local ok, why = begin_tls(id, role, options.tls, hostname)
		if not ok then
			return nil, why
		end
		self.read = sockethelper.readfunc(id)
		self.write = sockethelper.writefunc(id)
	elseif protocol == "ws" then
		self.read = sockethelper.readfunc(id)
		self.write = sockethelper.writefunc(id)
	elseif protocol == "wss" then
		local helper = require "http.tlshelper"
		local tls = helper.newtls(role, tls_context(role), hostname)
		if role == "server" then
			helper.init_responsefunc(id, tls)()
		else
			helper.init_requestfunc(id, tls)(hostname)
		end
		self.read = helper.readfunc(id, tls)
		self.write = helper.writefunc(id, tls)
		self.release = helper.closefunc(tls)
	else
		core.raise("invalid websocket protocol:" .. tostring(protocol))
	end
	return self
end

local function new_reader(self, options, limit)
	self.deflate = options.deflate and self.deflate_agreed or false
	self.mask = options.mask
	limit = options.limit or limit or self.deflate and EXPANDED_LIMIT or nil
	self.reader = native.reader(self.mode == "server", limit, options.strict, self.deflate)
end

-- Ends a connection; of several coroutines that close it, the first one does it.
local function release(self)
	if self.closed then
		return
	end
	self.closed = true
	if connections[self.id] == self then
		connections[self.id] = nil
	end
	socket.close(self.id)
	if self.release then
		self.release()
	end
end

local function send(self, opcode, data, mask)
	if mask == nil then
		mask = self.mask
	end
	local compress = self.deflate and opcode < CLOSE and #data > 64
	self.write(native.frame(opcode, data, mask, compress))
end

local function close_payload(code, reason)
	return code and string.pack(">I2", code) .. (reason or "") or ""
end

-- A close frame to somebody who may be gone already. Its peer is to answer it: a connection that is closed before that
-- would be reset, which peers such as browsers take for an end without a close frame.
local function say_close(self, code, reason)
	driver.linger(self.id)
	local ok, why = pcall(send, self, CLOSE, close_payload(code, reason))
	if not ok then
		skynet.error(("websocket %d: no close frame: %s"):format(self.id, why))
	end
end

-- The next message or control frame; raises when the connection is lost or its frames are wrong.
local function receive(self)
	local kind, data, code = native.message(self.reader)
	while kind == nil do
		kind, data, code = native.message(self.reader, self.read())
	end
	if kind then
		return kind, data
	end
	if self.strict then
		say_close(self, code, data)
	end
	error(data)
end

-- Extensions. Messages are compressed each by itself, so that a connection keeps no memory for it.

local DEFLATE_ANSWER <const> = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

-- Has one of the parameters a value that is not supported here?
local function acceptable(params)
	for name, value in params:gmatch ";%s*([%w_]+)%s*=?%s*\"?(%w*)\"?" do
		local window = name == "server_max_window_bits" and value ~= "15"
		local unknown = not (name:find "^%a+_no_context_takeover$" or name:find "^%a+_max_window_bits$")
		if window or unknown then
			return false
		end
	end
	return true
end

local function offers_deflate(header)
	local text = header["sec-websocket-extensions"]
	text = type(text) == "table" and table.concat(text, ",") or text or ""
	for offer in text:gmatch "[^,]+" do
		local name, params = offer:match "^%s*([%w%-]+)%s*(.*)$"
		if name == "permessage-deflate" and acceptable(params) then
			return true
		end
	end
	return false
end

-- The server's side

local function accept_key(key)
	return crypt.base64encode(crypt.sha1(key .. GUID))
end

local function lower(text)
	return type(text) == "string" and text:lower() or ""
end

local function names_chat(text)
	text = type(text) == "table" and table.concat(text, ",") or text
	for word in text:gmatch "[^%s,]+" do
		if word == "chat" then
			return true
		end
	end
	return false
end

-- Why a request is no handshake: a code and a text for the answer.
local function refuse(header)
	if lower(header.upgrade) ~= "websocket" then
		return 426, "Upgrade Required"
	elseif not header.host then
		return 400, "host Required"
	elseif not lower(header.connection):find("upgrade", 1, true) then
		return 400, "Connection must Upgrade"
	end
	local key = header["sec-websocket-key"]
	if type(key) ~= "string" then
		return 400, "Sec-WebSocket-Key Required"
	elseif #crypt.base64decode(key) ~= 16 then
		return 400, "Sec-WebSocket-Key invalid"
	elseif header["sec-websocket-version"] ~= "13" then
		return 400, "Sec-WebSocket-Version must 13"
	end
	local wanted = header["sec-websocket-protocol"]
	if wanted and not names_chat(wanted) then
		return 400, "Sec-WebSocket-Protocol need include chat"
	end
end

-- The request of a handshake from the connection: its header and url, or a code and a text for the answer.
local function read_request(self)
	local first = self.read()
	core.check(first:byte() ~= 22 or self.protocol == "wss",
		"a client that wants TLS has connected to a websocket without it")
	local head, rest = internal.head(self.read, first)
	if not head then
		return nil, 413
	end
	local method, url, version, header = native.request(head)
	version = tonumber(version)
	core.check(version, "assertion failed! no request line")
	if method ~= "GET" then
		return nil, 400, "need GET method"
	elseif version < 1.1 then
		return nil, 505
	elseif not header then
		return nil, 400
	end
	self.early = rest
	return header, url
end

-- The handshake; false if it was refused.
local function shake_hands(self, handle, options)
	local header, url, text
	if options.upgrade then
		header, url = options.upgrade.header, options.upgrade.url
		self.early = options.upgrade.rest or ""
		if not header then
			url = 400
		end
	else
		header, url, text = read_request(self)
	end
	local code = not header and url
	if header then
		code, text = refuse(header)
	end
	if code then
		httpd.write_response(self.write, code, text)
		return false
	end

	local answer = {
		"HTTP/1.1 101 Switching Protocols",
		"Upgrade: websocket",
		"Connection: Upgrade",
		"Sec-WebSocket-Accept: " .. accept_key(header["sec-websocket-key"]),
	}
	if header["sec-websocket-protocol"] then
		answer[#answer + 1] = "Sec-WebSocket-Protocol: chat"
	end
	self.deflate_agreed = options.deflate and offers_deflate(header)
	if self.deflate_agreed then
		answer[#answer + 1] = "Sec-WebSocket-Extensions: " .. DEFLATE_ANSWER
	end
	self.write(table.concat(answer, "\r\n") .. "\r\n\r\n")
	self.real_ip = header["x-real-ip"]
	new_reader(self, options, SERVER_LIMIT)
	if handle.handshake then
		handle.handshake(self.id, header, url)
	end
	return true
end

local function call(f, ...)
	if f then
		f(...)
	end
end

-- Reads frames until the end: true with code and reason, if the peer has closed.
local function serve_frames(self, handle)
	local id = self.id
	if self.early ~= "" then
		-- Put first, whatever of them is a whole frame.
		local early = self.early
		local read = self.read
		self.read = function()
			self.read = read
			return early
		end
	end
	self.early = nil
	while not self.closed do
		local kind, data = receive(self)
		if kind == "ping" then
			send(self, PONG, data)
			call(handle.ping, id)
		elseif kind == "pong" then
			call(handle.pong, id)
		elseif kind == "close" then
			if self.strict then
				say_close(self, #data >= 2 and string.unpack(">I2", data) or nil)
			else
				say_close(self)
			end
			local code, reason
			if #data > 2 then
				code, reason = string.unpack(">I2", data), data:sub(3)
			end
			call(handle.close, id, code, reason)
			return
		else
			call(handle.message, id, data, kind)
		end
	end
	call(handle.close, id)
end

local function serve(self, handle, options)
	call(handle.connect, self.id)
	if shake_hands(self, handle, options) then
		serve_frames(self, handle)
	else
		call(handle.close, self.id)
	end
end

local function with_traceback(why)
	if type(why) == "string" then
		return debug.traceback(why, 2)
	end
	return why
end

function websocket.accept(id, handle, protocol, addr, options)
	handle, options = handle or {}, options or {}
	if not options.upgrade then
		local ok, why = socket.start(id)
		if not ok then
			return false, why
		end
	end
	local self, no_tls = new_connection(id, "server", protocol or "ws", addr, nil, options)
	if not self then
		return false, no_tls
	end
	self.strict = options.strict
	if handle.warning then
		if socket.invalid(id) then
			return false, ("connect is closed %d"):format(id)
		end
		socket.warning(id, function(_, kb)
			handle.warning(self, kb)
		end)
	end
	connections[id] = self
	local ok, why = xpcall(serve, with_traceback, self, handle, options)
	local closed = self.closed
	release(self)
	if ok then
		return true
	elseif closed and type(why) ~= "string" then
		call(handle.close, id)
		return true
	elseif why == socket_error then
		call(handle.error, id, why)
		return true
	end
	return false, why
end

-- The client's side

local function check_answer(code, rest, answer, key)
	core.check(code == 101, ("websocket handshake error: code[%s] info:%s"):format(code, rest))
	core.check(lower(answer.upgrade) == "websocket", "websocket handshake upgrade must websocket")
	core.check(lower(answer.connection) == "upgrade", "websocket handshake connection must upgrade")
	local accept = core.check(answer["sec-websocket-accept"], "websocket handshake need Sec-WebSocket-Accept")
	core.check(accept == accept_key(key), "websocket handshake invalid Sec-WebSocket-Accept")
end

local function check_extensions(self, answer, options)
	local extensions = answer["sec-websocket-extensions"]
	if not extensions then
		return
	end
	core.check(options.deflate and type(extensions) == "string" and extensions:find "^permessage%-deflate"
		and extensions:find("server_no_context_takeover", 1, true),
		"websocket handshake: the server has chosen an extension that was not offered")
	self.deflate_agreed = true
end

local function ask_for_websocket(self, host, path, header, options)
	local key = crypt.base64encode(crypt.randombytes(16))
	local request = {
		Upgrade = "websocket",
		Connection = "Upgrade",
		["Sec-WebSocket-Version"] = 13,
		["Sec-WebSocket-Key"] = key,
	}
	for k, v in pairs(header or {}) do
		if request[k] ~= nil then
			error(k)
		end
		request[k] = v
	end
	if options.deflate then
		request["Sec-WebSocket-Extensions"] = DEFLATE_ANSWER
	end
	local code, rest, answer = internal.request(self, "GET", host, path, nil, request)
	check_answer(code, rest, answer, key)
	check_extensions(self, answer, options)
	new_reader(self, options)
	self.strict = options.strict
	if rest ~= "" then
		local read = self.read
		self.read = function()
			self.read = read
			return rest
		end
	end
end

function websocket.connect(url, header, timeout, options)
	options = options or {}
	local protocol, address, path = url:match "^(wss?)://([^/]+)(.*)$"
	if not protocol then
		core.raise("invalid protocol: " .. tostring(protocol))
	end
	local host, port = address:match "^([^:]+):?(%d*)$"
	core.check(host, "assertion failed! a websocket's address is host[:port]")
	port = tonumber(port) or (protocol == "ws" and 80 or 443)
	local hostname = not host:find "%d$" and host or nil
	local id = sockethelper.connect(host, port, timeout)
	local self = core.check(new_connection(id, "client", protocol, address, hostname, options))
	connections[id] = self
	local ok, why = pcall(ask_for_websocket, self, host, path == "" and "/" or path, header, options)
	if not ok then
		release(self)
		error(why, 0)
	end
	return id
end

function websocket.read(id)
	local self = known(id)
	while true do
		local kind, data = receive(self)
		if kind == "ping" then
			send(self, PONG, data)
		elseif kind == "close" then
			release(self)
			return false, data
		elseif kind ~= "pong" then
			return data
		end
	end
end

-- Both sides

function websocket.write(id, data, fmt, mask)
	local self = known(id)
	local opcode = OPCODE[fmt or "text"]
	core.check(opcode, "assertion failed! a message is text or binary")
	core.check(data == nil or type(data) == "string", "a message is a string")
	send(self, opcode, data or "", mask)
end

function websocket.ping(id)
	send(known(id), PING, "")
end

function websocket.close(id, code, reason)
	local self = connections[id]
	if self then
		connections[id] = nil
		if self.reader then
			say_close(self, code, reason)
		end
		release(self)
	end
end

function websocket.is_close(id)
	return connections[id] == nil
end

function websocket.addrinfo(id)
	return known(id).addr
end

function websocket.real_ip(id)
	return known(id).real_ip
end

return websocket
