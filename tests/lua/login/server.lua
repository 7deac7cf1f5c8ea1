-- snax.loginserver: what clients get, and what strangers cannot do to it.
local skynet = require "skynet"
local crypt = require "skynet.crypt"
local socket = require "skynet.socket"
local check = require "check"
local client = require "loginclient"
local pair = require "pair"

local role, case = {}, {}

local function login(port, user, password)
	return client.login(port, client.token(user, nil, password))
end

-- All connections of a server; netstat has the listener and the other ends as well.
local function connections(port)
	local count = 0
	for _, entry in ipairs(socket.netstat()) do
		if entry.sock and entry.sock:match(":(%d+)$") == tostring(port) and entry.type ~= "LISTEN" then
			count = count + 1
		end
	end
	return count
end

-- A connection that is kept after the last line of its login, or refused, goes away by itself.
local function all_gone(port)
	return check.wait(function() return connections(port) == 0 end)
end

-- The other lines of a login from somebody who errs in one of them.
local function errs(port, proof, sealed)
	local id, secret, challenge = client.secret(port)
	socket.write(id, proof and proof(secret, challenge) or client.proof(secret, challenge))
	socket.write(id, sealed and sealed(secret) or client.sealed(secret, client.token "user"))
	local line = socket.readline(id)
	socket.close(id)
	return line
end

