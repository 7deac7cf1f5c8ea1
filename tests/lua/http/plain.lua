-- http.httpd, http.httpc and what is below them, beside the recorded cases.
local skynet = require "skynet"
local socket = require "skynet.socket"
local httpd = require "http.httpd"
local httpc = require "http.httpc"
local internal = require "http.internal"
local sockethelper = require "http.sockethelper"
local url = require "http.url"
local check = require "check"

local role, case = {}, {}

-- A server that hands each connection to f; its address.
local function serve(f)
	local listener, _, port = socket.listen("127.0.0.1", 0)
	socket.start(listener, function(id)
		skynet.fork(function()
			socket.start(id)
			f(id)
			socket.close(id)
		end)
	end)
	return "127.0.0.1:" .. port, port
end

-- A server that answers by f(method, url, header, body).
local function serve_http(f)
	return serve(function(id)
		local code, target, method, header, body = httpd.read_request(sockethelper.readfunc(id), 1 << 20)
		local write = sockethelper.writefunc(id)
		if code == 200 then
			httpd.write_response(write, 200, f(method, target, header, body))
		elseif code then
			httpd.write_response(write, code)
		end
	end)
end

function case.requests()
	local host = serve_http(function(method, target, header, body)
		return ("%s %s %s %s"):format(method, target, header["x-a"] or "-", body), { ["x-b"] = { 1, 2 } }
	end)
	check.returns("get", { 200, "GET /a - " }, httpc.get, host, "/a")
	local answer = {}
	check.returns("all of it", { 200, "PUT /b 5 text" }, httpc.request, "PUT", host, "/b", answer, { ["x-a"] = 5 }, "text")
	check.eq("fields of the answer", answer["x-b"], { "1", "2" })
	check.returns("form", { 200, "POST /c - k%20=v%26" }, httpc.post, host, "/c", { ["k "] = "v&" })
	check.returns("head", { 200 }, httpc.head, host, "/d")
	local chunked = { ["transfer-encoding"] = "chunked" }
	local content = "3\r\nabc\r\n0\r\n\r\n"
	check.returns("chunks", { 200, "POST /e - abc" }, httpc.request, "POST", host, "/e", nil, chunked, content)
	check.returns("much", { 413, "" }, httpc.request, "POST", host, "/f", nil, nil, ("x"):rep((1 << 20) + 1))
end

