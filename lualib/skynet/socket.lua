-- Sockets for coroutines: blocking reads over the engine's messages.
--
-- `pool` has a record for each socket of this service. Its coroutine that waits (for data, for
-- the connection, for the end) is `waiter`, and `want` says what for: a number of bytes, a line
-- separator, or true for something that data alone cannot give. The message handler decides
-- whether it has come; a complete line it takes out at once and leaves in `line`, so that a
-- line costs one search, and a reader that finds its line in the buffer makes one native call.
--
-- Flow: a record is `flow` "paused" while its buffer is too full and nobody reads; the next
-- reader that has to wait resumes it. "closing" is final.

local skynet = require "skynet"
local driver = require "skynet.socketdriver"
local core = require "skynet.core"

local push, pop, readline, readall = driver.push, driver.pop, driver.readline, driver.readall
local wait, wakeup = skynet.wait, skynet.wakeup

-- Looked up at each line: applications put their own there.
local function log(...)
	skynet.error(...)
end
local running, status, type = coroutine.running, coroutine.status, type

local FULL <const> = 128 * 1024 -- bytes that may wait in a buffer that nobody reads

local pool = {}
local on_close = {} -- id -> f; apart from the pool, since a callback outlives the record
local nodes = {} -- the driver keeps emptied buffer nodes here, for all sockets

-- The service ends: nobody will close them after this.
setmetatable(pool, {
	__gc = function(all)
		for id in pairs(all) do
			driver.close(id)
		end
	end,
})

local socket = {}

---@class skynet.socket.record
---@field id integer
---@field connected boolean
---@field connecting boolean
---@field buffer userdata? streams only
---@field waiter thread|false
---@field want integer|string|boolean
---@field line string|false
---@field flow "paused"|"closing"|false
---@field closer thread|false closes it as soon as the waiter has gone
---@field failure string? why it could not connect
---@field cut string? the end of a connection with TLS, if its peer has not said so
---@field securing boolean? TLS begins
---@field accept fun(id: integer, from: string)|false|nil listeners only, once started
---@field listening boolean?
---@field datagram fun(data: string, from: string)? UDP only
---@field max integer? socket.limit
---@field warn fun(id: integer, kb: integer)?

local function new_record(id)
	local s = {
		id = id,
		connected = false,
		connecting = false,
		buffer = false,
		waiter = false,
		want = false,
		line = false,
		flow = false,
		closer = false,
	}
	pool[id] = s
	return s
end

local function wake(s)
	local co = s.waiter
	if co then
		s.waiter, s.want = false, false
		if not wakeup(co) and s.closer then -- it was killed, and does not tell who closes
			wakeup(s.closer)
		end
	end
end

-- Does somebody wait? Not if it was killed meanwhile.
local function awaited(s)
	local co = s.waiter
	if co and status(co) == "dead" then
		s.waiter, s.want = false, false
		return false
	end
	return co
end

local function await(s, want)
	if awaited(s) then
		core.raise(("assertion failed! socket %d: another coroutine waits for it already"):format(s.id))
	end
	local co = running()
	s.waiter, s.want = co, want
	if s.flow == "paused" then
		s.flow = false
		log(("Resume socket (%d)"):format(s.id))
		driver.start(s.id)
	end
	wait(co)
	if s.closer then
		wakeup(s.closer)
	end
end

local function pause(s, size)
	if s.flow then
		return
	end
	s.flow = "paused"
	driver.pause(s.id)
	log(("Pause socket (%d)"):format(s.id) .. (size and (" size : %d"):format(size) or ""))
end

-- What the engine says. Data is the common case and is handled apart from the others.

local DATA <const> = 1
local event = {}

local function stray(id, data, size, what)
	driver.drop(data, size)
	log(("socket: drop %spackage from %d"):format(what, id))
end

local function arrived(id, size, data)
	local s = pool[id]
	local buffer = s and s.buffer
	if not buffer then
		return stray(id, data, size, "")
	end
	local total, want = push(buffer, nodes, data, size), awaited(s) and s.want
	if type(want) == "number" then
		if total < want then
			return
		end
		wake(s)
	else
		local max = s.max
		if max and total > max then
			if s.flow ~= "closing" then
				s.flow = "closing"
				log(("socket buffer overflow: fd=%d size=%d"):format(id, total))
				driver.close(id)
			end
			return
		end
		if want == true then
			return
		elseif want then
			local line = readline(buffer, nodes, want)
			if not line then
				return
			end
			s.line = line
			wake(s)
		end
	end
	if total > FULL then
		pause(s, total)
	end
end

event[2] = function(id, port, text) -- connected, listening, started
	local s = pool[id]
	if s and not s.connected then
		s.connected = true
		if s.listening then
			s.ip, s.port = text, port
		end
		wake(s)
	end
