-- `ltls.c` and `http.tlshelper`.
local skynet = require "skynet"
local socket = require "skynet.socket"
local check = require "check"

local case = {}

-- Carries bytes between two objects until both have finished.
local function shake(client, server)
	local to_server, to_client = client:handshake(), nil
	for _ = 1, 10 do
		if to_server and to_server ~= "" and not server:finished() then
			to_client = server:handshake(to_server)
		end
		if server:finished() then
			to_client = (to_client or "") .. server:write()
		end
		if to_client and not client:finished() then
			to_server = client:handshake(to_client)
			if client:finished() then
				to_server = client:write()
			end
			to_client = nil
		elseif to_client then
			client:read(to_client)
			to_client = nil
		end
		if client:finished() and server:finished() then
			return true
		end
	end
end

function case.objects()
	local c = require "ltls.c"
	local ctx = c.newctx()
	ctx:set_cert("server.pem", "server.key")
	local server, client = c.newtls("server", ctx), c.newtls("client", c.newctx(), "a.example")
	check.eq("before", { client:finished(), server:finished() }, { false, false })
	check.ok("handshake", shake(client, server))
	check.fails("once", "handshake is finished", client.handshake, client)
	check.eq("early read", client:read(), "")
	local text = ("0123456789"):rep(20000)
	check.eq("both ways", { server:read(client:write(text)), client:read(server:write "x") }, { text, "x" })
	check.eq("in pieces", (function()
		local cipher, plain = client:write "piece by piece", {}
		for i = 1, #cipher do
			plain[#plain + 1] = server:read(cipher:sub(i, i))
		end
		return table.concat(plain)
	end)(), "piece by piece")
	check.eq("name", { server:info().servername, client:name(), server:name() }, { "a.example", "a.example" })
	check.eq("unverified", { client:info().verified, client:info().names[1] }, { false, "localhost" })
	check.fails("broken", "SSL_read error:1", server.read, server, ("x"):rep(100))
	check.ok("why", server:reason():find "TLS: ")
	check.fails("after that", "SSL_read error:1", server.read, server)
	check.fails("nor writing", "SSL_write error:1", server.write, server, "x")
	client:close()
	client:close()
	for _, name in ipairs { "finished", "read", "write", "handshake", "reason", "info", "name", "last" } do
		check.fails(name, "context is closed", client[name], client)
	end
end

function case.texts()
	local c = require "ltls.c"
	local ctx = c.newctx()
	check.fails("method", "invalid method:x e.g[server, client]", c.newtls, "x", ctx)
	check.fails("context", "need sslctx", c.newtls, "client")
	check.fails("no file", "need certfile", ctx.set_cert, ctx)
	check.fails("no key", "need private key", ctx.set_cert, ctx, "server.pem")
	check.fails("missing", "SSL_CTX_use_certificate_chain_file error:0", ctx.set_cert, ctx, "none.pem", "server.key")
	check.fails("missing key", "SSL_CTX_use_PrivateKey_file error:0", ctx.set_cert, ctx, "server.pem", "none.key")
	check.fails("no key in it", "SSL_CTX_use_PrivateKey_file error:0", ctx.set_cert, ctx, "ca.pem", "ca.pem")
	check.fails("another's", "SSL_CTX_check_private_key error:0", ctx.set_cert, ctx, "server.pem", "client.pem")
	check.fails("ciphers", "SSL_CTX_set_tlsext_use_srtp error:1", ctx.set_ciphers, ctx, "HIGH")
	check.fails("no ciphers", "need cipher list", ctx.set_ciphers, ctx)
	local server = c.newtls("server", ctx)
	check.fails("no certificate", "SSL_do_handshake error:1 ret:-1", server.handshake, server, "x")
	check.ok("why", server:reason():find("set cert and key", 1, true))
	local client = c.newtls("client", ctx, nil)
	check.fails("too early", "SSL_write error:2", client.write, client, "x")
	check.eq("hello", { client:handshake():byte(1), client:finished() }, { 22, false })
	check.eq("name", { client:set_ext_host_name "x" }, { 1 })
	check.fails("not TLS", "SSL_do_handshake error:1 ret:-1", client.handshake, client, "HTTP/1.1 400 Bad Request\r\n")
	check.ok("why", client:reason():find "speaks HTTP in the clear")
	check.eq("last", { client:last():byte(1), client:last() }, { 21, "" })
	local named = c.newtls("client", c.newctx(), "host.example")
	check.ok("told", named:handshake():find("host.example", 1, true))
	for i, options in ipairs { { verifi = true }, { verify = 1 }, { ca = true }, { [1] = 1 }, { alpn = {} }, 5 } do
		check.ok("options " .. i, not pcall(c.newctx, options))
	end
end

-- A server of the helper, for one connection; what it says on its own.
local function serve(ctx, f)
	local helper = require "http.tlshelper"
	local id, _, port = socket.listen("127.0.0.1", 0)
	socket.start(id, function(fd)
		socket.start(fd)
		local tls = helper.newtls("server", ctx)
		local ok, failure = pcall(helper.init_responsefunc(fd, tls))
		f(ok and helper.readfunc(fd, tls), ok and helper.writefunc(fd, tls) or failure)
		socket.close(fd)
		tls:close()
	end)
	return port
end

local function connect(port, ctx, hostname, name)
	local helper = require "http.tlshelper"
	local fd = assert(socket.open("127.0.0.1", port))
	local tls = helper.newtls("client", ctx, hostname, name)
	local ok, failure = pcall(helper.init_requestfunc(fd, tls))
	if not ok then
		socket.close(fd)
		return nil, failure
	end
	return {
		tls = tls,
		read = helper.readfunc(fd, tls),
		write = helper.writefunc(fd, tls),
		readall = helper.readallfunc(fd, tls),
		close = function()
			socket.close(fd)
			helper.closefunc(tls)()
		end,
	}
end

function case.helper()
	local helper = require "http.tlshelper"
	local ctx = helper.newctx()
	ctx:set_cert("server.pem", "server.key")
	local port = serve(ctx, function(read, write)
		write(read(5):upper())
		write(read(70000))
		write "the rest"
	end)
	local c = connect(port, helper.newctx { ca = "ca.pem" }, "a.example")
	c.write "hello"
	check.eq("n bytes", c.read(5), "HELLO")
	local text = ("z"):rep(70000)
	c.write(text)
	check.ok("many", c.read(70000) == text)
	check.eq("all", c.readall(), "the rest")
	check.eq("verified", c.tls:info().verified, true)
	local id, _, listening = socket.listen("127.0.0.1", 0)
	socket.start(id, function() end)
	local driver = require "skynet.socketdriver"
	check.eq("peer", { driver.peer(socket.open("127.0.0.1", listening)) }, { "127.0.0.1", listening })
	check.eq("no peer", { driver.peer(9999) }, {})
	c.close()
end

-- Without a name it is the address that has to be in the certificate.
function case.verified()
	local helper = require "http.tlshelper"
	local server = helper.newctx()
	local told = {}
	local port = serve(server, function(read, failure)
		told[#told + 1] = read and "good" or failure
	end)
	local function outcome(cert, ctx, ...)
		server:set_cert(cert, cert)
		local c, failure = connect(port, ctx, ...)
		if c then
			c.close()
		end
		return c and "good" or failure
	end
	local known = helper.newctx { ca = "ca.pem" }
	check.eq("address", outcome("server.pem", known), "good")
	check.eq("name", outcome("server.pem", known, "a.example"), "good")
	check.eq("name that is not told", outcome("server.pem", known, nil, "localhost"), "good")
	for i, t in ipairs {
		{ "server.pem", known, "b.example", "made out to others: localhost, a.example, 127.0.0.1" },
		{ "other.pem", known, nil, "the certificate of 127.0.0.1 is made out to others: other.example" },
		{ "expired.pem", known, "localhost", "has expired (2020-01-01 00:00:00 UTC)" },
		{ "server.pem", helper.newctx { ca = "stranger.pem" }, "localhost", "trusted are those in stranger.pem" },
		{ "server.pem", helper.newctx(), "localhost", "signed by nobody who is trusted here" },
	} do
		local failure = outcome(t[1], t[2], t[3])
		check.ok("refused " .. i, failure:find(t[4], 1, true), failure)
		check.ok("as in C " .. i, failure:find("SSL_do_handshake error:1 ret:-1", 1, true), failure)
	end
	check.eq("without", outcome("expired.pem", helper.newctx { verify = false }, "b.example"), "good")
	check.eq("again", outcome("expired.pem", helper.newctx { verify = false }, "b.example"), "good")
	skynet.sleep(10)
	check.ok("the server hears why", table.concat(told, "\n"):find("the peer refuses: ", 1, true), told[4])
end

-- The objects of `ltls.c` under `tlsverify`, and the helper's own contexts.
function case.policy()
	local c, helper = require "ltls.c", require "http.tlshelper"
	local server = c.newctx()
	server:set_cert("server.pem", "server.key")
	local port = serve(server, function() end)
	local function outcome(...)
		local link = connect(port, ...)
		if link then
			link.close()
		end
		return link ~= nil
	end
	local policy = skynet.getenv "tlsverify"
	check.eq("ltls.c", outcome(c.newctx(), "b.example"), policy ~= "strict")
	check.eq("helper", outcome(helper.newctx(), "b.example"), policy == "false")
	check.eq("with authorities", outcome(helper.newctx { ca = "ca.pem", verify = true }, "a.example"), true)
	if policy == "strict" then
		check.fails("no exceptions", "tlsverify = \"strict\"", helper.newctx, { verify = false })
	else
		check.eq("exception", outcome(helper.newctx { verify = false }, "c.example"), true)
	end
end

function case.uninitialised()
	check.fails("ltls.c", "ltls need init, Put enablessl = true in you config file.", require, "ltls.c")
	check.ok("the helper needs nothing", require("http.tlshelper").newctx())
	require("ltls.init.c").constructor()
	check.ok("now it can be used", require("ltls.c").newctx())
end

return check.main("tls/objects", case, ...)
