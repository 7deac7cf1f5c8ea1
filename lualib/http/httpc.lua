-- A client of HTTP: a connection for each request.
local skynet = require "skynet"
local core = require "skynet.core"
local internal = require "http.internal"
local sockethelper = require "http.sockethelper"

local httpc = {}

local PORTS <const> = { http = 80, https = 443 }

local resolver -- skynet.dns, once it has been asked for

function httpc.dns(server, port)
	resolver = require "skynet.dns"
	resolver.server(server, port)
end

-- `name[:port]` as name, port and kind of name.
local function parse_host(text)
	local _, colons = text:gsub(":", "")
	if colons >= 2 then
		local name, port = text:match "^%[([^%]]*)%]:?(%d*)$"
		core.check(name, ("Invalid host: bare IPv6 address '%s', use '[%s]' instead"):format(text, text))
		return name, tonumber(port), "ipv6"
	end
	local name, port = text:match "^([^:]+):(%d+)$"
	name = name or text
	return name, tonumber(port), name:find "^%d+%.%d+%.%d+%.%d+$" and "ipv4" or "hostname"
end

local function invalid_protocol(scheme)
	core.raise("Invalid protocol: " .. scheme)
end

local tls_context, tls_options -- of all requests of this service, and what it was made of

local function interface(scheme, fd, hostname)
	if scheme == "http" then
		return {
			read = sockethelper.readfunc(fd),
			write = sockethelper.writefunc(fd),
			readall = function()
				return sockethelper.readall(fd)
			end,
		}
	elseif scheme ~= "https" then
		invalid_protocol(scheme)
	end
	local helper = require "http.tlshelper"
	if not tls_context or tls_options ~= httpc.tls then
		tls_context, tls_options = helper.newctx(httpc.tls), httpc.tls
	end
	local tls = helper.newtls("client", tls_context, hostname)
	return {
		init = helper.init_requestfunc(fd, tls),
		close = helper.closefunc(tls),
		read = helper.readfunc(fd, tls),
		write = helper.writefunc(fd, tls),
		readall = helper.readallfunc(fd, tls),
	}
end

local function resolve(name)
	local address, why = resolver.resolve(name)
	return core.check(address, ("%s dns resolve failed msg:%s"):format(name, why))
end

-- A connection for a request: { fd =, interface =, host =, finish = f }.
local function connect(host)
	local scheme, rest = host:match "^(%a+)://(.*)$"
	scheme, rest = (scheme or "http"):lower(), rest or host
	local name, port, kind = parse_host(rest)
	port = port or PORTS[scheme] or invalid_protocol(scheme)
	local address = name
	if resolver and kind == "hostname" then
		address = resolve(name)
	end
	local timeout = httpc.timeout
	local fd = sockethelper.connect(address, port, timeout)
	local connection = { fd = fd, host = rest, open = true, waiting = true }

	function connection.close()
		if connection.open then
			connection.open, connection.waiting = false, false
			sockethelper.close(fd)
			if connection.interface and connection.interface.close then
				connection.interface.close()
			end
		end
	end

	if timeout then
		skynet.timeout(timeout, function()
			if connection.waiting then
				sockethelper.shutdown(fd)
			end
		end)
	end
	local hostname = kind == "hostname" and name or nil
	local ok, result = pcall(interface, scheme, fd, hostname)
	if not ok then
		connection.close()
		error(result, 0)
	end
	connection.interface, connection.hostname = result, hostname
	return connection
end

local function begin(connection, method, url, recvheader, header, content)
	local link = connection.interface
	if link.init then
		link.init(connection.hostname)
	end
	return internal.request(link, method, connection.host, url, recvheader, header, content)
end

local function exchange(connection, method, url, ...)
	local code, rest, header = begin(connection, method, url, ...)
	return code, internal.response(connection.interface, code, rest, header)
end

-- Runs f(connection, ...) and closes the connection, whatever comes of it.
local function within(host, f, ...)
	local connection = connect(host)
	local ok, a, b = pcall(f, connection, ...)
	connection.close()
	if not ok then
		error(a, 0)
	end
	return a, b
end

function httpc.request(method, host, url, recvheader, header, content)
	return within(host, exchange, method, url, recvheader, header, content)
end

function httpc.head(host, url, recvheader, header, content)
	return (within(host, begin, "HEAD", url, recvheader, header, content))
end

function httpc.request_stream(method, host, url, recvheader, header, content)
	local connection = connect(host)
	local ok, code, rest, fields = pcall(begin, connection, method, url, recvheader, header, content)
	if not ok then
		connection.close()
		error(code, 0)
	end
	connection.waiting = false
	local made, stream = pcall(internal.response_stream, connection.interface, code, rest, fields)
	if not made then
		connection.close()
		error(stream, 0)
	end
	stream._onclose = connection.close
	return stream
end

function httpc.get(...)
	return httpc.request("GET", ...)
end

local function escape(text)
	core.check(type(text) == "string" or type(text) == "number", "a form has strings and numbers")
	return (tostring(text):gsub("[^%w_]", function(c)
		return ("%%%02X"):format(c:byte())
	end))
end

function httpc.post(host, url, form, recvheader)
	local pieces = {}
	for k, v in pairs(form) do
		pieces[#pieces + 1] = escape(k) .. "=" .. escape(v)
	end
	local header = { ["content-type"] = "application/x-www-form-urlencoded" }
	return httpc.request("POST", host, url, recvheader, header, table.concat(pieces, "&"))
end

return httpc
