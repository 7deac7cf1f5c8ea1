-- skynet.db.pool, with connections that are plain tables, and with drivers over TLS.
local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local pool = require "skynet.db.pool"
local check = require "check"
local pair = require "pair"

local role, case = {}, {}

-- A pool of connections that are numbered tables.
local function new(more)
	local state = { made = 0, open = 0, attempts = 0, most = 0, now = 0, down = false }
	local conf = {
		connect = function()
			state.attempts = state.attempts + 1
			state.now = state.now + 1
			state.most = math.max(state.most, state.now)
			skynet.sleep(1)
			state.now = state.now - 1
			if state.down then
				error(socketchannel.error)
			end
			state.made, state.open = state.made + 1, state.open + 1
			return { number = state.made }
		end,
		close = function()
			state.open = state.open - 1
		end,
	}
	for k, v in pairs(more or {}) do
		conf[k] = v
	end
	return pool.new(conf), state
end

local function at_once(count, f)
	local outcomes, done = {}, 0
	for i = 1, count do
		skynet.fork(function()
			outcomes[i] = table.pack(pcall(f, i))
			done = done + 1
		end)
	end
	check.ok("all end", check.wait(function()
		return done == count
	end))
	return outcomes
end

function case.size()
	local p, state = new { size = 3 }
	local busy, most = 0, 0
	local outcomes = at_once(100, function(i)
		return p:with(function(db, n)
			busy = busy + 1
			most = math.max(most, busy)
			skynet.sleep(1)
			busy = busy - 1
			return n, db.number
		end, i)
	end)
	local right = true
	for i, outcome in ipairs(outcomes) do
		right = right and outcome[1] and outcome[2] == i and outcome[3] <= 3
	end
	check.ok("each has its own result", right)
	check.eq("three at a time", { most, state.open }, { 3, 3 })
	check.eq("as counted", p:stats(), { size = 3, idle = 3, busy = 0, waiting = 0, connects = 3, failed = 0, refused = 0 })
	p:close()
	check.eq("closed", state.open, 0)
	check.fails("no more", "the pool is closed", p.take, p)
end

