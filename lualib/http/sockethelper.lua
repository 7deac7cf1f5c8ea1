-- Sockets as reading and writing functions, which raise one and the same value when the connection is lost.
local skynet = require "skynet"
local socket = require "skynet.socket"

local helper = {}

local info -- why the error was raised last; good for one tostring

local socket_error = setmetatable({}, {
	__tostring = function()
		local text = info
		info = nil
		return text and "[Socket Error] : " .. text or "[Socket Error]"
	end,
	__call = function(self, text)
		info = tostring(text)
		return self
	end,
})
helper.socket_error = socket_error

local function fail(...)
	error(socket_error(string.format(...)))
end

-- What writes to which socket, for those that may write several pieces at once.
helper.sockets = setmetatable({}, { __mode = "k" })

function helper.readfunc(fd, preread)
	local read = socket.read
	local function from_socket(n)
		local data = read(fd, n)
		if data then
			return data
		end
		fail("read failed fd = %s", fd)
	end
	if not preread or preread == "" then
		return from_socket
	end
	return function(n)
		if not preread then
			return from_socket(n)
		end
		local data = preread
		if not n or n == #data then
			preread = nil
			return data
		elseif n < #data then
			preread = data:sub(n + 1)
			return data:sub(1, n)
		end
		preread = nil
		return data .. from_socket(n - #data)
	end
end

function helper.writefunc(fd)
	local function write(data)
		if not socket.write(fd, data) then
			fail("write failed fd = %s", fd)
		end
	end
	helper.sockets[write] = fd
	return write
end

helper.readall = socket.readall

local function refused(host, port, timeout, why, late)
	fail("connect failed host = %s port = %s timeout = %s err = %s is_time_out = %s", host, port, timeout, why, late)
end

-- Connects in a coroutine of its own, so that the caller can stop waiting for it.
local function connect_within(host, port, timeout)
	local caller = coroutine.running()
	local fd, why, id
	local waiting, late = true, false
	skynet.fork(function()
		fd, why = socket.open(host, port, function(begun)
			id = begun
		end)
		if late then
			if fd then
				socket.close(fd)
			end
		elseif waiting then
			waiting = false
			skynet.wakeup(caller)
		end
	end)
	if not waiting then
		-- It failed before anything had to wait.
		return fd, why, false
	end
	skynet.sleep(timeout, caller)
	if waiting then
		waiting, late = false, true
		if id then
			socket.close(id)
		end
		return nil, nil, true
	end
	return fd, why, false
end

function helper.connect(host, port, timeout)
	if timeout then
		local fd, why, late = connect_within(host, port, timeout)
		return fd or refused(host, port, timeout, why, late)
	end
	return socket.open(host, port) or refused(host, port, nil, nil, false)
end

function helper.close(fd)
	socket.close(fd)
end

function helper.shutdown(fd)
	socket.shutdown(fd)
end

return helper
