-- skynet.socketchannel, against servers in the same service.
local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local check = require "check"
local pair = require "pair"

local role, case = {}, {}

-- A line server: `answer(line, id)` returns what is written back, or nil. Returns port, state. `state.ids` are its
-- connections in the order of their arrival, `state.lines` what it has read.
local function line_server(answer)
	local state = { ids = {}, lines = {} }
	local port, listener = pair.server(function(id)
		socket.start(id)
		state.ids[#state.ids + 1] = id
		while true do
			local line = socket.readline(id)
			if not line then
				break
			end
			state.lines[#state.lines + 1] = line
			local text = answer(line, id)
			if text then
				socket.write(id, text)
			end
		end
		socket.close(id)
	end)
	state.listener = listener
	return port, state
end

local function echo(line)
	return line .. "\n"
end

-- Order mode: "ok text" is good, "no text" is refused, "more text" is a part.
local function read_line(sock)
	local line = sock:readline()
	local kind, text = line:match "^(%a+) (.*)$"
	return kind ~= "no", text, kind == "more"
end

local function channel(port, more)
	local desc = { host = "127.0.0.1", port = port }
	for k, v in pairs(more or {}) do
		desc[k] = v
	end
	return socketchannel.channel(desc)
end

-- f(...) raises the socket error itself.
local function socket_error(name, f, ...)
	local ok, err = pcall(f, ...)
	check.ok(name, not ok and err == socketchannel.error, tostring(err))
end

function case.order()
	local port, state = line_server(echo)
	local c = channel(port)
	check.eq("not connected yet", #state.ids, 0)
	check.eq("answer", c:request("ok 1\n", read_line), "1")
	check.eq("a list as request", c:request({ "ok ", "2", "\n" }, read_line), "2")
	check.eq("one connection", #state.ids, 1)
	local answers, left = {}, 50
	for i = 1, 50 do
		skynet.fork(function()
			answers[i] = c:request(("ok n%d\n"):format(i), read_line)
			left = left - 1
		end)
	end
	check.ok("all are answered", check.wait(function() return left == 0 end))
	for i = 1, 50 do
		check.eq("in order " .. i, answers[i], "n" .. i)
	end
	check.returns("no response wanted", {}, c.request, c, "ok nobody reads this\n")
	check.eq("so the next one gets it", c:request("ok x\n", read_line), "nobody reads this")
	check.eq("response without request", c:response(read_line), "x")
	check.eq("error is printable", tostring(socketchannel.error), "[Error: socket]")
	c:close()
	socket.close(state.listener)
end

function case.refused()
	local port, state = line_server(echo)
	local c = channel(port)
	local err = check.fails("text has a position", "socketchannel.lua:", c.request, c, "no reason\n", read_line)
	check.ok("and the text", tostring(err):find("reason", 1, true))
	local value = {}
	local _, got = pcall(c.request, c, "ok x\n", function(sock)
		sock:readline()
		return false, value
	end)
	check.ok("other values are passed as they are", got == value)
	check.eq("the connection stays", { c:request("ok still\n", read_line), #state.ids }, { "still", 1 })
	c:close()
	socket.close(state.listener)
end

function case.parts()
	local port, state = line_server(function(line)
		return line:gsub(";", "\n") .. "\n"
	end)
	local c = channel(port)
	check.eq("three parts", c:request("more a;more b;ok c\n", read_line), { "a", "b", "c" })
	check.fails("refused midway", "b", c.request, c, "more a;no b\n", read_line)
	check.eq("goes on", c:request("ok d\n", read_line), "d")
	c:close()
	socket.close(state.listener)
end

-- An error of the function that reads ends the connection for all.
function case.order_error()
	local port, state = line_server(echo)
	local c = channel(port)
	local function explode(sock)
		sock:readline()
		error "explosion"
	end
	local first = pair.background(c.request, c, "ok 1\n", explode)
	local second = pair.background(c.request, c, "ok 2\n", read_line)
	pair.finished(first)
	pair.finished(second)
	check.ok("the caller gets it", not first.ok and tostring(first[1]):find("explosion", 1, true), first[1])
	check.ok("and those behind", not second.ok and tostring(second[1]):find("explosion", 1, true), second[1])
	check.eq("a new connection", { c:request("ok 3\n", read_line), #state.ids }, { "3", 2 })
	c:close()
	socket.close(state.listener)
end

function case.peer_closes_with_waiters()
	local port, state = line_server(function(line, id)
		if line == "die" then
			socket.shutdown(id)
			return nil
		end
		return line ~= "silence" and line .. "\n" or nil
	end)
	local c = channel(port)
	c:connect()
	local jobs = {}
	for i = 1, 10 do
		jobs[i] = pair.background(c.request, c, "silence\n", read_line)
	end
	skynet.sleep(2)
	c:request "die\n"
	for i, job in ipairs(jobs) do
		pair.finished(job)
		check.ok("each fails " .. i, not job.ok and job[1] == socketchannel.error, tostring(job[1]))
	end
	check.eq("reconnects", { c:request("ok back\n", read_line), #state.ids }, { "back", 2 })
	c:close()
	socket.close(state.listener)
end

function case.peer_closes_when_idle()
	local port, state = line_server(echo)
	local c = channel(port)
	check.eq("answer", c:request("ok 1\n", read_line), "1")
	local id = state.ids[1]
	socket.shutdown(id)
	check.wait(function() return socket.invalid(id) end)
	skynet.sleep(5)
	check.eq("reconnects", { c:request("ok 2\n", read_line), #state.ids }, { "2", 2 })
	c:close()
	socket.close(state.listener)
end

function case.closing()
	local port, state = line_server(function() end)
	local c = channel(port)
	local jobs = {}
	for i = 1, 3 do
		jobs[i] = pair.background(c.request, c, "ok never\n", read_line)
	end
	check.wait(function() return #state.lines == 3 end)
	c:close()
	for i, job in ipairs(jobs) do
		pair.finished(job)
		check.ok("each fails " .. i, not job.ok and job[1] == socketchannel.error, tostring(job[1]))
	end
	check.fails("request", "", c.request, c, "x\n", read_line)
	check.fails("response", "", c.response, c, read_line)
	check.returns("close again", {}, c.close, c)
	check.eq("connect opens it again", c:connect(true), true)
	check.eq("connect when connected", c:connect(), true)
	check.ok("a second connection", check.wait(function() return #state.ids == 2 end))
	c:close()
	socket.close(state.listener)
	check.ok("nothing is left", check.wait(function() return #socket.netstat() == 0 end), check.show(socket.netstat()))
	check.eq("nobody waits", skynet.task(), 0)
end

-- Session mode: "session kind text".
local function read_session(sock)
	local session, kind, text = sock:readline():match "^(%d+) (%a+) (.*)$"
	return tonumber(session), kind ~= "no", text, kind == "more"
end

function case.sessions()
	-- Keeps the lines until "go", then answers the last one first.
	local kept = {}
	local port, state = line_server(function(line)
		if line ~= "go" then
			table.insert(kept, 1, line .. "\n")
			return
		end
		local text = table.concat(kept)
		kept = {}
		return text
	end)
	local c = channel(port, { response = read_session })
	local jobs = {}
	for i = 1, 20 do
		jobs[i] = pair.background(c.request, c, ("%d ok text %d\n"):format(i, i), i)
	end
	check.wait(function() return #kept == 20 end)
	c:request "go\n"
	for i, job in ipairs(jobs) do
		pair.finished(job)
		check.eq("answer " .. i, job[1], "text " .. i)
	end
	local refused = pair.background(c.request, c, "1 no reason\n", 1)
	local parts = pair.background(c.request, c, "2 ok c\n2 more b\n2 more a\n", 2)
	local bad = pair.background(c.request, c, "3 no way\n3 more x\n", 3)
	local pushed = pair.background(c.response, c, 4)
	c:request "4 ok pushed\n99 ok stranger\n"
	check.wait(function() return #kept == 8 end)
	c:request "go\n"
	for _, job in ipairs { refused, parts, bad, pushed } do
		pair.finished(job)
	end
	check.ok("refused", not refused.ok and tostring(refused[1]):find("reason", 1, true), refused[1])
	check.eq("parts", parts[1], { "a", "b", "c" })
	check.ok("refused midway", not bad.ok and tostring(bad[1]):find("way", 1, true), bad[1])
	check.eq("without a request", pushed[1], "pushed")
	check.eq("one connection", #state.ids, 1)
	c:close()
	socket.close(state.listener)
end

function case.session_errors()
	local port, state = line_server(echo)
	local c = channel(port, { response = function(sock)
		local line = sock:readline()
		if line == "raise" then
			error "explosion"
		elseif line == "nothing" then
			return
		elseif line == "false" then
			return false
		end
	end })
	for word, text in pairs { raise = "explosion", nothing = "", ["false"] = "" } do
		local one = pair.background(c.response, c, 1)
		local two = pair.background(c.response, c, 2)
		check.wait(function() return c:connect() end)
		skynet.sleep(2)
		c:request(word .. "\n")
		for i, job in ipairs { one, two } do
			pair.finished(job)
			if text == "" then
				check.ok(word .. i, not job.ok and job[1] == socketchannel.error, tostring(job[1]))
			else
				check.ok(word .. i, not job.ok and tostring(job[1]):find(text, 1, true), tostring(job[1]))
			end
		end
	end
	local job = pair.background(c.response, c, 1)
	skynet.sleep(5)
	socket.shutdown(state.ids[#state.ids])
	pair.finished(job)
	check.ok("the peer closes", not job.ok and job[1] == socketchannel.error, tostring(job[1]))
	c:close()
	socket.close(state.listener)
end

function case.connect_once()
	local port = pair.dead_port()
	local c = channel(port)
	socket_error("connect", c.connect, c, true)
	socket_error("request", c.request, c, "x\n", read_line)
	local jobs = {}
	for i = 1, 3 do
		jobs[i] = pair.background(c.connect, c, true)
	end
	for i, job in ipairs(jobs) do
		pair.finished(job)
		check.ok("at once " .. i, not job.ok and job[1] == socketchannel.error, tostring(job[1]))
	end
end

-- Not once: it goes on until there is a server.
function case.connect_for_ever()
	local listener, _, port = socket.listen("127.0.0.1", 0)
	socket.close(listener)
	local c = channel(port)
	local job = pair.background(c.connect, c)
	local second = pair.background(c.connect, c)
	skynet.sleep(30)
	check.eq("still trying", { job.done, second.done }, { false, false })
	listener = socket.listen("127.0.0.1", port)
	socket.start(listener, function(id)
		socket.start(id)
	end)
	pair.finished(job)
	pair.finished(second)
	check.eq("connected", { job[1], second[1] }, { true, true })
	c:close()
	socket.close(listener)
end

function case.close_while_connecting()
	local c = channel(pair.dead_port())
	local job = pair.background(c.connect, c)
	skynet.sleep(5)
	c:close()
	pair.finished(job)
	check.ok("it ends", not job.ok and job[1] == socketchannel.error, tostring(job[1]))
end

-- Somebody who neither accepts nor refuses.
function case.black_hole()
	local port, finish = pair.black_hole()
	local c = channel(port)
	local jobs = {}
	for i = 1, 3 do
		jobs[i] = pair.background(c.request, c, "x\n", read_line)
	end
	skynet.sleep(10)
	check.eq("they wait", { jobs[1].done, jobs[2].done, jobs[3].done }, { false, false, false })
	local good, state = line_server(echo)
	c:changehost("127.0.0.1", good)
	for i, job in ipairs(jobs) do
		pair.finished(job)
		check.ok("served by another host " .. i, job.ok or job[1] == socketchannel.error, tostring(job[1]))
	end
	c:close()
	c = channel(port)
	local job = pair.background(c.connect, c)
	skynet.sleep(10)
	c:close()
	check.ok("close ends it", pair.finished(job))
	check.ok("with an error", not job.ok and job[1] == socketchannel.error, tostring(job[1]))
	finish()
	socket.close(state.listener)
	check.ok("nothing is left", check.wait(function() return #socket.netstat() == 0 end), check.show(socket.netstat()))
end

function case.auth()
	local port, state = line_server(echo)
	local calls, c = 0, nil
	local holding = true
	c = channel(port, { auth = function(self)
		calls = calls + 1
		check.ok("its argument is the channel", self == c)
		check.eq("requests of the authentication", self:request("ok secret\n", read_line), "secret")
		while holding do
			skynet.sleep(1)
		end
	end })
	local job = pair.background(c.request, c, "ok 1\n", read_line)
	local second = pair.background(c.request, c, "ok 2\n", read_line)
	check.wait(function() return #state.lines == 1 end)
	skynet.sleep(5)
	check.eq("others wait for it", state.lines, { "ok secret" })
	holding = false
	pair.finished(job)
	pair.finished(second)
	check.eq("then they go on", { job[1], second[1], calls }, { "1", "2", 1 })
	socket.shutdown(state.ids[1])
	skynet.sleep(5)
	check.eq("after each connect", { c:request("ok 3\n", read_line), calls }, { "3", 2 })
	c:close()
	socket.close(state.listener)
end

function case.auth_fails()
	local port, state = line_server(echo)
	local c = channel(port, { auth = function()
		error "wrong password"
	end })
	socket_error("request", c.request, c, "ok 1\n", read_line)
	check.ok("closed", check.wait(function() return socket.invalid(state.ids[1]) end))
	local dead = channel(port, { auth = function(self)
		self:request("x\n", function(sock)
			sock:readline()
			socket.shutdown(state.ids[2])
			return true, sock:readline()
		end)
	end })
	socket_error("the connection breaks in it", dead.connect, dead, true)
	socket.close(state.listener)
end

function case.backup()
	local port, state = line_server(echo)
	local dead = pair.dead_port()
	local c = channel(dead, { backup = { "127.0.0.1", { host = "127.0.0.1", port = port } } })
	check.eq("the backup answers", c:request("ok 1\n", read_line), "1")
	c:close()
	check.eq("it is the host from now on", c:connect(true), true)
	check.eq("still it", c:request("ok 2\n", read_line), "2")
	c:close()

	-- Authentication changes the list of backups.
	local good, other = line_server(function(line) return "ok other " .. line .. "\n" end)
	local tried = 0
	c = channel(port, { auth = function(self)
		tried = tried + 1
		if tried == 1 then
			self:changebackup { { host = "127.0.0.1", port = good } }
			error "not here"
		end
	end })
	check.eq("the new backup", c:request("x\n", read_line), "other x")
	c:close()
	socket.close(state.listener)
	socket.close(other.listener)
end

function case.changehost()
	local one, first = line_server(echo)
	local two, second = line_server(function(line) return "ok second " .. line .. "\n" end)
	local c = channel(one)
	check.eq("first", c:request("ok 1\n", read_line), "1")
	c:changehost("127.0.0.1", two)
	check.ok("the old connection is closed", check.wait(function() return socket.invalid(first.ids[1]) end))
	check.eq("second", c:request("2\n", read_line), "second 2")
	c:close()
	local moved = false
	c = channel(one, { auth = function(self)
		if not moved then
			moved = true
			self:changehost("127.0.0.1", two)
		end
	end })
	check.eq("from inside the authentication", c:request("3\n", read_line), "second 3")
	c:close()
	local text = socketchannel.channel { host = "127.0.0.1:" .. one }
	check.eq("host and port in one string", text:request("ok 4\n", read_line), "4")
	text:close()
	socket.close(first.listener)
	socket.close(second.listener)
end

function case.padding()
	local port, state = line_server(echo)
	local c = channel(port, { nodelay = true })
	check.eq("one request in pieces", c:request("ok a", read_line, { "b", "c", "d\n" }), "abcd")
	c:close()
	socket.close(state.listener)
end

function case.own_reading()
	local port, state = line_server(echo)
	local used = {}
	local c = channel(port, {
		socket_read = function(sock, n)
			used[#used + 1] = "read"
			return socket.read(sock[1], n)
		end,
		socket_readline = function(sock, sep)
			used[#used + 1] = "readline"
			return socket.readline(sock[1], sep)
		end,
	})
	c:request("ok 1\n", read_line)
	c:request("ok 2\n", function(sock)
		return true, sock:read(5)
	end)
	check.eq("both are used", used, { "readline", "read" })
	c:close()
	socket.close(state.listener)
end

-- Output piles up and goes away, and the callback hears both; also when it is gone with its connection.
function case.overload()
	local accepted = {}
	local port, listener = pair.server(function(id)
		accepted[#accepted + 1] = id
	end)
	local heard = {}
	local c = channel(port, { overload = function(high)
		heard[#heard + 1] = high
	end })
	c:connect(true)
	check.wait(function() return #accepted == 1 end)
	c:request(("x"):rep(8 * 1024 * 1024), nil, { ("y"):rep(8 * 1024 * 1024) })
	check.ok("high", check.wait(function() return #heard == 1 end))
	socket.start(accepted[1])
	socket.read(accepted[1], 16 * 1024 * 1024)
	check.ok("low", check.wait(function() return #heard == 2 end))
	check.eq("in this order", heard, { true, false })
	c:request(("x"):rep(8 * 1024 * 1024), nil, { ("y"):rep(8 * 1024 * 1024) })
	check.ok("high again", check.wait(function() return #heard == 3 end))
	c:changehost("127.0.0.1", port)
	socket.close(accepted[1])
	c:connect(true)
	check.eq("low with the new connection", heard, { true, false, true, false })
	c:close()
	check.wait(function() return #accepted == 2 end)
	socket.close_fd(accepted[2])
	socket.close(listener)
end

-- A channel that nobody holds closes its connection.
function case.collected()
	local port, state = line_server(echo)
	for _, desc in ipairs { {}, { response = read_session } } do
		local c = channel(port, desc)
		c:connect(true)
	end
	check.wait(function() return #state.ids == 2 end)
	collectgarbage()
	collectgarbage()
	check.ok("closed", check.wait(function()
		return socket.invalid(state.ids[1]) and socket.invalid(state.ids[2])
	end))
	socket.close(state.listener)
	check.ok("nothing is left", check.wait(function() return #socket.netstat() == 0 end), check.show(socket.netstat()))
end

-- Programs take the socket from there, and finalizers close channels.
function case.socket_of_a_channel()
	local port, state = line_server(echo)
	for name, desc in pairs { order = {}, sessions = { response = read_session } } do
		local seen
		desc.auth = function(c) seen = c.__sock and c.__sock[1] end
		local c = channel(port, desc)
		check.eq(name .. ": before", c.__sock and c.__sock[1], nil)
		c:connect(true)
		local id = c.__sock[1]
		check.eq(name .. ": during authentication", seen, id)
		check.eq(name .. ": connected", { math.type(id), socket.invalid(id) }, { "integer", false })
		c:changehost("127.0.0.1", port)
		check.eq(name .. ": disconnected", c.__sock and c.__sock[1], nil)
		c:connect(true)
		local other = c.__sock[1]
		check.ok(name .. ": another one", other ~= id)
		local said
		setmetatable({}, { __gc = function() said = { pcall(c.close, c) } end })
		collectgarbage()
		collectgarbage()
		check.eq(name .. ": closed by a finalizer", said, { true })
		check.ok(name .. ": the connection ends", check.wait(function() return socket.invalid(other) end))
		check.eq(name .. ": closed", c.__sock and c.__sock[1], nil)
	end
	check.ok("the server has seen all of it", check.wait(function() return #state.ids == 4 end))
	socket.close(state.listener)
	check.ok("nothing is left", check.wait(function() return #socket.netstat() == 0 end), check.show(socket.netstat()))
end

-- A requester that is killed harms nobody.
function case.killed_requester()
	local port, state = line_server(function(line)
		skynet.sleep(5)
		return line .. "\n"
	end)
	local c = channel(port)
	local victim = skynet.fork(function()
		c:request("ok 1\n", read_line)
	end)
	skynet.sleep(2)
	local job = pair.background(c.request, c, "ok 2\n", read_line)
	skynet.killthread(victim)
	pair.finished(job)
	check.eq("the others get their own answers", job[1], "2")
	c:close()
	socket.close(state.listener)
end

-- Random requests while the server breaks connections: each ends once, none hangs.
function case.chaos()
	local port, state = line_server(function(line, id)
		local n = math.random(100)
		if n <= 5 then
			socket.shutdown(id)
			return nil
		end
		return line .. "\n"
	end)
	local c = channel(port)
	local good, failed = 0, 0
	for i = 1, 50 do
		skynet.fork(function()
			for j = 1, 20 do
				local want = ("%d-%d"):format(i, j)
				local ok, got = pcall(c.request, c, "ok " .. want .. "\n", read_line)
				if not ok then
					check.ok("a socket error", got == socketchannel.error, tostring(got))
					failed = failed + 1
				else
					if got ~= want then
						check.eq("the right answer", got, want)
					end
					good = good + 1
				end
			end
		end)
	end
	check.ok("all end", check.wait(function() return good + failed == 1000 end), good + failed)
	check.ok("of both kinds", good > 0 and failed > 0, good)
	c:close()
	socket.close(state.listener)
	check.ok("nothing is left", check.wait(function() return #socket.netstat() == 0 end), check.show(socket.netstat()))
end

-- Decoders read from the receive buffer: here lines of which the first byte says how long they are.
function case.decode()
	local driver = require "skynet.socketdriver"
	local sizes = {}
	local function counted(state, buffer)
		local _, have = driver.pop(buffer, {}, 0)
		sizes[#sizes + 1] = have
		local size = state.size
		if not size then
			if have < 1 then
				return nil, 1
			end
			size = driver.pop(buffer, {}, 1):byte()
			state.size, have = size, have - 1
		end
		if have < size then
			return nil, size
		end
		state.size = nil
		return true, true, (driver.pop(buffer, {}, size))
	end
	local port = pair.server(function(id)
		socket.start(id)
		socket.readline(id)
		for byte in ("\5hello\3all\9ended"):gmatch "." do
			socket.write(id, byte)
			skynet.yield()
		end
		socket.close(id)
	end)
	local c = channel(port)
	local state = {}
	local function read(sock)
		return sock:decode(counted, state)
	end
	check.eq("a request", c:request("go\n", read), "hello")
	check.eq("what comes next", c:response(read), "all")
	local ok, err = pcall(c.response, c, read)
	check.ok("the connection ends in between", not ok and err == socketchannel.error)
	check.eq("counted", { c:stats().answers, c:stats().broken, c:stats().connects }, { 2, 1, 1 })

	local id = assert(socket.open("127.0.0.1", port))
	socket.write(id, "go\n")
	check.eq("without a channel", { socket.decode(id, counted, {}) }, { true, "hello" })
	socket.close(id)
end

-- Session mode: a late answer is dropped, and a connection on which others get answers stays.
function case.timeout()
	local port = line_server(function(line, id)
		if line == "slow" then
			skynet.timeout(40, function()
				socket.write(id, "slow done\n")
			end)
			return
		end
		return line ~= "never" and line .. " done\n" or nil
	end)
	local c = channel(port, {
		timeout = 20,
		response = function(sock)
			local line = sock:readline()
			return line:match "^%a+", true, line
		end,
	})
	local slow
	skynet.fork(function()
		slow = table.pack(pcall(c.request, c, "slow\n", "slow"))
	end)
	skynet.sleep(5)
	check.eq("another one is served", c:request("quick\n", "quick"), "quick done")
	check.ok("the slow one ends", check.wait(function()
		return slow
	end))
	check.ok("late", not slow[1] and slow[2] == socketchannel.timeout)
	skynet.sleep(30)
	check.eq("the connection has stayed", c:request("again\n", "again"), "again done")
	check.eq("one", c:stats().connects, 1)
	local ok, err = pcall(c.request, c, "never\n", "never")
	check.ok("nothing at all comes", not ok and err == socketchannel.timeout)
	check.eq("a new connection", c:request("more\n", "more"), "more done")
	check.eq("two", c:stats().connects, 2)
	check.eq("counted", { c:stats().timeouts, c:stats().answers, c:stats().waiting }, { 2, 3, 0 })
end

return check.main(role, case, ...)
