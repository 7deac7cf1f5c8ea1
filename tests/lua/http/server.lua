-- skynet.http.server and skynet.http.client.
local skynet = require "skynet"
local socket = require "skynet.socket"
local server = require "skynet.http.server"
local client = require "skynet.http.client"
local websocket = require "http.websocket"
local check = require "check"

local role, case = {}, {}

local function echo(request)
	local body = request:body()
	return 200, ("%s %s %s %s"):format(request.method, request.path, request.query, body), {
		["x-seen"] = request.header["x-a"],
	}
end

local function listen(handler, options)
	local all = { address = "127.0.0.1", handler = handler }
	for k, v in pairs(options or {}) do
		all[k] = v
	end
	return server.listen(all)
end

local function connect(web, ...)
	local fd = assert(socket.open("127.0.0.1", web.port))
	for _, text in ipairs { ... } do
		socket.write(fd, text)
	end
	return fd
end

-- An answer with a length: status, body, head.
local function read_answer(fd)
	local head = socket.readline(fd, "\r\n\r\n")
	if not head then
		return
	end
	local status = tonumber(head:match "^HTTP/1.1 (%d+)")
	local length = tonumber(head:match "content%-length: (%d+)")
	return status, length and length > 0 and socket.read(fd, length) or "", head
end

local function is_closed(fd)
	local rest = socket.readall(fd)
	socket.close(fd)
	return not rest or rest == ""
end

