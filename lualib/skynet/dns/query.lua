-- Questions to name servers that others could answer for: each has a socket, and so a port, of its own and a number by
-- chance, and an answer counts only if it comes from the server and repeats the question. Servers are asked in turn and
-- again; an answer that does not fit into a datagram is fetched by TCP.

local skynet = require "skynet"
local socket = require "skynet.socket"
local crypt = require "skynet.crypt"
local core = require "skynet.dns.core"

local MOST <const> = 256 -- questions at a time; others wait in line

local NXDOMAIN <const> = 3

local query = {}

local running = 0
local line, first, last = {}, 1, 0 -- those that wait for their turn

local function enter(deadline)
	if running >= MOST then
		last = last + 1
		local place = last
		local token = {}
		line[place] = token
		local left = deadline - skynet.now()
		if left <= 0 or skynet.sleep(left, token) ~= "BREAK" then
			line[place] = nil
			return false
		end
		return true -- the place of the one that has left
	end
	running = running + 1
	return true
end

local function leave()
	while first <= last do
		local token = line[first]
		line[first] = nil
		first = first + 1
		if token then
			return skynet.wakeup(token)
		end
	end
	running = running - 1
end

-- Is it the answer to this question? The case of letters is the server's affair.
local function fits(answer, id, name, kind)
	return answer.response and answer.id == id and answer.type == kind and answer.internet
		and answer.name:lower() == name
end

local function by_udp(server, id, name, kind, ends)
	local request = {}
	local fd = socket.udp_dial(server.ip, server.port, function(data, from)
		local ip, port = socket.udp_address(from)
		if ip ~= server.ip or port ~= server.port then
			return
		end
		local ok, answer = pcall(core.answer, data, true)
		if ok and not request.answer and fits(answer, id, name, kind) then
			request.answer = answer
			skynet.wakeup(request)
		end
	end)
	socket.onclose(fd, function() -- nobody is there
		skynet.wakeup(request)
	end)
	if socket.write(fd, core.query(id, name, kind)) then
		skynet.sleep(math.max(ends - skynet.now(), 0), request)
	end
	socket.onclose(fd, nil)
	socket.close(fd)
	return request.answer
end

local function by_tcp(server, id, name, kind, ends)
	local fd, cut
	local done = {}
	skynet.fork(function() -- ends what takes too long, connecting included
		if skynet.sleep(math.max(ends - skynet.now(), 0), done) ~= "BREAK" then
			cut = true
			if fd then
				socket.shutdown(fd)
			end
		end
	end)
	local answer
	local connected = socket.open(server.ip, server.port, function(id_of_socket)
		fd = id_of_socket
		if cut then
			socket.shutdown(fd)
		end
	end)
	if connected then
		socket.write(fd, string.pack(">s2", core.query(id, name, kind)))
		local head = socket.read(fd, 2)
		local size = head and (">I2"):unpack(head) or 0
		local data = size > 0 and socket.read(fd, size)
		local ok, got = pcall(core.answer, data or "", true)
		if ok and fits(got, id, name, kind) then
			answer = got
		end
	end
	skynet.wakeup(done)
	if fd then
		socket.close(fd)
	end
	return answer
end

-- One question to one server: its answer, or nil.
local function ask_server(server, name, kind, ends)
	local id = (">I2"):unpack(crypt.randombytes(2))
	local answer = by_udp(server, id, name, kind, ends)
	if answer and answer.truncated then
		return by_tcp(server, id, name, kind, ends) or answer
	end
	return answer
end

-- Asks the servers of conf until one of them knows whether there is such a name. The answer; or nil and why.
local function ask(conf, name, kind, deadline)
	local why = "no answer"
	for _ = 1, conf.attempts do
		for _, server in ipairs(conf.servers) do
			local now = skynet.now()
			if now >= deadline then
				return nil, why
			end
			local ok, answer = pcall(ask_server, server, name, kind, math.min(now + conf.timeout * 100, deadline))
			if not ok then
				why = answer
			elseif answer then
				if answer.code == 0 or answer.code == NXDOMAIN then
					return answer
				end
				why = ("%s answers with code %d"):format(server.ip, answer.code)
			end
		end
	end
	return nil, why
end

local flying = {} -- question -> those that wait for the same answer

-- The same, for many at a time: equal questions are asked once.
function query.ask(conf, name, kind, deadline)
	local key = kind .. name
	local others = flying[key]
	if others then
		local request = {}
		others[#others + 1] = request
		skynet.wait(request)
		return request.answer, request.why
	end
	others = {}
	flying[key] = others
	local answer, why
	if enter(deadline) then
		local ok
		ok, answer, why = pcall(ask, conf, name, kind, deadline)
		if not ok then
			answer, why = nil, answer
		end
		leave()
	else
		why = "too many questions wait for their turn"
	end
	flying[key] = nil
	for _, request in ipairs(others) do
		request.answer, request.why = answer, why
		skynet.wakeup(request)
	end
	return answer, why
end

return query