function case.stream()
	local host = serve_http(function()
		local i = 0
		return function()
			i = i + 1
			return i <= 200 and ("x"):rep(i * 100) or nil
		end
	end)
	local pieces, size = 0, 0
	local stream = httpc.request_stream("GET", host, "/")
	while true do
		local data, same = stream:padding()
		check.ok("the stream itself", same == stream)
		if not data then
			break
		end
		pieces, size = pieces + 1, size + #data
	end
	check.eq("pieces", { pieces, size }, { 201, 100 * 200 * 201 // 2 })
	stream:close()

	local unread = httpc.request_stream("GET", host, "/")
	check.eq("the first piece", #unread(), 100)
	unread:close()
	check.eq("still incomplete", unread.connected, true)
end

function case.helper()
	local _, port = serve(function(id)
		socket.write(id, "abcdef")
		check.eq("what came", socket.read(id, 3), "xyz")
	end)
	local fd = sockethelper.connect("127.0.0.1", port, 500)
	local read = sockethelper.readfunc(fd, "12345")
	check.eq("read before", { read(2), read(1) }, { "12", "3" })
	check.eq("both", read(4), "45ab")
	sockethelper.writefunc(fd) "xyz"
	check.eq("all", sockethelper.readall(fd), "cdef")
	check.ok("lost", select(2, pcall(read)) == sockethelper.socket_error)
	sockethelper.close(fd)

	local silent
	local _, other = serve(function(id)
		silent = id
		check.eq("nothing comes", socket.read(id), false)
	end)
	fd = sockethelper.connect("127.0.0.1", other)
	sockethelper.shutdown(fd)
	check.ok("shut", not pcall(sockethelper.readfunc(fd)))
	check.ok("seen by the other side", check.wait(function() return silent and socket.invalid(silent) end))
	check.fails("refused", "connect failed host = 127.0.0.1 port = 1 timeout = 50 err = ", function()
		local ok, why = pcall(sockethelper.connect, "127.0.0.1", 1, 50)
		error(ok or tostring(why))
	end)
end

-- A reading function over a list of pieces.
local function feeder(pieces)
	local data = ""
	return function(n)
		while #data < (n or 1) do
			data = data .. (table.remove(pieces, 1) or error "no more")
		end
		n = n or #data
		local result = data:sub(1, n)
		data = data:sub(n + 1)
		return result
	end
end

function case.internal()
	local lines, header = {}, {}
	check.eq("rest", internal.recvheader(feeder { "First\r\nA: 1\r", "\nB: 2\r\n\r\nrest" }, lines, ""), "rest")
	check.eq("lines", lines, { "First", "A: 1", "B: 2" })
	check.eq("fields", internal.parseheader(lines, 2, header), { a = "1", b = "2" })
	check.eq("no fields", internal.parseheader({ "x" }, 1, {}), nil)
	local text = internal.recvchunkedbody(feeder { "2\r\nab\r\n", "1\r\nc\r\n0\r\nT: 1\r\n\r\n" }, 3, header, "")
	check.eq("body", { text, header.t }, { "abc", "1" })
	check.returns("too much", {}, internal.recvchunkedbody, feeder { "2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n" }, 3, header, "")

	local sent = {}
	local answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"
	local interface = {
		read = feeder { answer, answer },
		write = function(data) sent[#sent + 1] = data end,
		readall = function() return "" end,
	}
	local code, rest, fields = internal.request(interface, "GET", "host", "/", nil, nil, "x")
	check.eq("sent", table.concat(sent), "GET / HTTP/1.1\r\nhost:host\r\nContent-length:1\r\n\r\nx")
	check.eq("answer", { code, internal.response(interface, code, rest:sub(1, 2), fields) }, { 200, "boHT" })
	local stream = internal.response_stream(interface, 200, "body", { ["content-length"] = "4" })
	check.eq("stream", (stream:padding()), "body")
end

function case.urls()
	check.returns("path and query", { "/a b", "c+d=%41" }, url.parse, "/a%20b?c+d=%41")
	check.returns("query", { { ["c d"] = "A" } }, url.parse_query, "c+d=%41")
	check.fails("no digits", "hexadecimal", url.parse, "/%4g")
end

-- What strangers send.

local function raw(port, ...)
	local fd = assert(socket.open("127.0.0.1", port))
	for _, piece in ipairs { ... } do
		socket.write(fd, piece)
	end
	return fd
end

function case.endless_head()
	local result
	local _, port = serve(function(id)
		local read = sockethelper.readfunc(id)
		local most = 0
		result = { httpd.read_request(function(n)
			local data = read(n)
			most = math.max(most, #data)
			return data
		end) }
		result.most = most
	end)
	local before = collectgarbage "count"
	local fd = raw(port, "GET / HTTP/1.1\r\n")
	local block, written = ("x: y\r\n"):rep(100000), 0
	while written < 100 << 20 and socket.write(fd, block) and not result do
		written = written + #block
		skynet.sleep(0)
	end
	check.ok("it ends", check.wait(function() return result end))
	check.eq("code", result[1], 413)
	check.ok("at once", written < 64 << 20, written)
	check.ok("in little memory", collectgarbage "count" - before < 16 << 10)
	socket.close(fd)
end

function case.chunk_sizes()
	for _, size in ipairs {
		"10000000000000000", "FFFFFFFFFFFFFFFF", "8000000000000000", "7FFFFFFFFFFFFFFF", "-1", "+1", "1 1", "0x1", "1;a",
		("0"):rep(40), "", "g", ("1"):rep(200),
	} do
		local request = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" .. size .. "\r\nabc\r\n0\r\n\r\n"
		local read = feeder { request }
		check.eq("size " .. size, (httpd.read_request(read, 1 << 20)), 413)
		check.eq("without a limit: " .. size, (httpd.read_request(feeder { request })), 413)
	end
end

function case.lengths()
	for length, want in pairs { ["18446744073709551616"] = 413, ["9223372036854775807"] = 413, ["1e400"] = 413 } do
		local request = "POST / HTTP/1.1\r\nContent-Length: " .. length .. "\r\n\r\nabc"
		check.eq(length, (httpd.read_request(feeder { request }, 1 << 20)), want)
	end
	local ok, why = httpd.read_request(feeder { "POST / HTTP/1.1\r\nContent-Length: 3.5\r\n\r\nabcd" })
	check.eq("no whole number", { ok, type(why) }, { nil, "string" })
end

-- A client that sends a byte now and then keeps its connection until the server ends it.
function case.slow_request()
	local result, server
	local _, port = serve(function(id)
		server = id
		result = table.pack(httpd.read_request(sockethelper.readfunc(id)))
	end)
	local fd = raw(port)
	for byte in ("GET / HT"):gmatch "." do
		socket.write(fd, byte)
		skynet.sleep(2)
	end
	check.eq("nothing yet", result, nil)
	socket.shutdown(server)
	check.ok("it ends", check.wait(function() return result end))
	check.eq("no code", result[1], nil)
	check.ok("the error", result[2] == sockethelper.socket_error)
	socket.close(fd)
end

function case.slow_answer()
	local host = serve(function(id)
		for byte in ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" .. ("x"):rep(100)):gmatch "." do
			if not socket.write(id, byte) then
				break
			end
			skynet.sleep(2)
		end
	end)
	httpc.timeout = 30
	local started = skynet.now()
	local ok, why = pcall(httpc.get, host, "/")
	check.ok("given up", not ok and why == sockethelper.socket_error)
	check.ok("not before its time", skynet.now() - started >= 29)
end

function case.tls_hello()
	local result
	local _, port = serve(function(id)
		result = table.pack(httpd.read_request(sockethelper.readfunc(id)))
	end)
	local fd = raw(port, "\22\3\1\2\0\1\0\1\252\3\3")
	check.ok("it ends", check.wait(function() return result end))
	check.ok("and says why", result[1] == nil and result[2]:find "wants TLS", result[2])
	check.eq("closed", socket.read(fd), false)
	socket.close(fd)
end

-- Ten thousand fields, and one field in ten thousand lines.
function case.many_fields()
	local lines = {}
	for i = 1, 10000 do
		lines[i] = "same: " .. i
	end
	local request = "GET / HTTP/1.1\r\n" .. table.concat(lines, "\r\n") .. "\r\n\r\n"
	local _, _, _, header = httpd.read_request(feeder { request })
	check.eq("repeated", { #header.same, header.same[10000] }, { 10000, "10000" })
	local folded = "GET / HTTP/1.1\r\nlong: a\r\n" .. ("\tb\r\n"):rep(10000) .. "\r\n"
	_, _, _, header = httpd.read_request(feeder { folded })
	check.eq("continued", #header.long, 10001)
end

return check.main(role, case, ...)