function case.line()
	local p = new { size = 1, waiting = 2, timeout = 10 }
	local db = p:take()
	local outcomes = at_once(4, function()
		return p:take()
	end)
	local full, late = 0, 0
	for _, outcome in ipairs(outcomes) do
		full = full + (outcome[2] == pool.full and 1 or 0)
		late = late + (outcome[2] == socketchannel.timeout and 1 or 0)
	end
	check.eq("two find no place in the line, two wait in vain", { full, late }, { 2, 2 })
	check.eq("its text", tostring(pool.full), "[Error: pool is full]")
	p:give(db)
	check.ok("the next one gets it", p:take() == db)
	local order = {}
	for i = 1, 2 do
		skynet.fork(function()
			local own = p:take()
			order[#order + 1] = i
			p:give(own)
		end)
	end
	skynet.sleep(2)
	p:give(db)
	check.wait(function()
		return #order == 2
	end)
	check.eq("in the order of the line", order, { 1, 2 })
	check.fails("given twice", "has not given", p.give, p, db)
end

-- The database goes: what is idle is thrown away, one coroutine at a time tries to connect, and those that wait fail.
function case.storm()
	local p, state = new { size = 10 }
	at_once(10, function()
		p:with(function()
			skynet.sleep(30)
		end)
	end)
	check.eq("ten connections", state.open, 10)
	state.down, state.attempts, state.most = true, 0, 0
	local outcomes = at_once(1000, function()
		return p:with(function()
			error(socketchannel.error)
		end)
	end)
	local failed = 0
	for _, outcome in ipairs(outcomes) do
		failed = failed + (outcome[2] == socketchannel.error and 1 or 0)
	end
	check.eq("all fail", failed, 1000)
	check.ok("few attempts, one at a time", state.attempts <= 3 and state.most <= 1,
		("%d attempts, %d at once"):format(state.attempts, state.most))
	check.eq("nothing is left", state.open, 0)
	state.down = false
	check.ok("it comes back", check.wait(function()
		return pcall(p.with, p, function() end)
	end))
end

function case.health()
	local checked, reset = 0, 0
	local p, state = new {
		size = 1,
		idle = 0,
		check = function(db)
			checked = checked + 1
			return db.number > 1
		end,
		reset = function(db)
			reset = reset + 1
			if db.number == 2 then
				error "no"
			end
		end,
	}
	p:with(function() end)
	check.eq("a dead one is replaced", { p:with(function(db)
		return db.number
	end), checked }, { 2, 1 })
	check.fails("an error goes on to the caller", "mine", p.with, p, function()
		error "mine"
	end)
	check.eq("what cannot be put in order is thrown away", { reset, state.open }, { 1, 0 })
	check.eq("a new one", p:with(function(db)
		return db.number
	end), 3)
	check.fails("no function", "needs the function connect", pool.new, {})
	check.fails("no size", "write a whole number", pool.new, { connect = print, size = 0 })
end

-- Redis and MongoDB over TLS; the server is verified.
function case.tls()
	local redis, mongo = require "skynet.db.redis", require "skynet.db.mongo"
	local bson, driver = require "bson", require "skynet.mongo.driver"
	local function listen(serve)
		local listener, _, port = socket.listen("127.0.0.1", 0, nil, { cert = "server.pem" })
		socket.start(listener, function(id)
			socket.start(id)
			while serve(id) do end
			socket.close(id)
		end)
		return port
	end
	local port = listen(function(id)
		return socket.readline(id, "PING\r\n") and socket.write(id, "+PONG\r\n")
	end)
	local trusted = { ca = "ca.pem" }
	local p = pool.new {
		connect = function()
			return redis.connect { host = "127.0.0.1", port = port, tls = trusted }
		end,
	}
	check.eq("redis", p:with(function(db)
		return db:ping()
	end), "PONG")
	local ok, err = pcall(redis.connect, { host = "127.0.0.1", port = port, tls = { ca = "stranger.pem" }, timeout = 300 })
	check.ok("not verified", not ok and err == socketchannel.error)
	port = listen(function(id)
		local head = socket.read(id, 4)
		local bytes = head and socket.read(id, driver.length(head))
		if bytes then
			local reply = driver.op_msg(1, 0, bson.encode { ok = 1, ismaster = true })
			return socket.write(id, reply:sub(1, 8) .. bytes:sub(1, 4) .. reply:sub(13))
		end
	end)
	local c = mongo.client { host = "127.0.0.1", port = port, tls = trusted }
	check.eq("mongo", c.test:runCommand "ping".ok, 1)
end

-- A pool of real connections to a server that goes and comes back.
function case.real_connections()
	local redis = require "skynet.db.redis"
	local ids, up = {}, true
	local port = pair.server(function(id)
		socket.start(id)
		if not up then
			return socket.close(id)
		end
		ids[#ids + 1] = id
		while socket.readline(id, "PING\r\n") and up do
			socket.write(id, "+PONG\r\n")
		end
		socket.close(id)
	end)
	local p = pool.new {
		size = 4,
		connect = function()
			return redis.connect { host = "127.0.0.1", port = port }
		end,
		check = function(db)
			return db:ping() == "PONG"
		end,
	}
	local function ping()
		return p:with(function(db)
			return db:ping()
		end)
	end
	at_once(20, ping)
	check.ok("four at most", #ids >= 1 and #ids <= 4)
	up = false
	local outcomes = at_once(20, ping)
	local failed = 0
	for _, outcome in ipairs(outcomes) do
		failed = failed + (outcome[1] and 0 or 1)
	end
	check.eq("all fail, once each", failed, 20)
	up = true
	check.ok("it comes back", check.wait(function()
		return pcall(ping)
	end))
end

-- A service with a pool, for stats.node.
function role.owner()
	skynet.start(function()
		local p = new { name = "theirs" }
		p:with(function() end)
		skynet.dispatch("lua", function()
			skynet.retpack(p:stats().connects)
		end)
	end)
end

-- skynet.db.stats: what drivers note by stats.add; the debug command DBSTATS gives it.
function case.statistics()
	local stats = require "skynet.db.stats"
	local p = new { name = "mine" }
	p:with(function() end)
	local own = { stats = function() return { requests = 7 } end, host = "db", port = 1 }
	stats.add("own", own, own)
	local here = stats.here()
	check.eq("both", { here[1].name, here[1].connects, here[2].kind, here[2].name, here[2].requests },
		{ "mine", 1, "own", "db:1", 7 })
	local owner = check.spawn "owner"
	check.eq("theirs", skynet.call(owner, "lua"), 1)
	local node = stats.node(500)
	check.eq("of the node", { node[skynet.address(skynet.self())][1].name, node[skynet.address(owner)][1].name },
		{ "mine", "theirs" })
	check.eq("by the debug command", skynet.call(owner, "debug", "DBSTATS")[1].name, "theirs")
	own.closed = true
	p:close()
	check.eq("closed ones are not told", #stats.here(), 0)
end

return check.main(role, case, ...)
