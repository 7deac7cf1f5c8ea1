-- The recorded conversations with login servers and message gates. The Rust side writes them as vectors_gate.lua.
local skynet = require "skynet"
local crypt = require "skynet.crypt"
local socket = require "skynet.socket"
local msgserver = require "snax.msgserver"
local check = require "check"
local client = require "loginclient"
local recorded = require "recorded"

local role, case, run = {}, {}, {}

-- Login servers are told apart by the keys that they use.
local servers = {}

local function login_port(v)
	local keys = v.challenge .. v.server_key
	local port = servers[keys]
	if not port then
		port = client.server("keys" .. keys, ("keys = { '%s', '%s' }"):format(v.challenge, v.server_key))
		servers[keys] = port
	end
	return port
end

-- Plays a conversation up to its last line; the connection, and a function that plays that one.
local function play(v)
	local id = assert(socket.open("127.0.0.1", login_port(v)))
	local function step(i)
		local item = v.transcript[i]
		local name = ("%s, line %d"):format(v.name, i)
		if item.dir == "client" then
			socket.write(id, item.line .. "\n")
		elseif item.line then
			check.eq(name, socket.readline(id), item.line)
		elseif item.still_open == false then
			check.eq(name, { socket.read(id, 1) }, { false, "" })
		else
			check.eq(name, socket.disconnected(id), false)
		end
	end
	local last = #v.transcript
	while last > 1 and (not v.transcript[last].line or v.transcript[last].dir == "client") do
		last = last - 1
	end
	for i = 1, last - 1 do
		step(i)
	end
	return function()
		for i = last, #v.transcript do
			step(i)
		end
		socket.close(id)
	end
end

local previous

function run.login(v)
	-- A refusal because of a login that runs: the one before is made again at the same time.
	local other
	for _, item in ipairs(v.transcript) do
		if item.line == "406 Not Acceptable" then
			other = play(previous)
		end
	end
	play(v)()
	if other then
		other()
	else
		previous = v
	end
end

function run.msgserver(v)
	local gate = skynet.newservice "login/recorded_gate"
	local _, name, port = skynet.call(gate, "lua", "open", { address = "127.0.0.1", port = 0, servername = v.servername })
	check.eq(v.name .. ", open", name, v.servername)
	local secret = crypt.hexdecode(v.secret)
	name = skynet.call(gate, "lua", "login", v.uid, secret, v.subid, v.servername)
	check.eq(v.name .. ", name", name, v.username)
	local conns = {}
	for i, item in ipairs(v.transcript) do
		local what = ("%s, step %d"):format(v.name, i)
		local id = conns[item.conn]
		if not id then
			id = assert(socket.open("127.0.0.1", port))
			conns[item.conn] = id
		end
		if item.close then
			socket.close(id)
		elseif item.closed then
			check.eq(what, { socket.read(id, 1) }, { false, "" })
		elseif item.nothing then
			skynet.sleep(20)
			check.eq(what, socket.disconnected(id), false)
		else
			local data = recorded.data(item.hex or item)
			if item.dir == "client" then
				socket.write(id, data)
			else
				check.ok(what, socket.read(id, #data) == data, "other bytes")
			end
		end
	end
	for _, id in pairs(conns) do
		socket.close(id)
	end
	skynet.kill(gate)
end

function run.username(v)
	local bytes = recorded.bytes
	check.eq(v.name, msgserver.username(bytes(v.uid), bytes(v.subid), bytes(v.servername)), v.username)
	check.returns(v.name .. ", back", { bytes(v.uid), bytes(v.subid), bytes(v.servername) },
		msgserver.userid, v.username)
end

function case.all()
	for _, v in ipairs(require "vectors_gate") do
		run[v.op](v)
	end
end

return check.main(role, case, ...)
