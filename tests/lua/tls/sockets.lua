-- TLS on sockets: `socket.tls`, listeners, gates, socket channels.
local skynet = require "skynet"
local check = require "check"

local case, role = {}, {}

local OWN = { cert = "server.pem", key = "server.key" }

-- A gate reads the engine's messages itself, so a role that is one must not load these.
local function tools()
	return require "skynet.socket", require "pair"
end

local function with(options, more)
	local all = {}
	for key, value in pairs(options) do
		all[key] = value
	end
	for key, value in pairs(more) do
		all[key] = value
	end
	return all
end

local CLIENT = { ca = "ca.pem", name = "localhost" }

-- Accepts connections with TLS; f(id) once they have been started.
local function server(f, options, host)
	local socket = tools()
	local listener, _, port = socket.listen(host or "127.0.0.1", 0, nil, options or OWN)
	assert(socket.start(listener, function(id, from)
		assert(socket.start(id))
		f(id, from)
	end))
	return port, listener
end

local function echo(id)
	local socket = tools()
	while true do
		local data = socket.read(id)
		if not data then
			break
		end
		socket.write(id, data)
	end
	socket.close(id)
end

local function open(port, options)
	local socket = tools()
	local id = assert(socket.open("127.0.0.1", port))
	local ok, why = socket.tls(id, options or CLIENT)
	if not ok then
		socket.close(id)
		return nil, why
	end
	check.ok("its id", ok == id)
	return id
end