end

event[3] = function(id, _, why) -- closed
	local s = pool[id]
	if s then
		s.connected = false
		if why ~= "" then
			s.cut = why
		end
		wake(s)
	else
		driver.close(id)
	end
	local f = on_close[id]
	if f then
		on_close[id] = nil
		f(id)
	end
end

event[4] = function(id, new, from) -- accepted
	local s = pool[id]
	if s and s.accept then
		s.accept(new, from)
	else
		driver.close(new)
	end
end

event[5] = function(id, _, text) -- failed
	local s = pool[id]
	if not s then
		driver.shutdown(id)
		log("socket: error on unknown", id, text)
	elseif s.listening and s.connected then
		log("socket: accept error:", text)
	else
		if s.connected and not s.securing then
			log("socket: error on", id, text)
		end
		s.connected, s.failure = false, text
		driver.shutdown(id)
		wake(s)
	end
end

event[6] = function(id, size, data, from) -- a datagram
	local s = pool[id]
	local f = s and s.datagram
	if not f then
		return stray(id, data, size, "udp ")
	end
	local text = skynet.tostring(data, size) or ""
	driver.drop(data, size)
	f(text, from)
end

event[10] = function(id) -- TLS can begin, or has
	local s = pool[id]
	if s then
		wake(s)
	end
end

event[7] = function(id, kb) -- output is piling up, or gone
	local s = pool[id]
	if not s then
		return
	elseif s.warn then
		s.warn(id, kb)
	else
		log(("WARNING: %d K bytes need to send out (fd = %d)"):format(kb, id))
	end
end

skynet.register_protocol {
	name = "socket",
	id = skynet.PTYPE_SOCKET,
	unpack = driver.unpack,
	dispatch = function(_, _, kind, id, ud, data, from)
		if kind == DATA then
			return arrived(id, ud, data)
		end
		local f = event[kind]
		if f then
			return f(id, ud, data, from)
		end
	end,
}

-- Opening

local function unknown(id)
	core.raise(("assertion failed! no socket %s in this service (closed here, or never started)"):format(id))
end

local function check_new(id)
	core.check(not on_close[id], "socket has onclose callback")
	local s = pool[id]
	core.check(not s or s.listening, "socket is not closed")
end

-- Waits until the engine says that the socket is there, or why not.
local function establish(s)
	s.connecting = true
	await(s, true)
	s.connecting = false
	local id = s.id
	if s.connected then
		return id
	end
	if pool[id] == s then
		pool[id] = nil
	end
	return nil, s.failure
end

local function stream(id)
	local s = new_record(id)
	s.buffer = driver.buffer()
	return establish(s)
end

-- begun(id) is called at once: closing that id gives the attempt up.
function socket.open(addr, port, begun)
	local id, why = driver.connect(addr, port)
	if id < 0 then
		return nil, why
	elseif type(begun) == "function" then -- programs pass all kinds of things that skynet (C) ignores
		begun(id)
	end
	return stream(id)
end

function socket.bind(osfd)
	return stream(driver.bind(osfd))
end

function socket.stdin()
	return socket.bind(0)
end

-- tls: connections have TLS, with these options (see socket.tls)
function socket.listen(host, port, backlog, tls)
	local id = driver.listen(host, port, backlog, tls)
	local s = new_record(id)
	s.listening = true
	local ok, why = establish(s)
	if not ok then
		return nil, why
	end
	return id, s.ip, s.port
end

function socket.start(id, accept)
	check_new(id)
	local old = pool[id]
	if old and old.accept ~= nil then -- started already: the engine would not say anything
		old.accept = accept or false
		return id
	end
	driver.start(id)
	if not accept then
		return stream(id)
	end
	local s = new_record(id)
	s.listening, s.accept = true, accept
	return establish(s)
end

-- Waits for the next step of TLS. The engine may have to say first that the connection has ended.
local function step(s, ok, why)
	if not ok then
		return false, why
	end
	s.securing = true
	await(s, true)
	s.securing = false
	if not s.connected or s.flow == "closing" then
		return false, s.failure or "socket closed"
	end
	return true
end

-- Turns a connection into one with TLS; see the manual for the options. What has been read already, and not been taken
-- by anybody, belongs to TLS.
function socket.tls(id, options)
	local s = pool[id] or unknown(id)
	core.check(s.buffer, "TLS needs a connection")
	options = options or {}
	if s.flow == "paused" then
		s.flow = false -- reading goes on when TLS begins
	end
	local ok, why = step(s, driver.hush(id, options))
	if ok then
		ok, why = step(s, driver.secure(id, options, readall(s.buffer, nodes)))
	end
	if not ok then
		return nil, why
	end
	return id
end

local function datagrams(id, f)
	local s = new_record(id)
	s.connected, s.datagram = true, f
	return id
