-- snax.msgserver: handshakes, requests that are asked again, and what clients cannot do to it. The gate is
-- login/recorded_gate.lua.
local skynet = require "skynet"
local crypt = require "skynet.crypt"
local socket = require "skynet.socket"
local msgserver = require "snax.msgserver"
local check = require "check"
local client = require "loginclient"
local pair = require "pair"

local role, case = {}, {}

local SECRET <const> = "8 bytes."

-- A gate with one user: its handle, its port, the user's name.
local function open(fields)
	local gate = skynet.newservice "login/recorded_gate"
	local conf = { address = "127.0.0.1", port = 0, servername = "server1" }
	for key, value in pairs(fields or {}) do
		conf[key] = value
	end
	local what, server, port = skynet.call(gate, "lua", "open", conf)
	check.eq("open", { what, server }, { "registered", "server1" })
	local name = skynet.call(gate, "lua", "login", "user", SECRET, 1, "server1")
	return gate, port, name
end

local function enter(port, name, index, secret)
	local id, verdict = client.enter(port, name, secret or SECRET, index)
	check.eq("handshake " .. index, verdict, "200 OK")
	return id
end

local function closed(name, id)
	check.eq(name, { socket.read(id, 1) }, { false, "" })
	socket.close(id)
end

local function refused(port, verdict, ...)
	local id, got = client.enter(port, ...)
	check.eq(verdict, got, verdict)
	closed("closed after " .. verdict, id)
end

local function events(gate)
	return skynet.call(gate, "lua", "kick", "events")
end

local function ip(gate, name)
	return skynet.call(gate, "lua", "kick", "ip", name)
end

-- The next two answers, in whatever order, by their sessions.
local function two_answers(id)
	local got = {}
	for _ = 1, 2 do
		local text, _, session = client.answer(id)
		got[session] = text
	end
	return got
end