function case.answers()
	local port, name = client.server("answers", "instance = 3")
	for _ = 1, 6 do
		local line, secret = login(port, "user")
		check.eq("logged in", client.subid(line), "subid-of-user")
		local given = skynet.call(name, "lua", "given")
		check.eq("what the handler got", given[#given], { "server1", "user", crypt.hexencode(secret) })
	end
	check.eq("no subid", login(port, "nosubid"), "200 ")
	check.eq("password", login(port, "user", "wrong"), "401 Unauthorized")
	check.eq("no uid", login(port, "forgotten"), "401 Unauthorized")
	check.eq("forbidden", login(port, "forbidden"), "403 Forbidden")
	check.eq("another secret", errs(port, function(_, challenge)
		return client.proof(crypt.randomkey(), challenge)
	end), "401 Unauthorized")
	check.eq("no base64", errs(port, function()
		return "!\n"
	end), "401 Unauthorized")
	check.eq("another key for the token", errs(port, nil, function()
		return client.sealed(crypt.randomkey(), client.token "user")
	end), "401 Unauthorized")
	check.eq("no whole blocks", errs(port, nil, function()
		return crypt.base64encode "seven b" .. "\n"
	end), "401 Unauthorized")
	check.fails("a command that raises", "call failed", skynet.call, name, "lua", "nonsense")
	check.ok("nothing is left", all_gone(port))
end

-- What was said to one connection is worth nothing on another.
function case.replay()
	local port = client.server "replay"
	local id, secret, challenge = client.secret(port)
	local proof, sealed = client.proof(secret, challenge), client.sealed(secret, client.token "user")
	socket.write(id, proof .. sealed)
	check.eq("the first time", client.subid(socket.readline(id)), "subid-of-user")
	socket.close(id)
	for _ = 1, 3 do
		id = client.secret(port)
		socket.write(id, proof .. sealed)
		check.eq("again", socket.readline(id), "401 Unauthorized")
		socket.close(id)
	end
end

function case.one_at_a_time()
	local port, name = client.server("one", "instance = 2")
	local first = pair.background(login, port, "held")
	check.ok("the first one waits", check.wait(function()
		return skynet.call(name, "lua", "running") == 1
	end))
	for _ = 1, 3 do
		check.eq("the same user", login(port, "held"), "406 Not Acceptable")
	end
	check.eq("another one", client.subid(login(port, "user")), "subid-of-user")
	skynet.call(name, "lua", "release")
	check.ok("the first one ends", pair.finished(first))
	check.eq("unharmed", client.subid(first[1]), "subid-of-held")
	local _, most = skynet.call(name, "lua", "running")
	check.eq("together", most, 2)
	for _ = 1, 2 do
		check.eq("a failure is no lock", (login(port, "forbidden")), "403 Forbidden")
	end
end

function case.several_at_a_time()
	local port, name = client.server("several", "multilogin = true")
	local jobs = {}
	for i = 1, 3 do
		jobs[i] = pair.background(login, port, "held")
		check.ok("one more", check.wait(function()
			return skynet.call(name, "lua", "running") == i
		end))
	end
	for i = 1, 3 do
		skynet.call(name, "lua", "release")
		check.ok("one less", check.wait(function()
			return skynet.call(name, "lua", "running") == 3 - i
		end))
	end
	for _, job in ipairs(jobs) do
		check.ok("ended", pair.finished(job))
		check.eq("logged in", client.subid(job[1]), "subid-of-held")
	end
end

-- The client goes away at each step. The Rust side looks at the log.
function case.gone()
	local port = client.server "gone"
	local id = assert(socket.open("127.0.0.1", port))
	socket.close(id)
	id = assert(socket.open("127.0.0.1", port))
	socket.readline(id)
	socket.write(id, "aGFsZiBh")
	socket.close(id)
	id = client.secret(port)
	socket.close(id)
	local secret, challenge
	id, secret, challenge = client.secret(port)
	socket.write(id, client.proof(secret, challenge))
	socket.close(id)
	check.eq("the others", client.subid(login(port, "user")), "subid-of-user")
	check.ok("nothing is left", all_gone(port))
end

function case.pieces()
	local port = client.server "pieces"
	local id = assert(socket.open("127.0.0.1", port))
	local function dribble(text)
		for i = 1, #text do
			socket.write(id, text:sub(i, i))
			skynet.sleep(0)
		end
	end
	local challenge = crypt.base64decode(socket.readline(id))
	local key = crypt.randomkey()
	dribble(crypt.base64encode(crypt.dhexchange(key)) .. "\n")
	local secret = crypt.dhsecret(crypt.base64decode(socket.readline(id)), key)
	dribble(client.proof(secret, challenge) .. client.sealed(secret, client.token "user"))
	check.eq("byte by byte", client.subid(socket.readline(id)), "subid-of-user")
	socket.close(id)

	id = assert(socket.open("127.0.0.1", port))
	socket.readline(id)
	key = crypt.randomkey()
	socket.write(id, crypt.base64encode(crypt.dhexchange(key)) .. "\nAAAA\nAAAA\nAAAA\n")
	socket.readline(id)
	check.eq("ahead of time", socket.readline(id), "401 Unauthorized")
	socket.close(id)
end

-- A line that does not end.
function case.long_lines()
	local port = client.server("long", "instance = 1")
	for _ = 1, 20 do
		local id = assert(socket.open("127.0.0.1", port))
		socket.readline(id)
		for _ = 1, 64 do
			if not socket.write(id, ("A"):rep(65536)) then
				break
			end
			skynet.sleep(0)
		end
		check.eq("cut", socket.readline(id), false)
		socket.close(id)
	end
	local id, secret, challenge = client.secret(port)
	socket.write(id, client.proof(secret, challenge))
	local token = ("t"):rep(4000)
	socket.write(id, client.sealed(secret, token))
	check.eq("a long token", socket.readline(id), "401 Unauthorized")
	socket.close(id)
	check.ok("nothing is left", all_gone(port))
end

-- A client that says something, and then nothing: its time is over. Others are not delayed by it.
function case.time_is_over()
	local port = client.server("over", "timeout = 50")
	local silent = assert(socket.open("127.0.0.1", port))
	local slow = client.secret(port)
	local stop = false
	skynet.fork(function()
		while not stop and socket.write(slow, "A") do
			skynet.sleep(5)
		end
	end)
	check.eq("in between", client.subid(login(port, "user")), "subid-of-user")
	socket.readline(silent)
	check.eq("the silent one", socket.readline(silent), false)
	check.eq("the slow one", socket.readline(slow), false)
	stop = true
	socket.close(silent)
	socket.close(slow)
	check.ok("nothing is left", all_gone(port))
end

-- Thousands who never finish: the oldest ones have to go, and who means it gets through.
function case.unfinished()
	local port = client.server("unfinished", "instance = 2, maxclient = 100")
	local ids, most = {}, 0
	for i = 1, 3000 do
		local id = socket.open("127.0.0.1", port)
		if id then
			ids[#ids + 1] = id
			if i % 100 == 0 then
				most = math.max(most, connections(port))
				check.eq("in between", client.subid(login(port, "user")), "subid-of-user")
			end
			if #ids > 500 then
				socket.close(table.remove(ids, 1))
			end
		end
	end
	-- Those that are kept after their end, at most as many, and some that no slave has seen yet.
	check.ok("bounded", most <= 400, most)
	for _, id in ipairs(ids) do
		socket.close(id)
	end
	check.ok("nothing is left", all_gone(port))
end

-- All places are taken by clients for whom auth_handler works.
function case.thinking()
	local port = client.server("thinking", "instance = 1, maxclient = 4")
	local ids = {}
	for i = 1, 4 do
		local id, secret, challenge = client.secret(port)
		socket.write(id, client.proof(secret, challenge) .. client.sealed(secret, client.token "thinking"))
		ids[i] = id
	end
	local id
	check.ok("no more", check.wait(function()
		id = assert(socket.open("127.0.0.1", port))
		local line = socket.readline(id)
		socket.close(id)
		return not line
	end))
	for _, other in ipairs(ids) do
		socket.close(other)
	end
end

-- Lines and bytes by chance. Each connection gets at most the server's own lines, and ends.
function case.chance()
	local port = client.server("chance", "instance = 2, timeout = 100")
	local seed = tonumber(skynet.getenv "seed") or os.time()
	print("seed", seed)
	math.randomseed(seed)
	local function text()
		local kind, n = math.random(5), math.random(0, 40)
		local bytes = crypt.randombytes(n)
		if kind == 1 then
			return bytes
		elseif kind == 2 then
			return crypt.base64encode(bytes)
		elseif kind == 3 then
			return crypt.base64encode(crypt.randombytes(8))
		elseif kind == 4 then
			return crypt.base64encode(bytes):sub(1, math.random(0, n)) .. ("="):rep(math.random(0, 4))
		end
		return ("="):rep(n)
	end
	local function talk()
		local id, secret, challenge
		if math.random(2) == 1 then
			id, secret, challenge = client.secret(port)
			if math.random(2) == 1 then
				socket.write(id, client.proof(secret, challenge))
				if math.random(2) == 1 then
					socket.write(id, client.sealed(secret, crypt.randombytes(math.random(0, 60))))
				end
			end
		else
			id = assert(socket.open("127.0.0.1", port))
		end
		for _ = 1, math.random(0, 6) do
			socket.write(id, text() .. (math.random(10) > 1 and "\n" or ""))
		end
		if math.random(3) > 1 then
			repeat
				local line = socket.readline(id)
				check.ok("a line of the server", not line or #line == 12 or line == "401 Unauthorized", line)
			until not line
		end
		socket.close(id)
	end
	for _ = 1, 40 do
		local jobs = {}
		for i = 1, 10 do
			jobs[i] = pair.background(talk)
		end
		for _, job in ipairs(jobs) do
			pair.finished(job)
			check.ok("talked", job.ok, job[1])
		end
	end
	check.eq("it still works", client.subid(login(port, "user")), "subid-of-user")
	check.ok("nothing is left", all_gone(port))
end

-- Mistakes in what the module is called with.
function case.mistakes()
	local function fails(name, fields)
		local script = assert(io.open(name .. ".lua", "w"))
		script:write(("require 'snax.loginserver' { name = %q, %s }\n"):format(name, fields))
		script:close()
		check.fails(name, "call failed", skynet.newservice, name)
	end
	local handlers = "auth_handler = print, login_handler = print, command_handler = print"
	fails("no_login_handler", "port = 1, auth_handler = print, command_handler = print")
	fails("no_command_handler", "port = 1, auth_handler = print, login_handler = print")
	fails("no_auth_handler", "port = 1, login_handler = print, command_handler = print")
	fails("no_port", handlers)
	fails("no_number", "port = 'x', " .. handlers)
	fails("no_instance", "port = 1, instance = 0, " .. handlers)
	local listener, _, port = socket.listen("127.0.0.1", 0)
	fails("taken", ("host = '127.0.0.1', port = %d, instance = 1, %s"):format(port, handlers))
	socket.close(listener)
end

return check.main(role, case, ...)
