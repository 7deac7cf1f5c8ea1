-- skynet.http.client.
local skynet = require "skynet"
local socket = require "skynet.socket"
local server = require "skynet.http.server"
local client = require "skynet.http.client"
local crypt = require "skynet.crypt"
local check = require "check"

local role, case = {}, {}

-- A server; the beginning of its urls, and how many connections came.
local function listen(handler)
	local seen = { connections = 0, ids = {} }
	local web = server.listen {
		address = "127.0.0.1",
		handler = function(request)
			if not seen.ids[request.id] then
				seen.ids[request.id] = true
				seen.connections = seen.connections + 1
			end
			return handler(request)
		end,
	}
	return "http://127.0.0.1:" .. web.port, seen, web
end

-- A server that answers every connection with some bytes, and closes it.
local function raw(...)
	local pieces = { ... }
	local listener, _, port = socket.listen("127.0.0.1", 0)
	socket.start(listener, function(id)
		skynet.fork(function()
			socket.start(id)
			socket.readline(id, "\r\n\r\n")
			for _, piece in ipairs(pieces) do
				socket.write(id, piece)
				skynet.sleep(1)
			end
			socket.close(id)
		end)
	end)
	return ("http://127.0.0.1:%d/"):format(port)
end

local function show(request)
	return 200, ("%s %s %s"):format(request.method, request.url, request:body()), {
		["x-host"] = request.header.host,
		["x-type"] = request.header["content-type"],
		["x-agent"] = request.header["user-agent"],
	}
end

function case.requests_by_client()
	local base = listen(show)
	local http = client.new { header = { ["User-Agent"] = "test" } }
	local answer = http:get(base .. "/a?b=c#d")
	check.eq("get", { answer.status, answer.body, answer.header["x-agent"] }, { 200, "GET /a?b=c ", "test" })
	check.eq("host", "http://" .. answer.header["x-host"], base)
	answer = http:post(base, "text", { header = { ["content-type"] = "text/plain" } })
	check.eq("post", { answer.body, answer.header["x-type"] }, { "POST / text", "text/plain" })
	answer = http:request { url = base .. "/x y", method = "PUT", body = "b" }
	check.eq("put", answer.body, "PUT /x%20y b")
	answer = http:request { url = base, method = "HEAD" }
	check.eq("head", { answer.status, answer.body }, { 200, "" })
	local parts = { "one ", "", "two" }
	answer = http:request { url = base, body = function() return table.remove(parts, 1) end }
	check.eq("pieces", answer.body, "POST / one two")
	parts = { "1234", "5678" }
	answer = http:request { url = base, length = 8, body = function() return table.remove(parts, 1) end }
	check.eq("pieces of a length", answer.body, "POST / 12345678")
	check.fails("line end", "line end", http.get, http, base, { header = { a = "b\r\nc: d" } })
	for _, url in ipairs { "ftp://h/", "/x", "http://", "http://a:b@c/", "http://h:99999/" } do
		check.fails(url, "its url", http.get, http, url)
	end
	http:close()
	check.fails("closed", "closed", http.get, http, base)
end

function case.connections()
	local base, seen = listen(show)
	local http = client.new()
	for i = 1, 30 do
		check.eq("answer", http:get(base .. "/" .. i).status, 200)
	end
	check.eq("one connection", seen.connections, 1)
	-- At once: as many as it takes; of them some stay.
	local done = 0
	for _ = 1, 20 do
		skynet.fork(function()
			http:get(base)
			done = done + 1
		end)
	end
	check.ok("all", check.wait(function() return done == 20 end))
	local before = seen.connections
	for _ = 1, 8 do
		http:get(base)
	end
	check.eq("those that stayed", seen.connections, before)
	local stream = http:request { url = base, stream = true }
	check.eq("a piece", stream:read(), "GET / ")
	stream:close()
	http:get(base)
	http:close()
end