function case.handshakes()
	local gate, port, name = open()
	refused(port, "404 User Not Found", "nobody", SECRET, 1)
	refused(port, "400 Bad Request", name, SECRET, "first")
	refused(port, "403 Index Expired", name, SECRET, 0)
	refused(port, "403 Index Expired", name, SECRET, -1)
	refused(port, "401 Unauthorized", name, "8 others", 1)
	check.eq("nobody is there", ip(gate, name), nil)
	local id = enter(port, name, 3)
	check.ok("where from", ip(gate, name):find "^127%.0%.0%.1:%d+$")
	refused(port, "403 Index Expired", name, "8 others", 3) -- the index comes before the hash
	refused(port, "403 Index Expired", name, SECRET, 2)
	local second = enter(port, name, 4)
	check.eq("the first one goes on", client.ask(id, "hello", 1), "1:hello")
	check.eq("the second one too", client.ask(second, "hello", 2), "2:hello")
	-- The current connection stays the current one.
	socket.close(id)
	check.ok("told", check.wait(function() return #events(gate) == 1 end))
	check.ok("still there", ip(gate, name))
	socket.close(second)
	check.ok("told again", check.wait(function() return #events(gate) == 2 end))
	check.eq("gone", ip(gate, name), nil)
	check.eq("of whom", events(gate), { name, name })

	-- Not by the form of a frame either.
	for _, text in ipairs { "", ":", "::", ":::", name, name .. ":1", "\0\0", ("x"):rep(65535) } do
		id = assert(socket.open("127.0.0.1", port))
		client.send(id, text)
		check.eq("nonsense", client.receive(id), "404 User Not Found")
		closed("closed", id)
	end
	id = assert(socket.open("127.0.0.1", port))
	client.send(id, name .. ":9:!")
	check.eq("no base64", client.receive(id), "400 Bad Request")
	closed("closed", id)
	enter(port, name, 9)
end

function case.answers()
	local _, port, name = open()
	local id = enter(port, name, 1)
	check.returns("text", { "1:hello", true, 7 }, client.ask, id, "hello", 7)
	check.returns("nothing", { "", true, 8 }, client.ask, id, "nil", 8)
	check.returns("a number", { "12", true, 9 }, client.ask, id, "number", 9)
	check.returns("an error", { "", false, 10 }, client.ask, id, "err", 10)
	check.returns("what cannot be sent", { "", false, 11 }, client.ask, id, "table", 11)
	check.returns("too much", { "", false, 12 }, client.ask, id, "huge", 12)
	check.returns("nothing asked", { "7:", true, 0xffffffff }, client.ask, id, "", 0xffffffff)
	check.returns("the same session again", { "8:again", true, 7 }, client.ask, id, "again", 7)
	-- Answers come when they are ready.
	client.request(id, "wait", 1)
	client.request(id, "hello", 2)
	check.returns("the second one first", { "10:hello", true, 2 }, client.answer, id)
	client.request(id, "release", 3)
	check.eq("then the others", two_answers(id), { [1] = "9:wait", [3] = "11:release" })
	-- A request in two halves, and byte by byte.
	local frame = string.pack(">s2", "halves" .. string.pack(">I4", 4))
	socket.write(id, frame:sub(1, 5))
	skynet.sleep(2)
	socket.write(id, frame:sub(6))
	check.returns("in halves", { "12:halves", true, 4 }, client.answer, id)
	for i = 1, #frame do
		socket.write(id, frame:sub(i, i))
		skynet.sleep(0)
	end
	check.returns("in bytes", { "13:halves", true, 4 }, client.answer, id)
	socket.close(id)
end

function case.asked_again()
	local gate, port, name = open()
	local id = enter(port, name, 1)
	check.eq("first", client.ask(id, "a", 1), "1:a")
	client.request(id, "wait", 2)
	check.eq("second", client.ask(id, "b", 3), "3:b")
	socket.close(id)
	check.ok("gone", check.wait(function() return #events(gate) == 1 end))

	-- On a new connection each session has one answer, whatever is asked.
	id = enter(port, name, 2)
	check.returns("again", { "1:a", true, 1 }, client.ask, id, "something else", 1)
	check.returns("again, the other", { "3:b", true, 3 }, client.ask, id, "", 3)
	client.request(id, "wait", 2)
	client.request(id, "release", 4)
	check.eq("what was being done", two_answers(id), { [2] = "2:wait", [4] = "4:release" })
	-- After its answer, a session is free.
	check.eq("anew", client.ask(id, "a", 1), "5:a")
	local _, runs = events(gate)
	check.eq("how often", runs, 5)
	-- An error is an answer like others.
	check.returns("failed", { "", false, 6 }, client.ask, id, "err", 6)
	socket.close(id)
	id = enter(port, name, 3)
	check.returns("failed before", { "", false, 6 }, client.ask, id, "err", 6)
	check.eq("it did not run", select(2, events(gate)), 6)
	socket.close(id)
end

-- Asking for the third time while it is being done.
function case.conflict()
	local gate, port, name = open()
	local id = enter(port, name, 1)
	for _ = 1, 3 do
		client.request(id, "wait", 8)
	end
	closed("closed", id)
	id = enter(port, name, 2)
	client.request(id, "wait", 8)
	check.eq("in between", client.ask(id, "release", 9), "2:release")
	check.returns("its answer", { "1:wait", true, 8 }, client.answer, id)
	check.eq("it ran once", select(2, events(gate)), 2)
	socket.close(id)
end

-- Old answers are forgotten, those of late are not. expired_number is 4.
function case.expiry()
	local _, port, name = open()
	local id = enter(port, name, 1)
	client.request(id, "wait", 100) -- not answered: not forgotten
	check.eq("begun", client.ask(id, "r", 1), "2:r")
	for session = 2, 8 do
		check.eq("ask", client.ask(id, "r", session), session + 1 .. ":r")
	end
	socket.close(id)
	id = enter(port, name, 2)
	check.eq("the fifth is kept", client.ask(id, "r", 6), "7:r")
	check.eq("the second is not", client.ask(id, "r", 2), "10:r")
	client.request(id, "wait", 100)
	client.request(id, "release", 101)
	check.eq("what was being done", two_answers(id)[100], "1:wait")
	socket.close(id)
end

function case.users()
	local gate, port, name = open()
	local first = enter(port, name, 1)
	local second = enter(port, name, 2)
	check.fails("a second login", "call failed", skynet.call, gate, "lua", "login", "user", SECRET, 1, "server1")
	check.returns("kick", { "kicked", "user", 1 }, skynet.call, gate, "lua", "kick", "user", 1)
	check.fails("another command", "call failed", skynet.call, gate, "lua", "nonsense")
	check.returns("logout", { "out", "user" }, skynet.call, gate, "lua", "logout", "user", 1)
	closed("its connection", second)
	closed("the one before", first)
	check.fails("a second logout", "call failed", skynet.call, gate, "lua", "logout", "user", 1)
	refused(port, "404 User Not Found", name, SECRET, 3)
	-- The next login begins anew.
	skynet.call(gate, "lua", "login", "user", SECRET, 1, "server1")
	local id = enter(port, name, 1)
	check.eq("works", client.ask(id, "r", 1), "1:r")
	socket.close(id)

	check.fails("no name", "is not the name of a user", msgserver.userid, "x")
	check.returns("a name", { "u", "12", "s" }, msgserver.userid, msgserver.username("u", 12, "s"))
	check.fails("open without a name", "call failed", skynet.call, skynet.newservice "login/recorded_gate", "lua",
		"open", { address = "127.0.0.1", port = 0 })
	check.eq("of nobody", msgserver.ip(name), nil)
	check.fails("nobody", "is not logged in", msgserver.logout, name)
	msgserver.login(name, SECRET)
	check.fails("twice", "is logged in already", msgserver.login, name, SECRET)
	msgserver.logout(name)
	check.fails("no handlers", "login_handler is missing", msgserver.start, {})
end

-- Frames that are no requests.
function case.malformed()
	local _, port, name = open()
	for index, text in ipairs { "", "a", "abc" } do
		local id = enter(port, name, index)
		client.send(id, text)
		closed("closed", id)
	end
	-- Behind a handshake that fails.
	local id = assert(socket.open("127.0.0.1", port))
	socket.write(id, string.pack(">s2>s2>s2", "nobody:1:AAAA", "request and session", "again"))
	check.eq("verdict", client.receive(id), "404 User Not Found")
	closed("closed", id)
	id = enter(port, name, 9)
	check.eq("works", client.ask(id, "r", 1), "1:r")
	socket.close(id)
end

-- Connections that say nothing, or half a frame, lose their places.
function case.strangers()
	local _, port, name = open { maxclient = 50 }
	local ids = {}
	for i = 1, 1000 do
		local id = socket.open("127.0.0.1", port)
		if id then
			ids[#ids + 1] = id
			if i % 2 == 0 then
				socket.write(id, "\0\50half a frame")
			end
		end
	end
	local id
	check.ok("somebody gets in", check.wait(function()
		local verdict
		id, verdict = client.enter(port, name, SECRET, 1)
		if not verdict then
			socket.close(id)
		end
		return verdict == "200 OK"
	end))
	check.eq("and is served", client.ask(id, "r", 1), "1:r")
	for _, other in ipairs(ids) do
		socket.close(other)
	end
	socket.close(id)
end

-- More requests than may be worked on: maxpending is 10.
function case.flood()
	local gate, port, name = open()
	local id = enter(port, name, 1)
	for session = 1, 11 do
		client.request(id, "wait", session)
	end
	closed("closed", id)
	id = enter(port, name, 2)
	client.request(id, "wait", 100)
	closed("there is still no room", id)
	id = enter(port, name, 3)
	for session = 1, 3 do
		client.request(id, "wait", session)
	end
	check.eq("it has run for ten", select(2, events(gate)), 10)
	socket.close(id)
end

-- A user who asks and does not read: maxoutput is 200000.
function case.no_reader()
	local gate, port, name = open()
	local id = enter(port, name, 1)
	local text = ("x"):rep(60000)
	for session = 1, 1000 do
		client.request(id, text, session)
		if session % 10 == 0 then
			skynet.sleep(0)
			if session == 10 then
				socket.pause(id)
			elseif #events(gate) > 0 then
				break
			end
		end
	end
	check.ok("it is thrown out", check.wait(function() return #events(gate) > 0 end))
	socket.close(id)
end

-- Frames by chance, from users and strangers.
function case.chance()
	local gate, port, name = open()
	local seed = tonumber(skynet.getenv "seed") or os.time()
	print("seed", seed)
	math.randomseed(seed)
	local words = { "err", "slow", "nil", "number", "table", "r", "huge" }
	for index = 1, 100 do
		local id
		if math.random(2) == 1 then
			id = enter(port, name, index)
		else
			id = assert(socket.open("127.0.0.1", port))
		end
		for _ = 1, math.random(0, 8) do
			local kind = math.random(4)
			if kind == 1 then
				client.send(id, crypt.randombytes(math.random(0, 60)))
			elseif kind == 2 then
				client.send(id, name .. ":" .. math.random(0, 200) .. ":" .. crypt.base64encode(crypt.randombytes(8)))
			elseif kind == 3 then
				client.request(id, words[math.random(#words)], math.random(0, 5))
			else
				socket.write(id, crypt.randombytes(math.random(0, 10)))
			end
		end
		socket.close(id)
	end
	local id = enter(port, name, 1000)
	check.ok("works", select(2, client.ask(id, "r", 77)))
	socket.close(id)
	check.ok("nobody is left", check.wait(function() return ip(gate, name) == nil end))
end

return check.main(role, case, ...)
