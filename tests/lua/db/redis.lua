-- skynet.db.redis: bad luck, played by servers in the same service, and a real server, whose port is the config key
-- `dbport`.
local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local redis = require "skynet.db.redis"
local check = require "check"
local pair = require "pair"

local role, case = {}, {}

-- Reads one command: its words, or nil at the end of the connection.
local function read_command(id)
	local head = socket.readline(id, "\r\n")
	if not head then
		return nil
	end
	local words = {}
	for i = 1, tonumber(head:sub(2)) do
		local size = tonumber(socket.readline(id, "\r\n"):sub(2))
		words[i] = size > 0 and socket.read(id, size) or ""
		socket.read(id, 2)
	end
	return words
end

-- A server that answers with what answer(words, id, number of the connection) returns, and ends a connection for which
-- it returns nil. Its state has the number of connections.
local function server(answer)
	local state = { connections = 0 }
	local port = pair.server(function(id)
		socket.start(id)
		state.connections = state.connections + 1
		local number = state.connections
		while true do
			local words = read_command(id)
			local text = words and answer(words, id, number)
			if not text then
				break
			end
			socket.write(id, text)
		end
		socket.close(id)
	end)
	return port, state
end

local function connect(port, more)
	local conf = { host = "127.0.0.1", port = port }
	for k, v in pairs(more or {}) do
		conf[k] = v
	end
	return redis.connect(conf)
end

-- Runs `count` calls at once; a list of what each of them has got: a text, an error, or both of which is wrong.
local function at_once(count, f)
	local outcomes, done = {}, 0
	for i = 1, count do
		outcomes[i] = {}
		skynet.fork(function()
			local ok, value = pcall(f, i)
			table.insert(outcomes[i], { ok = ok, value = value })
			done = done + 1
		end)
	end
	check.ok("all calls end", check.wait(function()
		return done == count
	end))
	local once = true
	for i = 1, count do
		once = once and #outcomes[i] == 1
		outcomes[i] = outcomes[i][1]
	end
	check.ok("each has one outcome", once)
	return outcomes
end

local function all(outcomes, what, from)
	for i = from or 1, #outcomes do
		if outcomes[i].ok or outcomes[i].value ~= what then
			return false
		end
	end
	return true
end

-- The server goes in the middle of an answer.
function case.killed_in_an_answer()
	local port, state = server(function(words, id, number)
		if number == 1 then
			socket.write(id, "$100\r\nhalf of it")
			return nil
		end
		return "$1\r\nx\r\n"
	end)
	local db = connect(port)
	local outcomes = at_once(5, function()
		return db:get "k"
	end)
	check.ok("all have lost it", all(outcomes, socketchannel.error))
	check.eq("the next call connects again", db:get "k", "x")
	check.eq("once", state.connections, 2)
	check.eq("counted", db:stats(), {
		requests = 6, answers = 1, refused = 0, broken = 5, timeouts = 0, connects = 2, failed = 0, waiting = 0,
		connected = true,
	})
end

function case.killed_in_a_pipeline()
	local port = server(function(words, _, number)
		if number == 1 and words[1] == "third" then
			return nil
		end
		return "+" .. words[1] .. "\r\n"
	end)
	local db = connect(port)
	local ops = { { "first" }, { "second" }, { "third" }, { "fourth" } }
	local outcomes = at_once(2, function(i)
		return db:pipeline(ops, i == 1 and {} or nil)
	end)
	check.ok("both have lost it", all(outcomes, socketchannel.error))
	local out = {}
	for i, item in ipairs(db:pipeline(ops, {})) do
		out[i] = item.out
	end
	check.eq("the next one connects again", out, { "first", "second", "third", "fourth" })
end