function case.echo()
	local socket = tools()
	local info
	local port = server(function(id)
		info = socket.tlsinfo(id)
		echo(id)
	end, with(OWN, { alpn = { "h2", "line" } }))
	local id = open(port, with(CLIENT, { alpn = { "line" }, name = "a.example" }))
	socket.write(id, "hello\nwor")
	check.eq("line", socket.readline(id), "hello")
	socket.write(id, { "ld\n", 5, "\n" })
	check.eq("pieces", { socket.readline(id), socket.readline(id) }, { "world", "5" })
	local big = ("0123456789abcdef"):rep(300000)
	socket.lwrite(id, big)
	check.ok("much", socket.read(id, #big) == big)
	check.eq("nothing waits", socket.pending(id), 0)
	local own = socket.tlsinfo(id)
	check.eq("client", { own.version, own.verified, own.alpn, own.names }, { "TLSv1.3", true, "line", { "localhost", "a.example" } })
	check.eq("server", { info.version, info.verified, info.alpn, info.servername, info.names },
		{ "TLSv1.3", false, "line", "a.example", nil })
	check.eq("of others", { socket.tlsinfo(9999) }, {})
	for _, entry in ipairs(socket.netstat()) do
		if entry.id == id then
			check.eq("counted", { entry.type, entry.read, entry.write }, { "TCP", 8 + 6 + #big, 14 + #big })
		end
	end
	socket.close(id)
end

-- Many at once, in several services: none waits for another.
function case.many()
	local socket = tools()
	local port = server(echo)
	local done = 0
	for n = 1, 50 do
		skynet.fork(function()
			local id = open(port)
			for m = 1, 20 do
				local text = ("%d.%d\n"):format(n, m)
				socket.write(id, text)
				if socket.readline(id) .. "\n" ~= text then
					return
				end
			end
			socket.close(id)
			done = done + 1
		end)
	end
	check.ok("all", check.wait(function() return done == 50 end), done)
end

-- The end of a connection is said, or it is not.
function case.ends()
	local socket = tools()
	local seen = {}
	local port = server(function(id)
		local rest = table.pack(socket.readline(id))
		rest.n = nil
		rest.again = { socket.read(id) }
		socket.close(id)
		seen[#seen + 1] = rest
	end)
	local id = open(port)
	socket.write(id, ("x"):rep(200000))
	socket.close(id)
	check.wait(function() return seen[1] end)
	local first = seen[1]
	check.eq("in order", { first[1], #first[2], first[3], first.again }, { false, 200000, nil, { false, "" } })
	id = open(port)
	socket.write(id, "half a li")
	check.wait(function() return socket.pending(id) == 0 end)
	skynet.sleep(5)
	socket.shutdown(id)
	socket.close(id)
	check.wait(function() return seen[2] end)
	local why = "TLS: the connection ended without close_notify: what came may be cut off"
	check.eq("cut off", seen[2], { false, "half a li", why, again = { false, "", why } })
	-- Whoever has said its last word can still be answered.
	local answer
	port = server(function(other)
		socket.write(other, ("y"):rep(100000))
		socket.close(other)
	end)
	id = open(port)
	answer = { socket.readall(id) }
	check.eq("all of it", { #answer, #answer[1] }, { 1, 100000 })
	socket.close(id)
end

-- TLS begins after some words in the clear, on either side first.
function case.later()
	local socket, pair = tools()
	local port = pair.server(function(id)
		assert(socket.start(id))
		if socket.readline(id) ~= "begin" then
			return socket.close(id)
		end
		socket.write(id, "go on\n")
		skynet.sleep(5) -- the client's first record has come by then
		check.eq("server", socket.tls(id, with(OWN, { role = "server" })), id)
		echo(id)
	end)
	local id = assert(socket.open("127.0.0.1", port))
	check.eq("not yet", socket.tlsinfo(id), nil)
	socket.write(id, "begin\n")
	check.eq("answer", socket.readline(id), "go on")
	-- What is sent during the handshake waits for it.
	skynet.fork(function()
		skynet.sleep(1)
		socket.write(id, "early\n")
	end)
	check.eq("client", socket.tls(id, CLIENT), id)
	check.eq("hidden", socket.readline(id), "early")
	check.eq("once", { socket.tls(id, CLIENT) }, { nil, "invalid socket" })
	check.fails("unknown", "no socket 9999 in this service", socket.tls, 9999)
	check.fails("options", "unknown TLS option 'cacert'", socket.tls, id, { cacert = "x" })
	socket.close(id)
	local driver = require "skynet.socketdriver"
	check.eq("of nothing", { driver.hush(9999, CLIENT) }, { false, "invalid socket" })
	check.eq("nor that", { driver.secure(9999, CLIENT, "") }, { false, "invalid socket" })
	check.fails("role", "a listener has the role \"server\"", socket.listen, "127.0.0.1", 0, nil, { role = "client" })
	check.fails("no certificate", "set cert and key", socket.listen, "127.0.0.1", 0, nil, {})
	check.fails("no file", "cannot read none.pem", socket.listen, "127.0.0.1", 0, nil, { cert = "none.pem" })
	id = assert(socket.open("127.0.0.1", port))
	local ok, why = socket.tls(id, { ca = "none.pem" })
	check.ok("no file either", not ok and why:find("cannot read none.pem", 1, true), why)
	socket.close(id)
end

function case.refused()
	local socket = tools()
	local other, expired = server(echo, { cert = "other.pem" }), server(echo, { cert = "expired.pem" })
	local good = server(echo)
	for i, t in ipairs {
		{ other, CLIENT, "the certificate of localhost is made out to others: other.example" },
		{ other, { ca = "ca.pem" }, "the certificate of 127.0.0.1 is made out to others: other.example" },
		{ expired, CLIENT, "the certificate of localhost has expired (2020-01-01 00:00:00 UTC)" },
		{ good, { ca = "stranger.pem", name = "localhost" }, "(trusted are those in stranger.pem)" },
		{ good, { name = "localhost" }, "(trusted are those of the system)" },
		{ good, { name = "a b" }, "\"a b\" is neither a host name nor an address" },
	} do
		local id, why = open(t[1], t[2])
		check.ok("refused " .. i, not id and why:find(t[3], 1, true), why)
	end
	check.ok("its address is in it", open(good, { ca = "ca.pem" }))
	check.ok("without verification", open(expired, { verify = false }))
end

-- What was written before the server has proved who it is does not get there.
function case.secret()
	local socket, pair = tools()
	local helper = require "http.tlshelper"
	local socketchannel = require "skynet.socketchannel"
	local heard = {}
	local port = server(function(id)
		heard[#heard + 1] = socket.read(id) or "nothing"
		socket.close(id)
	end, { cert = "other.pem" })
	local id = assert(socket.open("127.0.0.1", port))
	local job = pair.background(function()
		skynet.sleep(0)
		return socket.write(id, "secret")
	end)
	check.eq("refused", (socket.tls(id, CLIENT)), nil)
	pair.finished(job)
	socket.close(id)
	local channel = socketchannel.channel { host = "127.0.0.1", port = port, tls = CLIENT }
	check.ok("channel", not pcall(channel.request, channel, "secret"))
	channel:close()
	id = assert(socket.open("127.0.0.1", port))
	local tls = helper.newtls("client", helper.newctx { ca = "ca.pem" }, "localhost")
	check.ok("helper", not pcall(helper.init_requestfunc(id, tls)))
	check.ok("nor after that", not pcall(helper.writefunc(id, tls), "secret"))
	socket.close(id)
	skynet.sleep(10)
	check.eq("nobody has heard anything", heard, {})
	id = assert(open(port, with(CLIENT, { name = "other.example" })))
	socket.write(id, "secret")
	check.ok("the right one does", check.wait(function() return heard[1] == "secret" end))
	socket.close(id)
end

function case.client_certificates()
	local socket = tools()
	local info
	local port = server(function(id)
		info = socket.tlsinfo(id)
		echo(id)
	end, with(OWN, { ca = "ca.pem" }))
	local id = open(port, with(CLIENT, { cert = "client.pem" }))
	check.ok("seen", check.wait(function() return info end))
	check.eq("verified", { info.verified, info.names }, { true, { "client.example" } })
	-- With TLS 1.3 a client is through before the server has seen its certificate.
	for i, t in ipairs {
		{ CLIENT, "it wants a certificate of this side; set cert and key" },
		{ with(CLIENT, { cert = "stranger.pem" }), "it does not know the authority of the certificate here" },
	} do
		local fd, why = open(port, t[1])
		if fd then
			check.eq("refused " .. i, (socket.read(fd)), false)
			socket.close(fd)
		else
			check.ok("refused " .. i, why:find(t[2], 1, true), why)
		end
	end
	local optional = server(echo, with(OWN, { ca = "ca.pem", clientcert = "optional" }))
	id = open(optional)
	socket.write(id, "x")
	check.eq("optional", socket.read(id), "x")
end

-- A peer that says nothing does not keep anybody.
function case.deadlines()
	local socket, pair = tools()
	local silent = pair.server(function(id) socket.start(id) end)
	local id = assert(socket.open("127.0.0.1", silent))
	local ok, why = socket.tls(id, with(CLIENT, { timeout = 20 }))
	check.eq("client", { ok, why }, { nil, "TLS: the handshake has not ended within 0.2 s" })
	socket.close(id)
	local accepted = 0
	local port = server(function() accepted = accepted + 1 end, with(OWN, { timeout = 20 }))
	id = assert(socket.open("127.0.0.1", port))
	check.eq("server", socket.read(id), false)
	check.eq("nobody heard of it", accepted, 0)
	socket.close(id)
	-- Nor does one that says little.
	local core = require "skynet.tls.core"
	local hello = core.newtls("client", core.newctx { verify = false }, "localhost"):handshake()
	id = assert(socket.open("127.0.0.1", port))
	local said = 0
	pair.background(function()
		while said < #hello and not socket.disconnected(id) and not socket.invalid(id) do
			said = said + 1
			socket.write(id, hello:sub(said, said))
			skynet.sleep(2)
		end
	end)
	check.eq("byte by byte", (socket.read(id)), false)
	check.ok("it was not through", said < #hello, said)
	socket.close(id)
	check.eq("nobody heard of that one either", accepted, 0)
	-- It ends early, when it is given up.
	id = assert(socket.open("127.0.0.1", silent))
	skynet.timeout(5, function() socket.close(id) end)
	check.eq("given up", { socket.tls(id, CLIENT) }, { nil, "socket closed" })
	-- Or when the peer goes.
	local goes = pair.server(function(fd) socket.start(fd) skynet.sleep(5) socket.close(fd) end)
	id = assert(socket.open("127.0.0.1", goes))
	ok, why = socket.tls(id, CLIENT)
	check.ok("gone", not ok and why:find "ended the connection during the handshake", why)
	socket.close(id)
end

-- Records come in pieces of one byte.
function case.pieces()
	local socket, pair = tools()
	local driver = require "skynet.socketdriver"
	local port = server(echo)
	local proxy = pair.server(function(id)
		socket.start(id)
		local to = assert(socket.open("127.0.0.1", port))
		driver.nodelay(to)
		driver.nodelay(id)
		local function carry(a, b)
			while true do
				local data = socket.read(a)
				if not data then
					break
				end
				for i = 1, #data do
					socket.write(b, data:sub(i, i))
					if i % 50 == 0 then
						skynet.yield()
					end
				end
			end
			socket.close(b)
		end
		skynet.fork(carry, to, id)
		carry(id, to)
	end)
	local id = open(proxy)
	socket.write(id, ("piece by piece "):rep(100))
	check.eq("all of it", socket.read(id, 1500), ("piece by piece "):rep(100))
	socket.close(id)
end

function case.hand_over()
	local socket = tools()
	local other = check.spawn "taker"
	local port = server(function(id)
		local first = socket.read(id, 5)
		socket.abandon(id)
		skynet.call(other, "lua", "take", id, first)
	end)
	local id = open(port)
	socket.write(id, "first")
	check.eq("another service", socket.readline(id), "taken: first")
	socket.write(id, "second\n")
	check.eq("goes on", socket.readline(id), "second")
	socket.close(id)
end

function role.taker()
	local socket = tools()
	check.serve {
		take = function(id, first)
			assert(socket.start(id))
			socket.write(id, "taken: " .. first .. "\n")
			skynet.fork(echo, id)
		end,
	}
end

-- Limits of output hold for what waits to be encrypted, and for what is.
function case.limits()
	local socket = tools()
	local accepted
	local port = server(function(id)
		accepted = id
	end)
	local id = open(port)
	check.wait(function() return accepted end)
	socket.pause(accepted)
	local warned = {}
	socket.warning(id, function(_, kb) warned[#warned + 1] = kb end)
	local sent, piece = 0, ("x"):rep(1 << 20)
	repeat
		socket.write(id, piece)
		sent = sent + #piece
	until socket.pending(id) > 4 << 20
	check.ok("warned", check.wait(function() return #warned >= 2 end))
	check.ok("in KiB", math.max(table.unpack(warned)) >= 2048)
	check.ok("all arrives", socket.read(accepted, sent) == ("x"):rep(sent))
	check.ok("nothing waits", check.wait(function() return socket.pending(id) == 0 and warned[#warned] == 0 end))
	socket.writelimit(id, 1 << 20)
	socket.pause(accepted)
	repeat
		local more = socket.write(id, piece)
		skynet.yield()
	until not more
	check.ok("beyond the limit it is closed", check.wait(function() return socket.disconnected(id) end))
	local _, _, why = socket.readall(accepted)
	check.ok("the other end can tell", why == nil or why:find "close_notify")
end

-- What a slow service has not handled is not read.
function case.input()
	local socket = tools()
	local accepted
	local port = server(function(id) accepted = id end)
	local id = open(port)
	check.wait(function() return accepted end)
	socket.pause(accepted)
	local piece = ("y"):rep(1 << 20)
	for _ = 1, 64 do
		socket.write(id, piece)
	end
	check.ok("it waits at the sender", socket.pending(id) > 8 << 20, socket.pending(id))
	check.ok("and arrives", #socket.read(accepted, 64 << 20) == 64 << 20)
	socket.close(id)
end

function case.channel()
	local socket = tools()
	local socketchannel = require "skynet.socketchannel"
	local port = server(function(id)
		while true do
			local line = socket.readline(id)
			if not line then
				break
			end
			socket.write(id, line:upper() .. "\n")
		end
		socket.close(id)
	end)
	local function ask(description)
		description.host, description.port = description.host or "127.0.0.1", port
		local channel = socketchannel.channel(description)
		local ok, answer = pcall(channel.request, channel, "hello\n", function(sock)
			return true, sock:readline()
		end)
		channel:close()
		return ok, answer
	end
	check.eq("by its address", { ask { tls = { ca = "ca.pem" } } }, { true, "HELLO" })
	check.eq("by its name", { ask { host = "localhost", tls = { ca = "ca.pem" } } }, { true, "HELLO" })
	check.eq("unknown", { ask { tls = true } }, { false, socketchannel.error })
	check.eq("another name", { ask { tls = { ca = "ca.pem", name = "b.example" } } }, { false, socketchannel.error })
end

function role.gate()
	local gateserver = require "snax.gateserver"
	local netpack = require "skynet.netpack"
	local driver = require "skynet.socketdriver"
	local handler = {}
	function handler.open(_, conf)
		return conf.port
	end
	handler.connect = gateserver.openclient
	function handler.message(fd, msg, sz)
		driver.send(fd, netpack.pack("gate " .. netpack.tostring(msg, sz)))
	end
	gateserver.start(handler)
end

local function frames(port, count)
	local socket = tools()
	local done = 0
	for n = 1, count do
		skynet.fork(function()
			local id = open(port)
			socket.write(id, string.pack(">s2>s2", "one" .. n, "two"))
			local a = socket.read(id, (">I2"):unpack(socket.read(id, 2)))
			local b = socket.read(id, (">I2"):unpack(socket.read(id, 2)))
			socket.close(id)
			if a:find("one" .. n, 1, true) and b:find "two" then
				done = done + 1
			end
		end)
	end
	return check.wait(function() return done == count end)
end

function case.gate()
	local gate = check.spawn "gate"
	local port = skynet.call(gate, "lua", "open", { address = "127.0.0.1", port = 0, tls = OWN, maxclient = 64 })
	check.ok("gateserver", frames(port, 20))
	local ok, why = pcall(skynet.call, check.spawn "gate", "lua", "open", { address = "127.0.0.1", port = 0, tls = {} })
	check.ok("without a certificate", not ok, why)
end

function role.watchdog(port)
	local gate
	skynet.register_protocol {
		name = "text",
		id = skynet.PTYPE_TEXT,
		pack = function(text) return text end,
		unpack = skynet.tostring,
		dispatch = function(_, _, text)
			local id, what, rest = text:match "^(%d+) (%a+) ?(.*)$"
			if what == "open" then
				skynet.send(gate, "text", "start " .. id)
			elseif what == "data" then
				require("skynet.socketdriver").send(tonumber(id), string.pack(">s2", "native " .. rest))
			end
		end,
	}
	skynet.start(function()
		gate = skynet.launch("gate", "S", skynet.address(skynet.self()), "127.0.0.1:" .. port, 0, 64,
			"cert=server.pem", "key=server.key")
	end)
end

function case.native_gate()
	local _, pair = tools()
	local port = pair.dead_port()
	check.spawn("watchdog", port)
	check.ok("native", frames(port, 20))
	check.eq("without a certificate", skynet.launch("gate", "S", "!", "127.0.0.1:" .. pair.dead_port(), 0, 64, "cert=none.pem"), nil)
end

-- The next connection gets the certificate that is there by then.
function case.renewed()
	local socket = tools()
	local port = server(echo)
	local function names()
		local id = open(port, { verify = false })
		local found = socket.tlsinfo(id).names[1]
		socket.close(id)
		return found
	end
	local function copy(from, to)
		local source <close> = assert(io.open(from, "rb"))
		local fresh <close> = assert(io.open("fresh", "wb"))
		fresh:write(source:read "a")
		fresh:close()
		assert(os.rename("fresh", to))
	end
	local old = open(port)
	check.eq("before", names(), "localhost")
	copy("other.pem", "server.pem")
	check.eq("the key has not come", names(), "localhost")
	copy("other.pem", "server.key")
	check.eq("after", names(), "other.example")
	socket.write(old, "still there")
	check.eq("old connections stay", socket.read(old), "still there")
end

-- `tlsverify`
function case.policy()
	local port = server(echo)
	local policy = skynet.getenv "tlsverify"
	check.eq("by default", open(port, {}) ~= nil, policy == "false")
	check.eq("known", open(port, CLIENT) ~= nil, true)
	if policy == "strict" then
		check.fails("no exceptions", "tlsverify = \"strict\"", open, port, { verify = false })
	else
		check.eq("exception", open(port, { verify = false, name = "c.example" }) ~= nil, true)
	end
end

-- For peers from outside.
function case.outside()
	local socket = tools()
	local function echo_lines(id)
		while true do
			local line, rest, why = socket.readline(id)
			if not line then
				print("END", #rest, why)
				break
			elseif line == "end" then
				break
			elseif line:match "^%d+$" then
				socket.write(id, ("z"):rep(tonumber(line)) .. "\n")
			else
				socket.write(id, "echo " .. #line .. " " .. line:sub(1, 100) .. "\n")
			end
		end
		socket.close(id)
	end
	local options = skynet.getenv "clients" == "known" and with(OWN, { ca = "ca.pem" }) or OWN
	local port = server(function(id)
		local info = socket.tlsinfo(id)
		print("CLIENT", info.version, info.verified, info.names and info.names[1])
		echo_lines(id)
	end, options)
	print("PORT " .. port)
	skynet.sleep(100000)
end

-- Connects to a server outside, and says what it has got.
function case.dial()
	local socket = tools()
	local id = assert(socket.open("127.0.0.1", math.tointeger(skynet.getenv "port")))
	local options = { ca = "ca.pem", name = skynet.getenv "name", cert = skynet.getenv "cert" }
	local ok, why = socket.tls(id, options)
	if not ok then
		print("REFUSED " .. why)
	else
		print("CONNECTED " .. socket.tlsinfo(id).version)
		socket.write(id, skynet.getenv "say" .. "\n")
		print("GOT ", socket.readline(id))
	end
	socket.close(id)
	check.ok("done", true)
end

return check.main(role, case, ...)
