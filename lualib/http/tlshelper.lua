-- TLS over a plain socket of `skynet.socket`: the objects of `ltls.c`, and functions that read and write through them.
--
-- A context that is made here verifies servers, unless the config key `tlsverify` or the option `verify` says
-- otherwise; one of `ltls.c` itself does not. Where no name was given to verify, the certificate has to be made out to
-- the address that the socket is connected to.

local socket = require "skynet.socket"
local driver = require "skynet.socketdriver"
local core = require "skynet.tls.core"

local helper = {}

local function lost(what, fd)
	error(require("http.sockethelper").socket_error(("%s failed fd = %s"):format(what, fd)))
end

local function receive(fd)
	local data = socket.read(fd)
	if not data then
		lost("read", fd)
	end
	return data
end

local function send(fd, data)
	if data ~= "" and not socket.write(fd, data) then
		lost("write", fd)
	end
end

-- Tells the peer why there is no handshake, if TLS has a word for it, and raises the reason.
local function refuse(fd, tls, failure)
	local reason = tls:reason()
	local last = tls:last()
	if last ~= "" then
		socket.write(fd, last)
	end
	error(reason and ("%s: %s"):format(failure, reason) or failure, 0)
end

local function step(fd, tls, data)
	local ok, out = pcall(tls.handshake, tls, data)
	if not ok then
		refuse(fd, tls, out)
	elseif out then
		send(fd, out)
	end
end

local function shake(fd, tls, begun)
	driver.nodelay(fd) -- its records are answers to each other
	if begun then
		step(fd, tls)
	end
	while not tls:finished() do
		step(fd, tls, receive(fd))
	end
	send(fd, tls:write())
end

-- A client's handshake. The name is told to the server, and verified.
function helper.init_requestfunc(fd, tls)
	return function(hostname)
		if hostname then
			tls:set_ext_host_name(hostname)
		elseif not tls:name() then
			local address = driver.peer(fd)
			if address then
				tls:set_ext_host_name(address) -- an address is not told to the server
			end
		end
		shake(fd, tls, true)
	end
end

-- A server's handshake.
function helper.init_responsefunc(fd, tls)
	return function()
		shake(fd, tls)
	end
end

function helper.closefunc(tls)
	return function()
		tls:close()
	end
end

-- What has been decrypted and not been asked for yet, by object: all functions of one have to know of it.
local buffers = setmetatable({}, { __mode = "k" })

local function take_buffer(tls)
	local data = buffers[tls]
	buffers[tls] = nil
	return data or ""
end

-- What came along with the end of the handshake, or with other records, comes without waiting.
local function more(fd, tls)
	local data = tls:read()
	return data ~= "" and data or tls:read(receive(fd))
end

function helper.readfunc(fd, tls)
	return function(n)
		local data = take_buffer(tls)
		if not n then
			return data ~= "" and data or more(fd, tls)
		end
		local parts, size = { data }, #data
		while size < n do
			data = more(fd, tls)
			parts[#parts + 1] = data
			size = size + #data
		end
		local all = table.concat(parts)
		if size > n then
			buffers[tls] = all:sub(n + 1)
		end
		return all:sub(1, n)
	end
end

function helper.writefunc(fd, tls)
	return function(data)
		send(fd, tls:write(data))
	end
end

function helper.readallfunc(fd, tls)
	return function()
		local rest = take_buffer(tls) .. tls:read()
		local cipher = socket.readall(fd)
		return cipher and rest .. tls:read(cipher) or rest
	end
end

-- options: what to verify with, and what to show (see the manual).
function helper.newctx(options)
	return core.newctx(options or {})
end

-- `name` is what a server is verified by where no hostname is to be told to it.
function helper.newtls(method, ctx, hostname, name)
	return core.newtls(method, ctx, hostname, name)
end

return helper