end

function socket.udp(f, host, port)
	return datagrams(driver.udp(host, port), f)
end

function socket.udp_listen(addr, port, f)
	return datagrams(driver.udp_listen(addr, port), f)
end

function socket.udp_dial(addr, port, f)
	return datagrams(driver.udp_dial(addr, port), f)
end

function socket.udp_connect(id, addr, port, f)
	driver.udp_connect(id, addr, port)
	local s = pool[id]
	if not s then
		datagrams(id, f)
	elseif f then
		s.datagram = f
	end
end

-- Closing

function socket.pause(id)
	local s = pool[id]
	if s then
		pause(s)
		skynet.yield() -- what had been read already arrives before the caller goes on
	end
end

function socket.shutdown(id)
	if pool[id] then
		driver.shutdown(id)
	end
end

function socket.close_fd(id)
	core.check(not pool[id], "Use socket.close instead")
	driver.close(id)
end

function socket.close(id)
	local s = pool[id]
	if not s then
		return
	end
	s.flow = "closing"
	driver.close(id)
	if not s.connected then
		s.failure = s.failure or "socket closed"
		wake(s) -- somebody was connecting
	end
	while s.connected do
		if awaited(s) then
			core.check(not s.closer, "socket is closing")
			local co = running()
			s.closer = co
			wait(co)
			s.closer = false
		else
			await(s, true)
		end
	end
	if s.buffer then
		driver.clear(s.buffer, nodes)
	end
	if pool[id] == s then
		pool[id] = nil
	end
end

function socket.abandon(id)
	local s = pool[id]
	if s then
		pool[id], on_close[id] = nil, nil
		driver.abandon(id) -- it does not end with this service, if another one starts it
		s.connected = false
		wake(s)
	end
end

-- Reading. What is buffered can be read after the end of the connection.

-- The rest, for a request that can no longer be satisfied; and why, if it may have been cut off.
local function rest(s)
	if s.cut then
		return false, readall(s.buffer, nodes), s.cut
	end
	return false, readall(s.buffer, nodes)
end

function socket.readline(id, sep)
	local s = pool[id] or unknown(id)
	sep = sep or "\n"
	local line = readline(s.buffer, nodes, sep)
	if line then
		return line
	elseif not s.connected then
		return rest(s)
	end
	await(s, sep)
	line = s.line
	if line then
		s.line = false
		return line
	end
	return rest(s)
end

function socket.read(id, n)
	local s = pool[id] or unknown(id)
	if n then
		local data = pop(s.buffer, nodes, n)
		if data then
			return data
		elseif s.connected then
			await(s, n)
			data = pop(s.buffer, nodes, n)
			if data then
				return data
			end
		end
		return rest(s)
	end
	local data = readall(s.buffer, nodes)
	if data == "" and s.connected then
		await(s, 0)
		data = readall(s.buffer, nodes)
	end
	if data == "" then
		return rest(s)
	end
	return data
end

function socket.readall(id)
	local s = pool[id] or unknown(id)
	if s.connected then
		await(s, true)
		local data = readall(s.buffer, nodes)
		if s.cut then
			return data, s.cut
		end
		return data
	end
	local data = readall(s.buffer, nodes)
	return data ~= "" and data
end

-- Reads with a decoder: f(state, buffer) gives nil and how many bytes the buffer has to hold before it is worth asking
-- again, or true and at most three results. Nothing if the connection has ended before.
function socket.decode(id, f, state)
	local s = pool[id] or unknown(id)
	while true do
		local done, a, b, c = f(state, s.buffer)
		if done then
			return a, b, c
		elseif not s.connected then
			return
		end
		await(s, a)
	end
end

function socket.block(id)
	local s = pool[id]
	if not s or not s.connected then
		return false
	end
	local _, buffered = pop(s.buffer, nodes, 0)
	if buffered == 0 then
		await(s, 0)
	end
	return s.connected
end

-- State

function socket.invalid(id)
	return not pool[id]
end

function socket.disconnected(id)
	local s = pool[id]
	if s then
		return not (s.connected or s.connecting)
	end
end

function socket.limit(id, n)
	local s = pool[id] or unknown(id)
	s.max = n
end

function socket.warning(id, f)
	local s = pool[id] or unknown(id)
	s.warn = f
end

function socket.onclose(id, f)
	on_close[id] = f
end

-- The driver's own

socket.write = driver.send
socket.lwrite = driver.lsend
socket.sendto = driver.udp_send
socket.udp_address = driver.udp_address
socket.header = driver.header
socket.netstat = driver.info
socket.tlsinfo = driver.tlsinfo
socket.resolve = driver.resolve
socket.pending = driver.pending -- bytes of output that wait in the engine
socket.writelimit = driver.limit -- a cap for them, beyond which the socket is closed

return socket
