-- The whole path of players: login, gate, agent, broken connections, logins from elsewhere. The services are those of
-- examples/login.
local skynet = require "skynet"
local crypt = require "skynet.crypt"
local socket = require "skynet.socket"
local check = require "check"
local client = require "loginclient"
local pair = require "pair"

local role, case = {}, {}

local function start()
	local logind = skynet.newservice "logind"
	local gated = skynet.newservice("gated", logind)
	local gate = skynet.call(gated, "lua", "open",
		{ address = "127.0.0.1", port = 0, servername = "sample", nodelay = true })
	return skynet.call(logind, "lua", "port"), gate, gated
end

local function name_of(user, subid)
	local encode = crypt.base64encode
	return ("%s@%s#%s"):format(encode(user), encode "sample", encode(subid))
end

local function login(port, user)
	local line, secret = client.login(port, client.token(user, "sample", "secret of " .. user))
	return name_of(user, client.subid(line)), secret
end

function case.players()
	local login_port, gate_port = start()
	local jobs = {}
	local function play(user)
		local name, secret = login(login_port, user)
		local session = 0
		for index = 1, 5 do -- connections
			local id, verdict = client.enter(gate_port, name, secret, index)
			assert(verdict == "200 OK", verdict)
			for _ = 1, 10 do
				session = session + 1
				local value = user .. session
				local text, ok, answered = client.ask(id, "put key " .. value, session)
				assert(text == "kept" and ok and answered == session)
				text = client.ask(id, "get key", session + 1000)
				assert(text == value, text)
			end
			socket.close(id)
		end
		return true
	end
	for i = 1, 20 do
		jobs[i] = pair.background(play, "user" .. i)
	end
	for i, job in ipairs(jobs) do
		pair.finished(job)
		check.ok("player " .. i, job.ok, job[1])
	end
end

-- Who logs in again throws the first one out, wherever that is.
function case.from_elsewhere()
	local login_port, gate_port = start()
	local ids, last = {}, nil
	for i = 1, 5 do
		local name, secret = login(login_port, "anna")
		check.ok("a login of its own", name ~= last)
		if i > 1 then
			check.eq("the one before is closed", { socket.read(ids[i - 1], 1) }, { false, "" })
			socket.close(ids[i - 1])
			local id, verdict = client.enter(gate_port, last, secret, 1)
			check.eq("and cannot come back", verdict, "404 User Not Found")
			socket.close(id)
		end
		last = name
		local verdict
		ids[i], verdict = client.enter(gate_port, name, secret, 1)
		check.eq("enters", verdict, "200 OK")
		check.eq("is served", client.ask(ids[i], "get key", 1), "nothing")
		check.eq("remembers", client.ask(ids[i], "put key value", 2), "kept")
	end
	socket.close(ids[5])
end

-- With somebody else's words.
function case.strangers()
	local login_port, gate_port, gated = start()
	check.eq("a wrong password", (client.login(login_port, client.token("anna", "sample", "guess"))), "401 Unauthorized")
	check.eq("a wrong server", (client.login(login_port, client.token("anna", "other", "secret of anna"))),
		"403 Forbidden")
	local name, secret = login(login_port, "anna")
	local _, other = login(login_port, "bert")
	local id, verdict = client.enter(gate_port, name, other, 1)
	check.eq("another user's secret", verdict, "401 Unauthorized")
	socket.close(id)
	id, verdict = client.enter(gate_port, name, secret, 1)
	check.eq("the own", verdict, "200 OK")
	local replayed, again = client.enter(gate_port, name, secret, 1)
	check.eq("a replay", again, "403 Index Expired")
	socket.close(replayed)
	check.eq("it harms nobody", client.ask(id, "put key value", 1), "kept")
	local bytes = ("%s:%d"):format(name, 2)
	local changed = assert(socket.open("127.0.0.1", gate_port))
	client.send(changed, ("%s:3:%s"):format(name, crypt.base64encode(crypt.hmac_hash(secret, bytes))))
	check.eq("a changed index", client.receive(changed), "401 Unauthorized")
	socket.close(changed)
	-- The agent ends, and the login server hears of it.
	skynet.call(gated, "lua", "logout", "anna", 1)
	check.eq("closed", { socket.read(id, 1) }, { false, "" })
	socket.close(id)
	name, secret = login(login_port, "anna")
	id, verdict = client.enter(gate_port, name, secret, 1)
	check.eq("enters again", verdict, "200 OK")
	check.eq("with a new agent", client.ask(id, "get key", 1), "nothing")
	socket.close(id)
end

return check.main(role, case, ...)
