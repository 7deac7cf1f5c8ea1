-- skynet.db.mongo: bad luck and moving primaries, played by servers in the same service.
local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local bson = require "bson"
local crypt = require "skynet.crypt"
local driver = require "skynet.mongo.driver"
local mongo = require "skynet.db.mongo"
local check = require "check"
local pair = require "pair"

local role, case = {}, {}

local function message(to, document, id)
	local bytes = driver.op_msg(id or 1, 0, document)
	return bytes:sub(1, 8) .. string.pack("<i4", to) .. bytes:sub(13)
end

-- A server that answers with what answer(command, id of the socket, number of the connection, number of the request)
-- returns: a table, bytes, or nil to end the connection. It is the primary unless `hello` says otherwise.
local function server(answer, hello)
	local state = { connections = 0, ids = {} }
	local port, listener = pair.server(function(id)
		socket.start(id)
		state.connections = state.connections + 1
		state.ids[#state.ids + 1] = id
		local number = state.connections
		while true do
			local head = socket.read(id, 4)
			local size = head and driver.length(head)
			local bytes = size and socket.read(id, size)
			if not bytes then
				break
			end
			local request = string.unpack("<i4", bytes)
			local _, _, document = driver.reply(bytes)
			local command = bson.decode(document)
			local result
			if command.ismaster then
				result = hello and hello(number) or { ismaster = true, ok = 1 }
			else
				result = answer(command, id, number, request)
			end
			if not result then
				break
			elseif type(result) == "table" then
				result = message(request, bson.encode(result))
			end
			socket.write(id, result)
		end
		socket.close(id)
	end)
	state.listener = listener
	return port, state
end

local function connect(port, more)
	local conf = { host = "127.0.0.1", port = port }
	for k, v in pairs(more or {}) do
		conf[k] = v
	end
	return mongo.client(conf)
end

local function at_once(count, f)
	local outcomes, done = {}, 0
	for i = 1, count do
		outcomes[i] = {}
		skynet.fork(function()
			table.insert(outcomes[i], table.pack(pcall(f, i)))
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
		if outcomes[i][1] or outcomes[i][2] ~= what then
			return false
		end
	end
	return true
end

function case.native_half()
	local document = bson.encode { a = 1 }
	local bytes = driver.op_msg(7, 2, document)
	check.eq("its length", driver.length(bytes:sub(1, 4)), #bytes - 4)
	local ok, to, place = driver.reply(bytes:sub(5))
	check.eq("an answer", { ok, to, bson.decode(place).a }, { true, 0, 1 })
	check.eq("too short", driver.reply "short", false)
	check.fails("another kind", "Unsupported opcode:1", driver.reply, ("\1"):rep(3) .. ("\0"):rep(5) .. "\1\0\0\0"
		.. ("\0"):rep(20))
	check.fails("no document", "document expected", driver.op_msg, 1, 0, "x")
	check.fails("no length", "four bytes", driver.length, "x")
end

function case.killed_in_an_answer()
	local port, state = server(function(_, id, number, request)
		if number == 1 then
			socket.write(id, message(request, bson.encode { ok = 1 }):sub(1, 20))
			return nil
		end
		return { ok = 1 }
	end)
	local c = connect(port)
	local outcomes = at_once(3, function()
		return c.test:runCommand "x"
	end)
	check.ok("all have lost it", all(outcomes, socketchannel.error))
	check.eq("the next call connects again", c.test:runCommand "x".ok, 1)
	check.eq("once", state.connections, 2)
	check.eq("counted", { c:stats().broken, c:stats().connects }, { 3, 2 })
end

function case.silence()
	local port, state = server(function(command, id, number, request)
		if command.half then
			socket.write(id, message(request, bson.encode { ok = 1 }):sub(1, 20))
			return ""
		end
		return { ok = 1 }
	end)
	local c = connect(port, { timeout = 20 })
	local ok, err = pcall(c.test.runCommand, c.test, "half")
	check.ok("told so", not ok and err == socketchannel.timeout)
	check.eq("the next call connects again", c.test:runCommand "x".ok, 1)
	check.eq("once", state.connections, 2)
end

-- Answers in any order; one that is late is dropped, and its connection stays.
function case.any_order()
	local port, state = server(function(command, id, _, request)
		if command.wait then
			skynet.timeout(command.wait, function()
				socket.write(id, message(request, bson.encode { ok = 1, n = command.wait }))
			end)
			return ""
		end
		return { ok = 1 }
	end)
	local c = connect(port, { timeout = 30 })
	local outcomes = at_once(4, function(i)
		return c.test:runCommand("wait", 50 - i * 12).n
	end)
	check.ok("the slow one is late", not outcomes[1][1] and outcomes[1][2] == socketchannel.timeout)
	check.eq("the others have theirs", { outcomes[2][2], outcomes[3][2], outcomes[4][2] }, { 26, 14, 2 })
	skynet.sleep(20)
	check.eq("on the same connection", { c.test:runCommand "x".ok, state.connections }, { 1, 1 })
end

function case.lying_answers()
	local nested = bson.encode {}
	local deep = string.pack("<i4", 5) .. "\0"
	for _ = 1, 3000 do
		deep = string.pack("<i4", #deep + 8) .. "\3a\0" .. deep .. "\0"
	end
	local function raw(request, document)
		return string.pack("<i4i4i4i4I4B", 21 + #document, 1, request, 2013, 0, 0) .. document
	end
	local answers = {
		{ "limit", function() return string.pack("<i4", 0x7fffffff) .. ("\0"):rep(20) end },
		{ "socket", function() return string.pack("<i4", -5) .. ("\0"):rep(20) end },
		{ "ends too early", function(r) return raw(r, string.pack("<i4", 0x7fffffff) .. "\0") end },
		{ ">1 section", function(r) return raw(r, tostring(nested) .. tostring(nested)) end },
		{ "checksum", function(r) return string.pack("<i4i4i4i4I4B", 26, 1, r, 2013, 1, 0) .. tostring(nested) end },
		{ "Invalid bson", function(r) return raw(r, "\12\0\0\0\2a\0\xff\xff\xff\x7f\0") end, true },
		{ "Too depth", function(r) return raw(r, deep) end, true },
		{ "Invalid bson", function(r) return raw(r, "\8\0\0\0\99a\0\0") end, true },
	}
	local port, state = server(function(command, _, _, request)
		return command.n and answers[command.n][2](request) or { ok = 1 }
	end)
	local c = connect(port, { timeout = 100 })
	for i, answer in ipairs(answers) do
		local before = state.connections
		check.fails(("answer %d"):format(i), answer[1], c.test.runCommand, c.test, "n", i)
		check.eq("the next call is served", c.test:runCommand "x".ok, 1)
		if answer[3] then
			check.eq("on the same connection: only the document was bad", state.connections, before)
		end
	end
	local text = "\xff\xfe"
	local broken = connect((server(function(_, _, _, request)
		return raw(request, string.pack("<i4", 18) .. "\2a\0" .. string.pack("<i4", 3) .. text .. "\0\0\0\0\0")
	end)))
	check.fails("what lies behind the end", "Invalid", broken.test.runCommand, broken.test, "x")
end

function case.many_waiting()
	local port, state = server(function(command)
		if command.n == 1 then
			skynet.sleep(20)
		end
		return { ok = 1, n = command.n }
	end)
	local c = connect(port, { timeout = 3000 })
	local outcomes = at_once(10000, function(i)
		return c.test:runCommand("n", i).n
	end)
	local right = true
	for i = 1, #outcomes do
		right = right and outcomes[i][2] == i
	end
	check.ok("each has its answer", right)
	check.eq("one connection", state.connections, 1)
end

-- Two members, of which the primary dies under load and the other one takes over. What was acknowledged is counted
-- once.
function case.failover()
	local ports, primary, count = {}, 1, 0
	local states = {}
	local function member(i)
		local function hello()
			return {
				ok = 1,
				ismaster = primary == i,
				hosts = { "127.0.0.1:" .. ports[1], "127.0.0.1:" .. ports[2] },
				primary = primary and "127.0.0.1:" .. ports[primary] or nil,
				me = "127.0.0.1:" .. ports[i],
			}
		end
		ports[i], states[i] = server(function(command)
			if command.update then
				count = count + 1
				return { ok = 1, n = 1 }
			end
			return { ok = 1 }
		end, hello)
	end
	member(1)
	member(2)
	local c = mongo.client { rs = { { host = "127.0.0.1", port = ports[1] }, { host = "127.0.0.1", port = ports[2] } } }
	local acknowledged, failed, stop, running = 0, 0, false, 0
	for _ = 1, 20 do
		running = running + 1
		skynet.fork(function()
			while not stop do
				if pcall(c.test.coll.safe_update, c.test.coll, {}, { ["$inc"] = { n = 1 } }) then
					acknowledged = acknowledged + 1
				else
					failed = failed + 1
					skynet.sleep(5)
				end
				skynet.yield()
			end
			running = running - 1
		end)
	end
	check.ok("counting", check.wait(function()
		return acknowledged > 200
	end))
	primary = 2
	socket.close(states[1].listener)
	for _, id in ipairs(states[1].ids) do
		socket.close(id)
	end
	check.ok("told", check.wait(function()
		return failed > 0
	end))
	local before = acknowledged
	check.ok("counting at the other one", check.wait(function()
		return acknowledged > before + 200
	end))
	stop = true
	check.ok("all have ended", check.wait(function()
		return running == 0
	end))
	check.ok("each acknowledged once", count >= acknowledged and count <= acknowledged + failed)
	check.ok("the other one is connected", states[2].connections >= 1)
end

-- A wrong password, and SCRAM-SHA-256 by a second implementation.
function case.scram_sha256()
	local salt, rounds, password = "salt of 16 bytes", 4096, "pencil"
	local first, server_first, salted
	local function answer(command)
		local text = command.payload and crypt.base64decode(command.payload)
		if command.saslStart then
			check.eq("how", command.mechanism, "SCRAM-SHA-256")
			first = text:sub(4)
			local block = crypt.hmac_sha256(password, salt .. "\0\0\0\1")
			local sum = block
			for _ = 2, rounds do
				block = crypt.hmac_sha256(password, block)
				sum = crypt.xor_str(sum, block)
			end
			salted = sum
			server_first = ("%s,s=%s,i=%d"):format(text:match "r=.*" .. "more", crypt.base64encode(salt), rounds)
			return { ok = 1, done = false, conversationId = 1, payload = crypt.base64encode(server_first) }
		elseif text and text ~= "" then
			local bare, proof = text:match "^(.*),p=(.*)$"
			local all_text = ("%s,%s,%s"):format(first, server_first, bare)
			local key = crypt.hmac_sha256(salted, "Client Key")
			local want = crypt.xor_str(key, crypt.hmac_sha256(crypt.sha256(key), all_text))
			if crypt.base64encode(want) ~= proof then
				return { ok = 0, errmsg = "Authentication failed." }
			end
			local signature = crypt.hmac_sha256(crypt.hmac_sha256(salted, "Server Key"), all_text)
			local last = crypt.base64encode("v=" .. crypt.base64encode(signature))
			return { ok = 1, done = true, conversationId = 1, payload = last }
		end
		return { ok = 1 }
	end
	local port = server(answer)
	local c = connect(port, { username = "u", password = password, authmod = "scram_sha256" })
	check.eq("logged in", c.test:runCommand "x".ok, 1)
	local ok, err = pcall(connect, port, { username = "u", password = "wrong", authmod = "scram_sha256" })
	check.ok("a wrong password", not ok and err == socketchannel.error)
	rounds = 2000000000
	check.ok("too many rounds", not pcall(connect, (server(function(command)
		return { ok = 1, done = false, conversationId = 1, payload = crypt.base64encode(
			("%s,s=AAAA,i=%d"):format(crypt.base64decode(command.payload):match "r=.*", rounds)) }
	end)), { username = "u", password = "x", authmod = "scram_sha256" }))
end

-- A server that keeps documents, as far as find, insert, delete and count need it.
local function keeper()
	local docs = {}
	return server(function(command)
		if command.insert then
			for _, doc in ipairs(command.documents) do
				if docs[doc._id] then
					return { ok = 1, n = 0, writeErrors = { { index = 0, code = 11000, errmsg = "E11000 duplicate key" } } }
				end
				docs[doc._id] = doc
			end
			return { ok = 1, n = #command.documents }
		elseif command.find then
			local found = {}
			for _, doc in pairs(docs) do
				if not command.filter._id or command.filter._id == doc._id then
					found[#found + 1] = doc
				end
			end
			table.sort(found, function(a, b) return a._id < b._id end)
			return { ok = 1, cursor = { id = bson.int64(0), ns = "x", firstBatch = setmetatable(found, { __len = function(t)
				return rawlen(t)
			end }) } }
		elseif command.startSession then
			return { ok = 1, id = { id = "s" } }
		end
		return { ok = 1 }
	end)
end

function case.documents()
	local c = connect((keeper()))
	local coll = c.game.players
	check.returns("inserted", { true, nil, { ok = 1, n = 1 }, n = 3 }, coll.safe_insert, coll, { _id = 1, gold = 5 })
	local ok, err = coll:safe_insert { _id = 1 }
	check.eq("a duplicate", { ok, err }, { false, "E11000 duplicate key" })
	coll:safe_batch_insert { { _id = 2 }, { _id = 3, name = "Cy" } }
	check.eq("one", coll:findOne { _id = 3 }, { _id = 3, name = "Cy" })
	local ids, cursor = {}, coll:find()
	while cursor:hasNext() do
		ids[#ids + 1] = cursor:next()._id
	end
	check.eq("all", ids, { 1, 2, 3 })
	check.eq("enabled", mongo.enable "transaction", true)
	check.eq("the same module by its old name", require "mongo", mongo)
	check.eq("a transaction", c.game:run_transaction(function()
		coll:safe_insert { _id = 4 }
	end), nil)
	check.ok("an error in it is returned", tostring(c.game:run_transaction(function()
		error "stop"
	end)):find "stop")
	c:disconnect()
end

function case.connection_strings()
	local parse = require "skynet.db.mongo.url"
	check.eq("the shortest", parse "mongodb://db", {
		host = "db", port = 27017, hosts = { { host = "db", port = 27017 } },
	})
	check.eq("all of it", parse("mongodb://me:p%40ss%3A@10.0.0.1:1,[::1]:2/game?authSource=admin&replicaSet=r"
		.. "&authMechanism=SCRAM-SHA-1&socketTimeoutMS=1500&retryWrites=true"), {
		host = "10.0.0.1", port = 1, hosts = { { host = "10.0.0.1", port = 1 }, { host = "::1", port = 2 } },
		username = "me", password = "p@ss:", authdb = "admin", authmod = "scram_sha1", set = "r", timeout = 150,
	})
	check.eq("the database is that of the login", parse("mongodb://u:p@h/game").authdb, "game")
	check.eq("an authority", parse("mongodb://h/?tlsCAFile=a.pem").tls, { ca = "a.pem" })
	check.eq("no tls", parse("mongodb://h/?ssl=false&tlsCAFile=a.pem").tls, nil)
	for text, why in pairs {
		["http://h"] = "a connection string is mongodb://",
		["mongodb://h:99999"] = "the port of h:99999 is no port",
		["mongodb://h/?tls=yes"] = "tls=yes: true or false",
		["mongodb://u:secret@h/?authMechanism=GSSAPI"] = "authMechanism=GSSAPI: SCRAM-SHA-256",
		["mongodb://h/?socketTimeoutMS=soon"] = "socketTimeoutMS=soon: milliseconds",
		["mongodb://u:secret@h/?readPreference=nearest"] = "readPreference: an option that",
	} do
		local ok, err = pcall(parse, text)
		check.ok(text, not ok and err:find(why, 1, true) and not err:find "secret", err)
	end
	local c = mongo.client(("mongodb://127.0.0.1:%d/?socketTimeoutMS=500"):format((keeper())))
	check.eq("in use", (c.game.players:safe_insert { _id = 1 }), true)
	c:disconnect()
	local other = (server(function() return { ok = 1 } end, function()
		return { ok = 1, ismaster = true, setName = "other" }
	end))
	check.fails("another replica set", "socket", function()
		local ok, err = pcall(mongo.client, ("mongodb://127.0.0.1:%d/?replicaSet=mine"):format(other))
		error(ok and "let in" or tostring(err))
	end)
end

return check.main(role, case, ...)
