-- Questions as skynet (C) asks them, for a name server on this machine: one socket, numbers in turn, one datagram, half
-- a minute. Whoever could send a false answer to such a server's port is on this machine as well.

local skynet = require "skynet"
local socket = require "skynet.socket"
local core = require "skynet.dns.core"

local TIMEOUT <const> = 3000
local CHECK <const> = 12000 -- how often it is looked whether the socket is still used
local IDLE <const> = 6000

local plain = {}

local open -- { id, ip, port } while there is a socket
local used = 0 -- when it was used last
local asked = {} -- number -> { name =, answer = }
local last = 0

local function next_number()
	repeat
		last = last % 65535 + 1
	until not asked[last]
	return last
end

-- known(answer) is told of every answer, also of one that nobody waits for.
local function receive(known)
	return function(data, from)
		local ip, port = socket.udp_address(from)
		if ip ~= open.ip or port ~= open.port then
			return
		elseif #data < 12 then
			return skynet.error "Recv an invalid package when dns query"
		end
		local answer = core.answer(data)
		known(answer)
		local request = asked[answer.id]
		if not request then
			return
		elseif answer.name == request.name then
			request.answer = answer
		else
			skynet.error "Recv an invalid name when dns query"
		end
		skynet.wakeup(request)
	end
end

local function retire()
	if skynet.now() - used < IDLE then
		return skynet.timeout(CHECK, retire)
	end
	skynet.error(("Udp server close %s:%d (%d)"):format(open.ip, open.port, open.id))
	socket.close(open.id)
	open = nil
end

-- The answer, or nil.
function plain.ask(server, name, kind, known)
	if not open then
		local id = socket.udp_dial(server.ip, server.port, receive(known))
		open = { id = id, ip = server.ip, port = server.port }
		skynet.error(("Udp server open %s:%d (%d)"):format(server.ip, server.port, id))
		skynet.timeout(CHECK, retire)
	end
	used = skynet.now()
	local number = next_number()
	local request = { name = name }
	asked[number] = request
	socket.write(open.id, core.query(number, name, kind))
	if skynet.sleep(TIMEOUT, request) ~= "BREAK" then
		skynet.error(("DNS query %s timeout"):format(name))
	end
	asked[number] = nil
	return request.answer
end

return plain