function case.killed_in_a_transaction()
	local port = server(function(words, _, number)
		if words[1] == "EXEC" and number == 1 then
			return nil
		elseif words[1] == "EXEC" then
			return "-ERR EXEC without MULTI\r\n"
		end
		return words[1] == "MULTI" and "+OK\r\n" or "+QUEUED\r\n"
	end)
	local db = connect(port)
	check.eq("begun", db:multi(), "OK")
	check.eq("queued", db:incr "k", "QUEUED")
	local ok, err = pcall(db.exec, db)
	check.ok("its end raises", not ok and err == socketchannel.error)
	check.fails("and is not sent again by itself", "ERR EXEC without MULTI", db.exec, db)
end

-- Half an answer, and then nothing.
function case.silence()
	local half
	local port, state = server(function(_, id, number)
		if number == 1 then
			if not half then
				half = true
				socket.write(id, "*2\r\n$1\r\na\r\n$")
			end
			return ""
		end
		return "+OK\r\n"
	end)
	local db = connect(port, { timeout = 20 })
	local outcomes = at_once(3, function()
		return db:get "k"
	end)
	check.ok("the first is told so", all({ outcomes[1] }, socketchannel.timeout))
	check.ok("those behind it have lost the connection", all(outcomes, socketchannel.error, 2))
	check.eq("its text", tostring(outcomes[1].value), "[Error: timeout]")
	check.eq("the next call connects again", db:get "k", "OK")
	check.eq("once", state.connections, 2)
	check.eq("counted", db:stats().timeouts, 1)
end

-- The config key calltimeout is the deadline of those that name none.
function case.calltimeout()
	local port = server(function()
		return ""
	end)
	local db = connect(port)
	local ok, err = pcall(db.get, db, "k")
	check.ok("no answer in time", not ok and err == socketchannel.timeout)
end

-- A login that is never answered.
function case.silent_login()
	local port = server(function()
		return ""
	end)
	local ok, err = pcall(connect, port, { auth = "x", timeout = 20 })
	check.ok("connecting ends", not ok and err == socketchannel.error)
end

function case.lying_lengths()
	local answers = {
		"*2147483648\r\n",
		"*9223372036854775807\r\n",
		"$1073741824\r\nabc",
		"$9223372036854775807\r\n",
		"*99999999999999999999999\r\n",
		"$-\r\n",
		":1",
	}
	local port = server(function(words)
		return words[1] == "ECHO" and answers[tonumber(words[2])] or "+PONG\r\n"
	end)
	local db = connect(port, { timeout = 30 })
	for i, text in ipairs { "limit", "limit", "limit", "limit", "no number", "no number", "timeout" } do
		check.fails(("answer %d"):format(i), text, db.echo, db, i)
		check.eq("the next call is served", db:ping(), "PONG")
	end
	local small = connect(port, { maxreply = 6 })
	check.fails("a limit of one's own", "is above the limit of 6 bytes (option maxreply)", small.ping, small)
end

function case.depth()
	local port, state = server(function(words)
		return words[1] == "DEEP" and ("*1\r\n"):rep(100000) .. ":1\r\n" or "+PONG\r\n"
	end)
	local db = connect(port)
	local outcomes = at_once(2, function(i)
		return i == 1 and db:deep() or db:ping()
	end)
	check.ok("the answer is refused", not outcomes[1].ok and outcomes[1].value:find "128 deep")
	check.eq("the next answer is there, on the same connection", outcomes[2].value, "PONG")
	check.eq("one connection", state.connections, 1)
end