function case.keep_alive()
	local web = listen(echo)
	local fd = connect(web)
	for i = 1, 20 do
		socket.write(fd, ("GET /a%%20%d?q=%d HTTP/1.1\r\nHost: h\r\n\r\n"):format(i, i))
		check.returns("request", { 200, ("GET /a %d q=%d "):format(i, i) }, function()
			local status, body = read_answer(fd)
			return status, body
		end)
	end
	socket.write(fd, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	local _, _, head = read_answer(fd)
	check.ok("said", head:find("connection: close", 1, true))
	check.ok("a date", head:find "date: %a%a%a, %d%d %a%a%a %d%d%d%d %d%d:%d%d:%d%d GMT")
	check.ok("closed", is_closed(fd))
	fd = connect(web, "GET / HTTP/1.0\r\n\r\n")
	check.eq("an old client", (read_answer(fd)), 200)
	check.ok("closed", is_closed(fd))
	fd = connect(web, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\n\r\n")
	check.eq("an old client stays", select(3, read_answer(fd)):match "connection: (%S+)", "keep-alive")
	check.eq("once more", (read_answer(fd)), 200)
	check.ok("closed", is_closed(fd))
end

function case.pipelined()
	local web = listen(function(request)
		skynet.sleep(request.path == "/1" and 10 or 0)
		return echo(request)
	end)
	local fd = connect(web, "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody"
		.. "PUT /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /4 HTTP/1.1\r\nHost: h\r\n\r\n")
	for _, want in ipairs { "GET /1  ", "POST /2  body", "PUT /3  abc", "GET /4  " } do
		check.eq("in order", select(2, read_answer(fd)), want)
	end
	socket.close(fd)
	-- A handler that leaves the body alone.
	web = listen(function() return 200, "left" end)
	fd = connect(web, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nxxxxxGET / HTTP/1.1\r\nHost: h\r\n\r\n")
	check.eq("first", (read_answer(fd)), 200)
	check.eq("the next is found", (read_answer(fd)), 200)
	socket.close(fd)
end

function case.answers()
	local gone = 0
	local web = listen(function(request)
		local path = request.path
		if path == "/none" then
			return 204, nil, { ["x-a"] = { 1, 2.5, true } }
		elseif path == "/error" then
			error "boom"
		elseif path == "/bad" then
			return 200, "x", { a = "b\r\nc: d" }
		elseif path == "/badname" then
			return 200, "x", { ["a b"] = "c" }
		elseif path == "/type" then
			return 200, {}
		elseif path == "/pieces" or path == "/sized" or path == "/short" then
			local i = 0
			return 200, function()
				i = i + 1
				return i <= 3 and ("part %d"):format(i) or nil
			end, { ["content-length"] = path == "/sized" and 18 or path == "/short" and 19 or nil }
		elseif path == "/half" then
			local sent
			return 200, function()
				if sent then
					error "in the middle"
				end
				sent = true
				return "half"
			end
		end
		gone = gone + 1
	end)
	local function ask(path, method)
		local fd = connect(web, ("%s %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"):format(method or "GET", path))
		local all = socket.readall(fd)
		socket.close(fd)
		return all:match "^HTTP/1.1 (%d+)", all:match "\r\n\r\n(.*)$", all
	end
	local status, body, all = ask "/none"
	check.eq("no body", { status, body }, { "204", "" })
	check.ok("values", all:find("x-a: 1\r\nx-a: 2.5\r\nx-a: true\r\n", 1, true), all)
	for _, path in ipairs { "/error", "/bad", "/badname", "/type" } do
		status, body = ask(path)
		check.eq(path, { status, body }, { "500", "Internal Server Error" })
	end
	check.eq("pieces", select(2, ask "/pieces"), "6\r\npart 1\r\n6\r\npart 2\r\n6\r\npart 3\r\n0\r\n\r\n")
	check.eq("sized", select(2, ask "/sized"), "part 1part 2part 3")
	check.eq("short", select(2, ask "/short"), "part 1part 2part 3")
	check.eq("half", select(2, ask "/half"), "4\r\nhalf\r\n")
	check.eq("head", select(2, ask("/pieces", "HEAD")), "")
	check.eq("nothing returned", (ask "/else"), "200")
	check.eq("handled", gone, 1)
end

function case.streaming()
	local web = listen(function(request)
		local bytes = 0
		for data in request.read, request do
			bytes = bytes + #data
		end
		local left = bytes
		return 200, function()
			if left > 0 then
				local n = math.min(left, 100000)
				left = left - n
				return ("y"):rep(n)
			end
		end
	end, { bodylimit = 64 << 20 })
	local http = client.new { bodylimit = 64 << 20 }
	local left = 32 << 20
	local answer = http:request {
		url = ("http://127.0.0.1:%d/"):format(web.port),
		method = "POST",
		body = function()
			if left > 0 then
				left = left - (64 << 10)
				return ("x"):rep(64 << 10)
			end
		end,
		stream = true,
	}
	local bytes = 0
	for data in answer.read, answer do
		bytes = bytes + #data
	end
	check.eq("there and back", bytes, 32 << 20)
	http:close()
end

-- A client that does not read makes the server wait, not gather.
function case.slow_reader()
	local made = 0
	local web = listen(function()
		return 200, function()
			made = made + 1
			return ("x"):rep(64 << 10)
		end
	end, { writetimeout = 100 })
	local fd = connect(web, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	check.ok("given up", check.wait(function() return web:count() == 1 end))
	check.ok("it ends", check.wait(function() return web:count() == 0 end))
	check.ok("little was made", made < 1000, made)
	socket.close(fd)
end

function case.refused()
	local handled = 0
	local web = listen(function()
		handled = handled + 1
		return 200, ""
	end, { headlimit = 1000, bodylimit = 10 })
	local function refuses(name, want, text)
		local fd = connect(web, text)
		local status, _, head = read_answer(fd)
		check.eq(name, status, want)
		check.ok(name .. ": closed", head and head:find("connection: close", 1, true) and is_closed(fd))
	end
	local post = "POST / HTTP/1.1\r\nHost: h\r\n"
	refuses("length and chunks", 400, post .. "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	refuses("two lengths", 400, post .. "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc")
	refuses("bare LF", 400, "GET / HTTP/1.1\nHost: h\n\n\r\n\r\n")
	refuses("blank before the colon", 400, post .. "Content-Length : 3\r\n\r\nabc")
	refuses("folded", 400, post .. "A: b\r\n c\r\n\r\n")
	refuses("no host", 400, "GET / HTTP/1.1\r\n\r\n")
	refuses("two hosts", 400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
	refuses("version", 505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n")
	refuses("encoding", 501, post .. "Transfer-Encoding: gzip\r\n\r\n")
	refuses("escape", 400, "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n")
	refuses("long head", 431, "GET / HTTP/1.1\r\nA: " .. ("x"):rep(2000))
	refuses("long body", 413, post .. "Content-Length: 11\r\n\r\n")
	refuses("TLS", 400, "\22\3\1\2\0\1\0\1\252\3\3")
	check.eq("none was handled", handled, 0)
	web:close()

	web = listen(echo, { bodylimit = 10 })
	refuses("long chunks", 413, post .. "Transfer-Encoding: chunked\r\n\r\nb\r\n0123456789a\r\n0\r\n\r\n")
	refuses("size of a chunk", 413, post .. "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n")
	refuses("no chunks", 400, post .. "Transfer-Encoding: chunked\r\n\r\nxyz\r\n")
end

function case.endless_head_to_server()
	local web = listen(echo)
	local fd = connect(web, "GET / HTTP/1.1\r\n")
	local block, written = ("x: y\r\n"):rep(20000), 0
	while written < 100 << 20 and socket.write(fd, block) and web:count() > 0 do
		written = written + #block
		skynet.sleep(0)
	end
	check.ok("it ends early", written < 64 << 20, written)
	check.ok("all of it", check.wait(function() return web:count() == 0 end))
	socket.close(fd)
end

function case.slow_requests()
	local web = listen(echo, { headtimeout = 30, bodytimeout = 30, idletimeout = 30 })
	local function drip(text)
		local fd = connect(web)
		local started = skynet.now()
		skynet.fork(function()
			for byte in text:gmatch "." do
				if not socket.write(fd, byte) then
					break
				end
				skynet.sleep(5)
			end
		end)
		local all = socket.readall(fd)
		socket.close(fd)
		check.ok("not too early", skynet.now() - started >= 29)
		return all and all:match "^HTTP/1.1 (%d+)"
	end
	check.eq("a head", drip("GET / HTTP/1.1\r\nHost: h\r\n" .. ("x"):rep(1000)), "408")
	check.eq("a body", drip "", nil)
	local fd = connect(web, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nab")
	check.eq("a body", (read_answer(fd)), 408)
	check.ok("closed", is_closed(fd))
	fd = connect(web, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	check.eq("a request", (read_answer(fd)), 200)
	check.ok("and nothing more", is_closed(fd))
	check.ok("all gone", check.wait(function() return web:count() == 0 end))
end

function case.expectation()
	local web = listen(function(request)
		if request.path == "/no" then
			return 403, "no"
		end
		return echo(request)
	end)
	local head = "POST %s HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
	local fd = connect(web, head:format "/yes")
	check.eq("leave", socket.readline(fd, "\r\n\r\n"), "HTTP/1.1 100 Continue")
	socket.write(fd, "text")
	check.eq("answer", select(2, read_answer(fd)), "POST /yes  text")
	socket.close(fd)
	fd = connect(web, head:format "/no")
	check.eq("no leave", (read_answer(fd)), 403)
	check.ok("closed", is_closed(fd))
end

function case.orderly_end()
	local web = listen(function(request)
		skynet.sleep(30)
		return echo(request)
	end)
	local idle = connect(web)
	local busy = connect(web, "GET /slow HTTP/1.1\r\nHost: h\r\n\r\nGET /never HTTP/1.1\r\nHost: h\r\n\r\n")
	check.ok("both there", check.wait(function() return web:count() == 2 end))
	skynet.sleep(5)
	local left
	skynet.fork(function() left = web:close(300) end)
	check.ok("the idle one ends", is_closed(idle))
	local status, body, head = read_answer(busy)
	check.eq("the busy one is answered", { status, body }, { 200, "GET /slow  " })
	check.ok("and told", head:find("connection: close", 1, true))
	check.ok("its next request is not", is_closed(busy))
	check.ok("over", check.wait(function() return left end))
	check.eq("none was left", left, 0)
	check.eq("nobody listens", (socket.open("127.0.0.1", web.port)), nil)

	web = listen(function() skynet.sleep(500) end)
	local fd = connect(web, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	check.ok("there", check.wait(function() return web:count() == 1 end))
	skynet.sleep(20)
	check.eq("cut off", web:close(10), 1)
	check.ok("closed", is_closed(fd))
end

function case.crowd()
	local web = listen(echo, { maxclient = 2 })
	local a, b = connect(web), connect(web)
	check.ok("two", check.wait(function() return web:count() == 2 end))
	local c = connect(web, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	check.eq("one too many", (read_answer(c)), 503)
	socket.close(a)
	socket.close(b)
	socket.close(c)
	check.ok("none", check.wait(function() return web:count() == 0 end))
	c = connect(web, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	check.eq("there is room again", (read_answer(c)), 200)
	socket.close(c)
end

function case.handed_to_websocket()
	local web
	web = listen(function(request)
		if request.header.upgrade then
			return request:websocket {
				message = function(id, data, kind)
					websocket.write(id, data:upper(), kind)
				end,
			}
		end
		return echo(request)
	end)
	local id = websocket.connect(("ws://127.0.0.1:%d/chat"):format(web.port), nil, nil, { mask = true })
	websocket.write(id, "hello")
	check.eq("answer", websocket.read(id), "HELLO")
	websocket.close(id)
	check.ok("gone", check.wait(function() return web:count() == 0 end))
	-- After ordinary requests, and with the first frame in the same piece.
	local fd = connect(web, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
	check.eq("ordinary", (read_answer(fd)), 200)
	socket.write(fd, "GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		.. "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\nSec-WebSocket-Version: 13\r\n\r\n\x81\x82\0\0\0\0hi")
	check.ok("switched", socket.readline(fd, "\r\n\r\n"):find "^HTTP/1.1 101")
	check.eq("frame", socket.read(fd, 4), "\x81\2HI")
	socket.close(fd)
end

function role.agent()
	check.serve {
		serve = function(id, addr)
			skynet.fork(server.serve, id, addr, { handler = function(request)
				return 200, ("%s by :%08x"):format(request.path, skynet.self())
			end })
		end,
	}
end

-- A listener that hands its connections to other services.
function case.agents()
	local agents = { check.spawn "agent", check.spawn "agent" }
	local listener, _, port = socket.listen("127.0.0.1", 0)
	local n = 0
	socket.start(listener, function(id, addr)
		n = n + 1
		skynet.send(agents[n % 2 + 1], "lua", "serve", id, addr)
	end)
	local seen = {}
	for _ = 1, 4 do
		local http = client.new()
		local answer = http:get(("http://127.0.0.1:%d/a"):format(port))
		check.eq("status", answer.status, 200)
		seen[answer.body] = true
		http:close()
	end
	local count = 0
	for _ in pairs(seen) do
		count = count + 1
	end
	check.eq("two of them", count, 2)
end

function case.over_tls()
	local web = listen(function(request)
		if request.header.upgrade then
			return request:websocket { message = function(id, data) websocket.write(id, data:upper()) end }
		end
		return echo(request)
	end, { tls = { cert = "server.pem" } })
	local base = "https://127.0.0.1:" .. web.port
	local http = client.new { tls = { ca = "ca.pem" } }
	for i = 1, 5 do
		check.eq("https", http:post(base .. "/" .. i, ("x"):rep(i * 20000)).body, ("POST /%d  "):format(i) .. ("x"):rep(i * 20000))
	end
	check.eq("one connection", web:count(), 1)
	check.fails("an unknown authority", "https://127.0.0.1", function() return client.new():get(base) end)
	check.fails("another name", "https://127.0.0.1", function()
		return client.new({ tls = { ca = "ca.pem", name = "b.example" } }):get(base)
	end)
	local id = websocket.connect(("wss://127.0.0.1:%d/"):format(web.port), nil, nil, { mask = true, tls = { ca = "ca.pem" } })
	websocket.write(id, "over tls")
	check.eq("wss", websocket.read(id), "OVER TLS")
	websocket.close(id)
	local fd = connect(web, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	check.ok("a client without TLS is closed", socket.readall(fd) ~= nil)
	socket.close(fd)
	fd = connect(web, "\x16\x03\x01\x02\x00")
	check.ok("it is served", check.wait(function() return web:count() == 2 end))
	socket.close(fd)
	check.ok("and gone", check.wait(function() return web:count() == 1 end))
	http:close()
end

return check.main(role, case, ...)
