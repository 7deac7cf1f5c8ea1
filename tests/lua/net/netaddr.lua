-- Runs every recorded case of addresses through the Lua API. The Rust side writes them as vectors_netaddr.lua.
local skynet = require "skynet"
local driver = require "skynet.socketdriver"
local socket = require "skynet.socket"
local check = require "check"
local pair = require "pair"
local recorded = require "recorded"

local role, case = {}, {}
local run = {}

local function call(v, f)
	local input = recorded.bytes(v.input)
	if v.error then
		check.fails(v.name, v.error, f, input)
	else
		check.returns(v.name, recorded.values(v.results), f, input)
	end
end

function run.udp_address(v)
	call(v, driver.udp_address)
	call(v, socket.udp_address)
end

function run.header(v)
	call(v, driver.header)
	call(v, socket.header)
end

function run.address(v)
	check.eq(v.name, skynet.address(math.tointeger(tonumber(v.input))), v.result)
end

function run.address_name(v)
	check.eq(v.name, skynet.address(v.input), v.result)
end

-- A recorded raw address with another port.
local function with_port(hex, port)
	local raw = recorded.bytes(hex)
	return raw:sub(1, 1) .. string.pack(">I2", port) .. raw:sub(4)
end

-- A socket on a port that is free, and the port.
local function listening(host, f)
	local port, id, ok
	repeat
		port = 10000 + math.random(20000)
		ok, id = pcall(socket.udp_listen, host, port, f)
	until ok
	return id, port
end

-- Two sockets talk as the recorded ones did, on other ports.
function run.udp_from(v)
	local got, answered = {}, {}
	local server, server_port, client, client_port
	server, server_port = listening(v.host, function(data, from)
		got = { data, from }
		socket.sendto(server, from, recorded.bytes(v.reply))
	end)
	client, client_port = listening(v.host, function(data, from)
		answered = { data, from }
	end)
	socket.udp_connect(client, v.host, server_port)
	socket.write(client, recorded.bytes(v.payload))
	check.ok(v.name .. " arrives", check.wait(function() return answered[1] end))
	check.eq(v.name .. " payload", got, { recorded.bytes(v.payload), with_port(v.from, client_port) })
	check.eq(v.name .. " reply", answered, { recorded.bytes(v.reply), with_port(v.reply_from, server_port) })
	local want = recorded.values(v.formatted)
	check.returns(v.name .. " as text", { want[1], client_port }, socket.udp_address, got[2])
	check.returns(v.name .. " recorded", want, socket.udp_address, recorded.bytes(v.from))
	socket.close(server)
	socket.close(client)
end

-- What a listener is told of a peer.
function run.accept_address(v)
	local host = recorded.value(v.listen[1])
	local seen
	local port, listener = pair.server(function(id, from)
		seen = from
		socket.close_fd(id)
	end, host)
	local id = assert(socket.open(host, port))
	check.ok(v.name .. " is accepted", check.wait(function() return seen end))
	-- The regular expression of the recording as a pattern of Lua.
	local pattern = v.pattern:gsub("\\%.", "%%."):gsub("%[0%-9%]", "%%d")
	check.ok(v.name, tostring(seen):match(pattern), seen)
	socket.close(id)
	socket.close(listener)
end

function case.all()
	for _, v in ipairs(require "vectors_netaddr") do
		run[v.op](v)
	end
end

return check.main(role, case, ...)