-- Bytes are bytes.
function case.broken_utf8()
	local port = server(function(words)
		return ("$%d\r\n%s\r\n"):format(#words[2], words[2])
	end)
	local db = connect(port)
	for _, text in ipairs { "\xff\xfe", "\xc3", "a\0b", "\r\n", ("\xf0\x9f"):rep(100000) } do
		check.ok("as it was", db:echo(text) == text)
	end
	check.fails("an error of any bytes", "\xff\xfe", function()
		local bad = connect(server(function()
			return "-ERR \xff\xfe\r\n"
		end))
		bad:get "k"
	end)
end

-- A slow server, and ten thousand that wait.
function case.many_waiting()
	local port, state = server(function(words)
		if words[2] == "1" then
			skynet.sleep(20)
		end
		return ("$%d\r\n%s\r\n"):format(#words[2], words[2])
	end)
	local db = connect(port, { timeout = 3000 })
	local outcomes = at_once(10000, function(i)
		return db:echo(i)
	end)
	local right = true
	for i = 1, #outcomes do
		right = right and outcomes[i].value == tostring(i)
	end
	check.ok("each has its answer", right)
	check.eq("one connection", state.connections, 1)
end

function case.nobody_there()
	local port = pair.server(function() end)
	local db = connect(port)
	db:disconnect()
	check.fails("the object is of no use", "nil value", function()
		db:get "k"
	end)
	local ok, err = pcall(connect, 1)
	check.ok("refused", not ok and err == socketchannel.error)
end

-- Types of RESP3, and a user.
function case.resp3()
	local seen
	local answers = {
		HELLO = "%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n",
		MAP = "%2\r\n+a\r\n:1\r\n_\r\n+nothing\r\n",
		SET = "~2\r\n+x\r\n#t\r\n",
		DOUBLE = "*4\r\n,1.5\r\n,inf\r\n,nan\r\n(12345678901234567890\r\n",
		ABOUT = "|1\r\n+ttl\r\n:5\r\n$1\r\nv\r\n",
		TEXT = "=8\r\ntxt:some\r\n",
		BAD = "!9\r\nERR blobs\r\n",
	}
	local port = server(function(words)
		if words[1] == "HELLO" then
			seen = table.concat(words, " ")
		end
		return answers[words[1]]
	end)
	local db = connect(port, { resp3 = true, username = "me", auth = "pw" })
	check.eq("the login", seen, "HELLO 3 AUTH me pw")
	check.eq("a map", db:map(), { a = 1 })
	check.eq("a set", db:set(), { "x", true })
	local numbers = db:double()
	check.eq("doubles", { numbers[1], numbers[2] }, { 1.5, math.huge })
	check.ok("nan", numbers[3] ~= numbers[3])
	check.eq("a number of any size", numbers[4], "12345678901234567890")
	check.eq("what is about a value is left out", db:about(), "v")
	check.eq("a text with its kind", db:text(), "some")
	check.fails("an error", "ERR blobs", db.bad, db)
	connect(port, { resp3 = true, auth = "pw" })
	check.eq("without a user", seen, "HELLO 3 AUTH default pw")
end

-- A watcher has a deadline for nothing.
function case.watcher()
	local port = server(function(words, id)
		if words[1] == "SUBSCRIBE" then
			local name = words[2]
			skynet.timeout(10, function()
				socket.write(id, ("*3\r\n$7\r\nmessage\r\n$%d\r\n%s\r\n$2\r\nhi\r\n"):format(#name, name))
			end)
			return ("*3\r\n$9\r\nsubscribe\r\n$%d\r\n%s\r\n:1\r\n"):format(#name, name)
		end
		return ""
	end)
	local w = redis.watch { host = "127.0.0.1", port = port, timeout = 1 }
	w:subscribe "news"
	check.returns("a message", { "hi", "news" }, w.message, w)
	check.eq("recorded", w.__subscribe, { news = true })
	w:psubscribe "a*"
	w:unsubscribe "news"
	w:punsubscribe "a*"
	check.eq("counted", w:stats().requests, 4)
	w:disconnect()
end

-- With a real server.

local function real(more)
	return connect(tonumber(skynet.getenv "dbport"), more)
end

function case.real_commands()
	local db = real()
	check.eq("set", db:set("a", 1), "OK")
	check.eq("incr", db:incr "a", 2)
	check.eq("get", db:get "a", "2")
	check.eq("no such key", db:get "none", nil)
	check.eq("exists", { db:exists "a", db:exists "none" }, { true, false })
	check.eq("hmset", db:hmset { "h", "x", 1, "y", 2.5 }, "OK")
	check.eq("hmget", db:hmget("h", "y", "x"), { "2.5", "1" })
	check.eq("sadd", db:sadd("s", "m"), 1)
	check.eq("sismember", { db:sismember("s", "m"), db:sismember("s", "n") }, { true, false })
	check.fails("a wrong type", "WRONGTYPE", db.incr, db, "h")
	check.fails("an unknown command", "ERR unknown command", db.nonsense, db)
	check.eq("eval", db:eval("return {1, ARGV[1], {KEYS[1]}}", 1, "k", "v"), { 1, "v", { "k" } })
	local big = ("x"):rep(3000000)
	db:set("big", big)
	check.ok("three million bytes", db:get "big" == big)
	local resp = db:pipeline({ { "set", "p", 1 }, { "lpush", "p", 1 }, { "get", "p" } }, {})
	check.eq("a pipeline", { resp[1].out, resp[2].ok, resp[3].out }, { "OK", false, "1" })
	check.eq("a transaction", db:pipeline { { "multi" }, { "incr", "p" }, { "get", "p" }, { "exec" } }, { 2, "2" })
	db:disconnect()
end

function case.real_resp3()
	local db = real { resp3 = true }
	db:hset("h3", "x", 1)
	check.eq("a map", db:hgetall "h3", { x = "1" })
	db:zadd("z", 1.5, "m")
	check.eq("a double", db:zscore("z", "m"), 1.5)
	db:acl("SETUSER", "me", "on", ">pw", "~*", "+@all")
	local me = real { resp3 = true, username = "me", auth = "pw" }
	check.eq("a user", me:acl "WHOAMI", "me")
	check.ok("a wrong password", not pcall(real, { username = "me", auth = "no" }))
end

function case.real_messages()
	local db = real()
	local w = redis.watch { host = "127.0.0.1", port = tonumber(skynet.getenv "dbport") }
	w:subscribe("a", "b")
	w:psubscribe "c*"
	local got = {}
	skynet.fork(function()
		while #got < 3 do
			got[#got + 1] = { w:message() }
		end
	end)
	check.ok("subscribed", check.wait(function()
		return next(w.__psubscribe) ~= nil
	end))
	db:publish("b", "1")
	db:publish("cc", "2")
	db:publish("a", "3")
	check.ok("all have come", check.wait(function()
		return #got == 3
	end))
	check.eq("messages", got, { { "1", "b" }, { "2", "cc", "c*" }, { "3", "a" } })
	-- The connection goes, and the subscriptions come back.
	local told
	skynet.fork(function()
		told = table.pack(pcall(w.message, w))
	end)
	skynet.yield()
	db:client("KILL", "TYPE", "pubsub")
	check.ok("told", check.wait(function()
		return told
	end))
	check.ok("by the error", not told[1] and told[2] == socketchannel.error)
	skynet.fork(function()
		got[4] = { w:message() }
	end)
	check.ok("heard again", check.wait(function()
		return db:publish("a", "4") > 0 and got[4] ~= nil
	end))
end

-- The server is killed and started again while a hundred coroutines count; it counts what it has acknowledged at least.
function case.real_restart()
	local db = real()
	local acknowledged, failed, stop = 0, 0, false
	db:set("n", 0)
	db:config("SET", "appendfsync", "always")
	local running = 0
	for _ = 1, 100 do
		running = running + 1
		skynet.fork(function()
			while not stop do
				if pcall(db.incr, db, "n") then
					acknowledged = acknowledged + 1
				else
					failed = failed + 1
					skynet.sleep(5)
				end
			end
			running = running - 1
		end)
	end
	check.ok("counting", check.wait(function()
		return acknowledged > 1000
	end))
	check.emit "KILL"
	check.ok("told", check.wait(function()
		return failed >= 100
	end))
	local before = acknowledged
	check.ok("counting again", check.wait(function()
		return acknowledged > before + 1000
	end))
	stop = true
	check.wait(function()
		return running == 0
	end)
	local n = tonumber(db:get "n")
	check.ok("nothing acknowledged is lost, nothing is counted twice", n >= acknowledged and n <= acknowledged + failed,
		("%d acknowledged, %d failed, %d counted"):format(acknowledged, failed, n))
end

return check.main(role, case, ...)