-- A connection that the server closes while it waits is not used, or replaced.
function case.stale_connections()
	local base, _, web = listen(show)
	local http = client.new()
	check.eq("first", http:get(base).status, 200)
	web:close()
	check.fails("nobody", "no connection", http.get, http, base)
	local answers = 0
	local listener, _, port = socket.listen("127.0.0.1", 0)
	socket.start(listener, function(id)
		skynet.fork(function()
			socket.start(id)
			socket.readline(id, "\r\n\r\n")
			answers = answers + 1
			socket.write(id, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
			socket.readline(id, "\r\n\r\n") -- the next request gets no answer
			socket.close(id)
		end)
	end)
	base = "http://127.0.0.1:" .. port
	for i = 1, 3 do
		check.eq("get " .. i, http:get(base).body, "hi")
	end
	check.eq("again on new ones", answers, 3)
	check.fails("not for a post", "has ended", http.post, http, base, "x")
end

function case.redirects()
	local other = listen(function(request)
		return 200, ("%s %s"):format(request.header.authorization or "nothing", request.header["x-kept"])
	end)
	local base = listen(function(request)
		local path = request.path
		local code, to = path:match "^/(%d+)(/.*)$"
		if code then
			return tonumber(code), "moved", { location = to }
		elseif path == "/loop" then
			return 302, nil, { location = "/loop" }
		elseif path == "/away" then
			return 302, nil, { location = other .. "/x" }
		elseif path == "/nowhere" then
			return 302, nil, { location = "gopher://h/" }
		elseif path == "/dir/relative" then
			return 302, nil, { location = "next?a" }
		end
		return show(request)
	end)
	local http = client.new()
	check.eq("get", http:get(base .. "/301/end").body, "GET /end ")
	check.eq("twice", http:get(base .. "/302/307/end").body, "GET /end ")
	check.eq("where to", http:get(base .. "/302/end").url, base .. "/end")
	check.eq("post becomes get", http:post(base .. "/303/end", "text").body, "GET /end ")
	check.eq("post stays", http:post(base .. "/308/end", "text").body, "POST /end text")
	check.eq("relative", http:get(base .. "/dir/relative").body, "GET /dir/next?a ")
	check.eq("not for ever", http:get(base .. "/loop").status, 302)
	check.eq("not at all", http:get(base .. "/302/end", { redirects = 0 }).status, 302)
	check.fails("nowhere", "redirect", http.get, http, base .. "/nowhere")
	local answer = http:get(base .. "/away", { header = { Authorization = "secret", ["x-kept"] = "yes" } })
	check.eq("secrets stay", answer.body, "nothing yes")
end

function case.deadlines()
	local base = listen(function(request)
		if request.path == "/slow" then
			skynet.sleep(300)
		elseif request.path == "/drip" then
			return 200, function()
				skynet.sleep(5)
				return "x"
			end
		end
		return show(request)
	end)
	local http = client.new { timeout = 30 }
	local function late(name, ...)
		local started = skynet.now()
		check.fails(name, "takes too long", http.get, http, ...)
		check.ok("not too early", skynet.now() - started >= 29)
	end
	late("a handler", base .. "/slow")
	late("a body", base .. "/drip")
	late("a head", raw("HTTP/1.1 200 OK\r\n", table.unpack((function()
		local bytes = {}
		for i = 1, 200 do
			bytes[i] = "x"
		end
		return bytes
	end)())))
	check.eq("in time", http:get(base .. "/fast").status, 200)
	local stream = http:request { url = base .. "/drip", stream = true }
	check.fails("a stream", "takes too long", function()
		while stream:read() do
		end
	end)
	check.eq("its own limit", http:get(base .. "/fast", { timeout = 500 }).status, 200)
end

-- `printf 'hello hello hello' | gzip -n`; and 8 MB of zeros, compressed by gzip and once more by deflate.
local GZIP <const> = "H4sIAAAAAAACA8tIzcnJV8hAkACAiPnlEQAAAA=="
local BOMB <const> = "eNrt17ENgkAAheE7LiYXRrAhJu7ABM7BKiSUNg7gDixgwwq0rEAYQTzGwHxf9deve80zh0OV1inGEv3rO265DgAAAMCf65chVUfc"
	.. "9q692wMAAABO4H15fOZrufXhBwiPDO8="

-- An answer without an end that is read for longer than a request may take.
function case.extended()
	local base = listen(function()
		local left = 12
		return 200, function()
			skynet.sleep(5)
			left = left - 1
			return left > 0 and "x" or nil
		end
	end)
	local http = client.new { timeout = 30 }
	local stream = http:request { url = base .. "/drip", stream = true }
	check.eq("the first piece", stream:read(), "x")
	stream:extend(false)
	local count = 1
	for _ in stream.read, stream do
		count = count + 1
	end
	check.eq("all of it", count, 11)

	stream = http:request { url = base .. "/drip", stream = true }
	stream:extend(1)
	check.fails("a shorter one", "takes too long", function()
		while stream:read() do
		end
	end)
	check.eq("no deadline for one request", #http:get(base .. "/drip", { timeout = false }).body, 11)
end

function case.decompression()
	local body, encoding
	local base = listen(function(request)
		return 200, body, { ["content-encoding"] = encoding, ["x-accept"] = request.header["accept-encoding"] }
	end)
	local http = client.new { bodylimit = 100000 }
	body, encoding = crypt.base64decode(GZIP), "gzip"
	local answer = http:get(base)
	check.eq("gzip", answer.body, "hello hello hello")
	check.eq("asked for", answer.header["x-accept"], "gzip, deflate")
	check.eq("not said any more", answer.header["content-encoding"], nil)
	answer = http:get(base, { decompress = false })
	check.ok("as it is", answer.body == body and answer.header["content-encoding"] == "gzip")
	answer = http:get(base, { header = { ["Accept-Encoding"] = "gzip" } })
	check.ok("who asks gets it", answer.body == body)
	body = body:sub(1, -12)
	check.fails("cut", "too early", http.get, http, base)
	body = "no gzip at all"
	check.fails("damaged", "damaged", http.get, http, base)
	encoding = "br"
	check.fails("unknown", "not known: br", http.get, http, base)
	body, encoding = crypt.base64decode(BOMB), "deflate"
	body = assert(http:get(base).body)
	encoding = "gzip"
	check.ok("a bomb of some kilobytes", #body < 10000)
	check.fails("is not set off", "more than 100000 bytes", http.get, http, base)
end

function case.bad_answers()
	local http = client.new { bodylimit = 100, headlimit = 1000, timeout = 500 }
	local cases = {
		{ "garbage", "version of HTTP", "garbage\r\n\r\n" },
		{ "nothing", "has ended before the answer", "" },
		{ "half a head", "has ended", "HTTP/1.1 200 OK\r\nA: b" },
		{ "cut", "has ended", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc" },
		{ "chunks", "chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n" },
		{ "two lengths", "not clear", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab" },
		{ "both", "not clear", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nab" },
		{ "long", "too long", "HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n" },
		{ "endless", "too long", "HTTP/1.1 200 OK\r\n\r\n" .. ("x"):rep(101) },
		{ "long head", "too long", "HTTP/1.1 200 OK\r\nA: " .. ("x"):rep(2000) .. "\r\n\r\n" },
		{ "interim", "1xx", ("HTTP/1.1 100 Continue\r\n\r\n"):rep(100) },
	}
	for _, c in ipairs(cases) do
		check.fails(c[1], c[2], http.get, http, raw(c[3]))
	end
	check.eq("until the end", http:get(raw("HTTP/1.0 200 OK\r\n\r\n", "all", " of it")).body, "all of it")
	check.eq("interim", http:get(raw "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx").body, "x")
	check.eq("204", http:get(raw "HTTP/1.1 204 None\r\nContent-Length: 5\r\n\r\n").body, "")
end

return check.main(role, case, ...)
