-- Sockets and clusters over the loopback interface.
local skynet = require "skynet"
local measure = require "measure"
local timed, join, optional = measure.timed, measure.join, measure.optional

local W = {}

local function port() return assert(tonumber(os.getenv "BENCH_PORT"), "BENCH_PORT is a free port") end

local function connect(count, tls)
	local socket = optional "skynet.socket"
	local server = skynet.newservice "bench_tcp"
	skynet.call(server, "lua", port(), tls)
	local ids = {}
	for i = 1, count do
		ids[i] = assert(socket.open("127.0.0.1", port()))
		if tls then assert(socket.tls(ids[i], { ca = tls.cert })) end
	end
	return socket, ids
end

-- Runs f with options of TLS for a server.
local function with_tls(f)
	local socket = optional "skynet.socket"
	if not socket.tls then measure.skip "no socket.tls" end
	local name = os.tmpname()
	local file <close> = assert(io.open(name, "w"))
	file:write(require "bench_certificate")
	file:flush()
	f { cert = name }
	os.remove(name)
end

-- So many connections, one line of 64 bytes outstanding on each.
local function echo(name, n, connections, tls)
	local socket, ids = connect(connections, tls)
	local line = string.rep("y", 63)
	local each = n // connections
	timed(name, each * connections, function()
		join(connections, function(i)
			local id = ids[i]
			for _ = 1, each do
				socket.write(id, line .. "\n")
				assert(socket.readline(id) == line)
			end
		end)
	end)
end

function W.tcpecho(name, n) echo(name, n, 64) end

-- One connection only.
function W.echo(name, n) echo(name, n, 1) end

-- The same, encrypted.
function W.tlsecho(name, n)
	with_tls(function(tls) echo(name, n, 64, tls) end)
end

-- Handshakes, 64 at a time, with verification; each connection is used once and closed. Both ends are in this node.
function W.tlshandshake(name, n)
	with_tls(function(tls)
		local socket = connect(1, tls)
		local clients <const> = 64
		local each = n // clients
		timed(name, each * clients, function()
			join(clients, function()
				for _ = 1, each do
					local id = assert(socket.open("127.0.0.1", port()))
					assert(socket.tls(id, { ca = tls.cert }))
					socket.write(id, "\n")
					assert(socket.readline(id) == "")
					socket.close(id)
				end
			end)
		end)
	end)
end

local bulk

function W.tlsbulk(name, n)
	with_tls(function(tls) bulk(name, n, tls) end)
end

-- One connection, 64 KiB each way and back.
function W.tcpbulk(name, n) bulk(name, n) end

function bulk(name, n, tls)
	local socket, ids = connect(1, tls)
	local id = ids[1]
	local block = string.rep("z", (1 << 16) - 1) .. "\n"
	timed(name, n, function()
		for _ = 1, n do
			socket.write(id, block)
			assert(#socket.readline(id) == #block - 1)
		end
	end)
end

-- Whole logins with snax.loginserver, 64 at a time: connect, agree on a secret, token, answer, close. The client's part
-- of the work is in it.
function W.login(name, n)
	local socket, crypt = optional "skynet.socket", optional "skynet.crypt"
	skynet.newservice "bench_login"
	local clients <const> = 64
	local encode, decode = crypt.base64encode, crypt.base64decode
	local function login(uid)
		local id = assert(socket.open("127.0.0.1", port()))
		local challenge = decode(socket.readline(id))
		local key = crypt.randomkey()
		socket.write(id, encode(crypt.dhexchange(key)) .. "\n")
		local secret = crypt.dhsecret(decode(socket.readline(id)), key)
		-- In one piece: the kernel would keep a second small one back until the first is confirmed (40 ms).
		local proof, token = crypt.hmac64(challenge, secret), crypt.desencode(secret, uid)
		socket.write(id, encode(proof) .. "\n" .. encode(token) .. "\n")
		assert(socket.readline(id) == "200 " .. encode(uid))
		socket.close(id)
	end
	local each = n // clients
	timed(name, each * clients, function()
		join(clients, function(i)
			local uid = "user" .. i
			for _ = 1, each do login(uid) end
		end)
	end)
end

-- A gate with 16 agents, whose clients are the kit. n: how many it takes.
local function gate(kind)
	return function(name, n)
		optional "skynet.socket"
		local room = skynet.newservice("bench_gate", "room")
		local agents = {}
		for i = 1, 16 do
			agents[i] = skynet.newservice("bench_gate", "agent")
			skynet.call(agents[i], "lua", "room", room)
		end
		skynet.call(skynet.newservice("bench_gate", "watchdog"), "lua", kind, agents, port(), n)
		measure.say("READY", name)
		skynet.wait()
	end
end

W.gate = gate "lua"
W.gatenative = gate "native"

-- What one end of a connection weighs, with a coroutine that reads from it: n connections, both ends in this node.
function W.memsocket(name, n)
	local socket = optional "skynet.socket"
	connect(1)
	collectgarbage()
	local before = measure.rss_kb()
	for _ = 1, n do
		local id = assert(socket.open("127.0.0.1", port()))
		socket.write(id, "\n")
		assert(socket.readline(id) == "")
		skynet.fork(socket.readline, id)
	end
	skynet.yield()
	measure.result(name, 0, 0, string.format("bytes=%.0f", (measure.rss_kb() - before) * 1024 / n / 2))
end

-- One outstanding call to another node.
function W.cluster(name, n)
	local cluster = measure.other_node()
	timed(name, n, function()
		for i = 1, n do assert(cluster.call("bench", "@bench_peer", "echo", i) == i) end
	end)
end

-- 64 outstanding calls to another node.
function W.cluster64(name, n)
	local cluster = measure.other_node()
	local each = n // 64
	timed(name, each * 64, function()
		join(64, function()
			for i = 1, each do cluster.call("bench", "@bench_peer", "echo", i) end
		end)
	end)
end

-- One-way messages to another node.
function W.clustersend(name, n)
	local cluster = measure.other_node()
	cluster.call("bench", "@bench_peer", "reset")
	timed(name, n, function()
		for i = 1, n do
			cluster.send("bench", "@bench_peer", "count", i)
			if i % 2000 == 0 then cluster.call("bench", "@bench_peer", "echo", 0) end
		end
		local got = cluster.call("bench", "@bench_peer", "total")
		assert(got == n, got)
	end)
end

-- Calls that carry 1 MiB one way to another node.
function W.clusterbig(name, n)
	local cluster = measure.other_node()
	local s = string.rep("x", 1 << 20)
	timed(name, n, function()
		for _ = 1, n do assert(cluster.call("bench", "@bench_peer", "len", s) == #s) end
	end)
end

return W
