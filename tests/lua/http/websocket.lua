-- http.websocket beside the recorded cases.
local skynet = require "skynet"
local socket = require "skynet.socket"
local httpd = require "http.httpd"
local sockethelper = require "http.sockethelper"
local websocket = require "http.websocket"
local check = require "check"

local role, case = {}, {}

local KEY <const> = "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n"
local HANDSHAKE <const> = "GET /x HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" .. KEY
	.. "Sec-WebSocket-Version: 13\r\n"

-- A server that accepts websockets with a handler; its port, and the results of accept as they come.
local function serve(handle, options, around)
	local ends = {}
	local listener, _, port = socket.listen("127.0.0.1", 0)
	socket.start(listener, function(id, addr)
		skynet.fork(function()
			ends[#ends + 1] = table.pack((around or websocket.accept)(id, handle, "ws", addr, options))
		end)
	end)
	return port, ends
end

local function echo()
	return {
		message = function(id, data, kind)
			websocket.write(id, data, kind == "text" and "text" or "binary")
		end,
	}
end

local function open(port, ...)
	return websocket.connect(("ws://127.0.0.1:%d/room?a=1"):format(port), ...)
end

function case.conversation()
	local seen = {}
	local handle = echo()
	function handle.handshake(id, header, url)
		seen.url, seen.mine, seen.ip = url, header["x-mine"], websocket.real_ip(id)
		seen.addr = websocket.addrinfo(id)
	end
	function handle.ping() seen.ping = true end
	function handle.close(_, code, reason) seen.code, seen.reason = code, reason end
	local port, ends = serve(handle)
	local id = open(port, { ["X-Mine"] = "yes", ["X-Real-IP"] = "10.0.0.7" }, 300)
	check.eq("address", websocket.addrinfo(id), "127.0.0.1:" .. port)
	for _, size in ipairs { 0, 1, 125, 126, 65535, 65536, 262144 } do
		local text = ("t"):rep(size)
		websocket.write(id, text)
		check.ok("text of " .. size, websocket.read(id) == text)
		websocket.write(id, text, "binary", 0x01020304)
		check.ok("masked bytes, " .. size, websocket.read(id) == text)
	end
	websocket.ping(id)
	websocket.write(id, "after the ping")
	check.eq("the pong is passed over", websocket.read(id), "after the ping")
	check.eq("open", websocket.is_close(id), false)
	websocket.close(id, 1000, "done")
	check.eq("closed", websocket.is_close(id), true)
	check.ok("the server's end", check.wait(function() return ends[1] end))
	check.eq("accept", ends[1], { n = 1, true })
	check.eq("seen", { seen.url, seen.mine, seen.ip, seen.ping, seen.code, seen.reason },
		{ "/room?a=1", "yes", "10.0.0.7", true, 1000, "done" })
	check.ok("its address", seen.addr:find "^127.0.0.1:%d+$")
end

-- Clients that end their handshake, or do not speak TLS: accept says so, and raises nothing.
function case.without_a_handshake()
	local begun, ends = 0, {}
	local listener, _, port = socket.listen("127.0.0.1", 0)
	socket.start(listener, function(id)
		skynet.fork(function()
			begun = begun + 1
			ends[#ends + 1] = { websocket.accept(id, echo(), "wss", nil, { tls = { cert = "server.pem" } }) }
			check.ok("closed", socket.invalid(id))
		end)
	end)
	local cases = {
		["the peer ended the connection during the handshake"] = "\x16\x03\x01\x02\x00",
		["it speaks HTTP in the clear"] = "GET / HTTP/1.1\r\n\r\n",
	}
	local count = 0
	for why, text in pairs(cases) do
		local fd = assert(socket.open("127.0.0.1", port))
		socket.write(fd, text)
		count = count + 1
		check.ok("accept has begun", check.wait(function() return begun == count end))
		skynet.sleep(5) -- it has started the socket
		socket.close(fd)
		check.ok("accept has ended", check.wait(function() return ends[count] end))
		check.ok(why, ends[count][1] == false and ends[count][2]:find(why, 1, true), ends[count][2])
	end
	local id = websocket.connect(("wss://localhost:%d/"):format(port), nil, nil, { tls = { ca = "ca.pem" } })
	websocket.write(id, "over tls")
	check.eq("others are served", websocket.read(id), "over tls")
	websocket.close(id)
	check.fails("a client raises", "TLS: ", websocket.connect, ("wss://localhost:%d/"):format(port), nil, nil,
		{ tls = { ca = "other.pem" } })
end

-- The peer of who closes first: what it still sends takes no answer away from it, and an answer is not waited for.
function case.closed_by_the_server()
	local raw
	local handle = echo()
	function handle.message(id)
		websocket.close(id, 4000, "enough")
		check.eq("gone at once", { websocket.is_close(id), socket.invalid(id) }, { true, true })
	end
	local closed = 0
	function handle.close() closed = closed + 1 end
	local port, ends = serve(handle)
	for round = 1, 20 do
		raw = assert(socket.open("127.0.0.1", port))
		socket.write(raw, HANDSHAKE .. "\r\n")
		socket.readline(raw, "\r\n\r\n")
		-- More than it is asked for: it is not read any more.
		socket.write(raw, "\x81\x01x" .. ("\x82\x7dy" .. ("z"):rep(124)):rep(200))
		check.ok("accept has ended", check.wait(function() return ends[round] end))
		socket.write(raw, "\x88\x02\x0f\xa0")
		check.eq("its last words", socket.readall(raw), "\x88\x08\x0f\xa0enough")
		socket.close(raw)
	end
	check.eq("closed", closed, 20)
end

function case.options()
	local port = serve(echo(), { strict = true, deflate = true, limit = 1 << 20 })
	local id = open(port, nil, nil, { mask = true, deflate = true, strict = true })
	for i = 1, 50 do
		local text = ("compressed %d "):format(i):rep(i * i)
		websocket.write(id, text, i % 2 == 0 and "text" or "binary")
		check.ok("message " .. i, websocket.read(id) == text)
	end
	local random = {}
	for i = 1, 5000 do
		random[i] = string.char(math.random(0, 255))
	end
	random = table.concat(random)
	websocket.write(id, random, "binary")
	check.ok("what cannot be made smaller", websocket.read(id) == random)
	websocket.write(id, ("x"):rep((1 << 20) + 1), "binary")
	check.eq("a bomb", { websocket.read(id) }, { false, "\x03\xf1payload_len is too large" })

	local plain = open(port, nil, nil, { mask = true })
	websocket.write(plain, ("not compressed "):rep(20))
	check.eq("without the extension", websocket.read(plain), ("not compressed "):rep(20))
	websocket.close(plain)
end

-- An HTTP server hands requests over.
function case.upgrade()
	local function around(id, handle, protocol, addr)
		socket.start(id)
		local code, url, method, header = httpd.read_request(sockethelper.readfunc(id))
		check.eq("request", { code, url, method, header.upgrade }, { 200, "/room?a=1", "GET", "websocket" })
		return websocket.accept(id, handle, protocol, addr, { upgrade = { header = header, method = method, url = url } })
	end
	local port = serve(echo(), nil, around)
	local id = open(port)
	websocket.write(id, "handed over")
	check.eq("answer", websocket.read(id), "handed over")
	websocket.close(id)
end

-- Frames of strangers.

local function raw(port, extra)
	local fd = assert(socket.open("127.0.0.1", port))
	socket.write(fd, HANDSHAKE .. (extra or "") .. "\r\n")
	local head = socket.readline(fd, "\r\n\r\n")
	return fd, head
end

local function masked(first, payload)
	return string.char(first, 0x80 | #payload) .. "\0\0\0\0" .. payload
end

-- Sends bytes, and how accept ends.
local function send_to(port, ends, bytes)
	local before = #ends
	local fd = raw(port)
	socket.write(fd, bytes)
	check.ok("it ends", check.wait(function() return #ends > before end))
	local answer = socket.readall(fd)
	socket.close(fd)
	return ends[#ends], answer
end

local function is_error(name, result, text)
	check.ok(name, result[1] == false and result[2]:find(text, 1, true), check.show(result))
end

function case.huge_frames()
	local port, ends = serve(echo())
	for _, length in ipairs { "\x80\0\0\0\0\0\0\0", "\xff\xff\xff\xff\xff\xff\xff\xff", "\0\0\0\0\0\4\0\1" } do
		is_error("length", send_to(port, ends, "\x82\x7f" .. length), "payload_len is too large")
	end
	is_error("sum", send_to(port, ends, "\x02\x7f\0\0\0\0\0\4\0\0" .. ("x"):rep(262144) .. "\x80\1y"),
		"payload_len is too large")
	is_error("opcode", send_to(port, ends, "\x83\0"), "no frames of the kind 3")
end

function case.strict_frames()
	local port, ends = serve(echo(), { strict = true })
	local cases = {
		{ "unmasked", "\x81\1x", 1002, "mask" },
		{ "control frame of 126 bytes", "\x89\xfe\0\x7e\0\0\0\0" .. ("p"):rep(126), 1002, "control frame" },
		{ "control frame in pieces", masked(0x09, ""), 1002, "control frame" },
		{ "UTF-8", masked(0x81, "\xff\xfe"), 1007, "no UTF-8" },
		{ "surrogate", masked(0x81, "\xed\xa0\x80"), 1007, "no UTF-8" },
		{ "half a character", masked(0x01, "\xc3") .. masked(0x80, ""), 1007, "no UTF-8" },
		{ "code 1005", masked(0x88, "\x03\xed"), 1002, "no valid code" },
		{ "code 0", masked(0x88, "\0\0"), 1002, "no valid code" },
		{ "code 65535", masked(0x88, "\xff\xff"), 1002, "no valid code" },
		{ "half a code", masked(0x88, "x"), 1002, "no valid code" },
		{ "reason", masked(0x88, "\x03\xe8\xff"), 1007, "no UTF-8" },
		{ "order", masked(0x80, "x"), 1002, "wrong order" },
		{ "new message inside", masked(0x01, "x") .. masked(0x81, "y"), 1002, "wrong order" },
		{ "reserved bits", masked(0xc1, "x"), 1002, "reserved" },
	}
	for _, c in ipairs(cases) do
		local result, answer = send_to(port, ends, c[2])
		is_error(c[1], result, c[4])
		check.eq(c[1] .. ": code", { answer:byte(1), (string.unpack(">I2", answer, 3)) }, { 0x88, c[3] })
	end
end

function case.damaged_compression()
	local port, ends = serve(echo(), { strict = true, deflate = true, limit = 1000 })
	local function with_deflate(bytes)
		local before = #ends
		local fd, head = raw(port, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n")
		check.ok("agreed", head:find("permessage-deflate; server_no_context_takeover", 1, true), head)
		socket.write(fd, bytes)
		check.ok("it ends", check.wait(function() return #ends > before end))
		socket.close(fd)
		return ends[#ends]
	end
	is_error("damaged", with_deflate(masked(0xc2, "\xff\xff")), "damaged")
	local _, head = raw(port, "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n")
	check.eq("a window that cannot be had", head:find("Extensions", 1, true), nil)
	_, head = raw(port, "Sec-WebSocket-Extensions: x-other; a=b, permessage-deflate\r\n")
	check.ok("the second offer", head:find("permessage-deflate", 1, true))
end

-- What does not come to an end.
function case.slow_frames()
	local lost
	local handle = echo()
	function handle.error(_, why) lost = why end
	local port, ends = serve(handle)
	local fd = raw(port)
	for byte in ("\x82\x7e\1\0abc"):gmatch "." do
		socket.write(fd, byte)
		skynet.sleep(1)
	end
	check.eq("it waits", #ends, 0)
	socket.close(fd)
	check.ok("it ends", check.wait(function() return ends[1] end))
	check.eq("accept", ends[1], { n = 1, true })
	check.ok("the callback", lost == sockethelper.socket_error)

	-- The server gives a slow handshake up by closing the socket.
	local started
	local _, ended = nil, {}
	local listener, _, other = socket.listen("127.0.0.1", 0)
	socket.start(listener, function(id)
		skynet.fork(function()
			skynet.timeout(20, function() websocket.close(id) end)
			started = id
			ended[1] = table.pack(websocket.accept(id, {}))
		end)
	end)
	fd = assert(socket.open("127.0.0.1", other))
	socket.write(fd, "GET / HT")
	check.ok("given up", check.wait(function() return ended[1] end))
	check.eq("its end", ended[1], { n = 1, true })
	check.ok("closed", started and socket.invalid(started))
	socket.close(fd)
end

function case.tls_hello_to_websocket()
	local port, ends = serve(echo())
	local fd = assert(socket.open("127.0.0.1", port))
	socket.write(fd, "\22\3\1\0\200\1\0\0\196\3\3")
	check.ok("it ends", check.wait(function() return ends[1] end))
	is_error("and says why", ends[1], "wants TLS")
	socket.close(fd)
end

-- A crowd that does not read: the server is told, and may close them.
function case.warning()
	local told = {}
	local handle = {
		handshake = function(id)
			for _ = 1, 512 do
				websocket.write(id, ("x"):rep(64 << 10), "binary")
			end
		end,
		warning = function(ws, kb)
			told[#told + 1] = { ws.id, kb }
		end,
	}
	local port = serve(handle)
	local fd = raw(port)
	check.ok("told", check.wait(function() return told[1] end))
	check.ok("an id and a size", math.type(told[1][1]) == "integer" and told[1][2] >= 64)
	socket.close(fd)
end

return check.main(role, case, ...)
