-- A bank in each kind of database at once, whose servers are killed and started again meanwhile by tests/database_soak.rs.
--
-- A transfer has a number, which the database notes in the same transaction. So at the end it can be told of each what
-- has become of it: those that were acknowledged were done once, those that the bank refused were not done, those whose
-- connection died were done once or not at all; and the balances are what the noted transfers make of them. Only a
-- cluster of Redis may forget what it has acknowledged, since its replicas are behind; but never half of a transfer.
local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local redis = require "skynet.db.redis"
local cluster = require "skynet.db.redis.cluster"
local mysql = require "skynet.db.mysql"
local mongo = require "skynet.db.mongo"
local pgsql = require "skynet.db.pgsql"
local pool = require "skynet.db.pool"
local stats = require "skynet.db.stats"
local check = require "check"
local mongoserver = require "mongoserver"

local role, case = {}, {}

local ACCOUNTS <const>, MONEY <const> = 8, 1000
local WORKERS <const> = 6
local refused <const> = "not enough"

local function key(name)
	return tonumber(skynet.getenv(name))
end

local function account(i)
	return "a" .. i
end

-- What a bank is: open(), transfer(number, from, to, gold), which returns false if it refuses, and books(): the balance of
-- each account, and a list of { number, from, to, gold }.
local banks = {}

-- Redis: by a script.

local TRANSFER <const> = [[
	if redis.call("HEXISTS", KEYS[2], ARGV[1]) == 1 then return 1 end
	if tonumber(redis.call("HGET", KEYS[1], ARGV[2])) < tonumber(ARGV[4]) then return 0 end
	redis.call("HINCRBY", KEYS[1], ARGV[2], -ARGV[4])
	redis.call("HINCRBY", KEYS[1], ARGV[3], ARGV[4])
	redis.call("HSET", KEYS[2], ARGV[1], ARGV[2] .. " " .. ARGV[3] .. " " .. ARGV[4])
	return 1
]]

local function keeps_hashes(connect)
	local bank, db = {}, nil
	function bank.open()
		db = connect()
		for i = 1, ACCOUNTS do
			db:hset("{bank}accounts", account(i), MONEY)
		end
	end
	function bank.transfer(number, from, to, gold)
		return db:eval(TRANSFER, 2, "{bank}accounts", "{bank}done", number, from, to, gold) == 1
	end
	function bank.books()
		local balances, done = {}, {}
		local flat = db:hgetall "{bank}accounts"
		for i = 1, #flat, 2 do
			balances[flat[i]] = tonumber(flat[i + 1])
		end
		flat = db:hgetall "{bank}done"
		for i = 1, #flat, 2 do
			local from, to, gold = flat[i + 1]:match "(%S+) (%S+) (%d+)"
			done[#done + 1] = { tonumber(flat[i]), from, to, tonumber(gold) }
		end
		return balances, done
	end
	return bank
end

banks.redis = keeps_hashes(function()
	return redis.connect { host = "127.0.0.1", port = key "redisport", timeout = 500 }
end)

banks.cluster = keeps_hashes(function()
	local nodes = {}
	for port in skynet.getenv "clusterports":gmatch "%d+" do
		nodes[#nodes + 1] = { host = "127.0.0.1", port = tonumber(port) }
	end
	return cluster.new(nodes, { timeout = 500 })
end)
banks.cluster.forgets = true

-- MySQL: by several queries on a connection of a pool, which is not made again in the middle of them.

local function must(result)
	if result.badresult then
		error(result.err, 0)
	end
	return result
end

do
	local bank = {}
	local function query(db, sql, ...)
		return must(db:query(sql:format(...)))
	end
	local databases = pool.new {
		size = 3, name = "mysql of the bank", timeout = 500,
		connect = function()
			return mysql.connect {
				host = "127.0.0.1", port = key "mysqlport", user = "me", password = "secret", database = "test", timeout = 500,
				reconnect = false,
			}
		end,
		reset = function(db)
			query(db, "rollback")
		end,
	}
	function bank.open()
		databases:with(function(db)
			query(db, "create table accounts (name varchar(10) primary key, gold bigint) engine=innodb")
			query(db, "create table done (number bigint primary key, a varchar(10), b varchar(10), gold bigint) engine=innodb")
			for i = 1, ACCOUNTS do
				query(db, "insert into accounts values ('%s', %d)", account(i), MONEY)
			end
		end)
	end
	function bank.transfer(number, from, to, gold)
		return databases:with(function(db)
			query(db, "begin")
			local paid = query(db, "update accounts set gold = gold - %d where name = '%s' and gold >= %d", gold, from, gold)
			if paid.affected_rows == 0 then
				query(db, "rollback")
				return false
			end
			query(db, "update accounts set gold = gold + %d where name = '%s'", gold, to)
			query(db, "insert into done values (%d, '%s', '%s', %d)", number, from, to, gold)
			query(db, "commit")
			return true
		end)
	end
	function bank.books()
		return databases:with(function(db)
			local balances, done = {}, {}
			for _, row in ipairs(query(db, "select * from accounts")) do
				balances[row.name] = row.gold
			end
			for i, row in ipairs(query(db, "select * from done")) do
				done[i] = { row.number, row.a, row.b, row.gold }
			end
			return balances, done
		end)
	end
	banks.mysql = bank
end

-- PostgreSQL: by transactions, on connections of a pool.

do
	local bank = {}
	local databases = pool.new {
		size = 3, name = "pgsql of the bank", timeout = 500,
		connect = function()
			return pgsql.connect {
				host = "127.0.0.1", port = key "pgsqlport", user = "me", password = "secret", database = "test", timeout = 500,
			}
		end,
	}
	function bank.open()
		databases:with(function(db)
			db:query "create table accounts (name text primary key, gold bigint)"
			db:query "create table done (number bigint primary key, a text, b text, gold bigint)"
			for i = 1, ACCOUNTS do
				db:query("insert into accounts values ($1, $2)", account(i), MONEY)
			end
		end)
	end
	function bank.transfer(number, from, to, gold)
		return databases:with(function(db)
			return db:transaction(function(tx)
				local paid = tx:query("update accounts set gold = gold - $1 where name = $2 and gold >= $1", gold, from)
				if paid.count == 0 then
					return false
				end
				tx:query("update accounts set gold = gold + $1 where name = $2", gold, to)
				tx:query("insert into done values ($1, $2, $3, $4)", number, from, to, gold)
				return true
			end)
		end)
	end
	function bank.books()
		return databases:with(function(db)
			local balances, done = {}, {}
			for _, row in ipairs(db:query "select * from accounts") do
				balances[row.name] = row.gold
			end
			for i, row in ipairs(db:query "select * from done") do
				done[i] = { row.number, row.a, row.b, row.gold }
			end
			return balances, done
		end)
	end
	banks.pgsql = bank
end

-- MongoDB: by one change of one document, at a server of the test's own.

do
	local bank, coll, state = {}, nil, nil
	local accounts, done = {}, {}
	local function answer(command)
		if command.update then
			local change = command.updates[1]
			local from, to, gold = change.q.from, change.q.to, change.q.gold
			-- In the middle of it: before it was done, or before that was said.
			local die = math.random(300)
			if die == 1 then
				return nil
			elseif accounts[from] < gold then
				return { ok = 1, n = 0 }
			end
			accounts[from], accounts[to] = accounts[from] - gold, accounts[to] + gold
			done[#done + 1] = { change.q._id, from, to, gold }
			return die ~= 2 and { ok = 1, n = 1 } or nil
		end
		return { ok = 1 }
	end
	function bank.open()
		for i = 1, ACCOUNTS do
			accounts[account(i)] = MONEY
		end
		local port
		port, state = mongoserver.start(answer)
		coll = mongo.client({ host = "127.0.0.1", port = port, timeout = 500 }).bank.accounts
	end
	function bank.transfer(number, from, to, gold)
		local ok, err, reply = coll:safe_update({ _id = number, from = from, to = to, gold = gold }, { ["$inc"] = { gold = 1 } })
		if not ok then
			error(err, 0)
		end
		return reply.n == 1
	end
	function bank.books()
		return accounts, done
	end
	function bank.restart()
		state:stop()
		skynet.sleep(math.random(0, 30))
		state:again()
	end
	banks.mongo = bank
end

-- The model

local stopping = false
local outcomes = {} -- bank -> number of a transfer -> what has become of it
local totals = {}

local function note(name, number, what)
	if outcomes[name][number] ~= "open" then
		check.ok(name .. ": one outcome of transfer " .. number, false, outcomes[name][number] .. " and " .. what)
	end
	outcomes[name][number] = what
	totals[name][what] = (totals[name][what] or 0) + 1
end

-- What a transfer may fail with: its connection has died, or there is none; or the server says that it goes.
local function is_fair(err)
	if err == socketchannel.error or err == socketchannel.timeout then
		return true
	end
	local text = tostring(err)
	for _, fair in ipairs {
		"deadlock", "Deadlock", "lock", "57P0", "LOADING", "CLUSTERDOWN", "the transaction has lost", "shutdown", "Shutdown",
		"starting up", "No more", "no more", "pool", "Can't", "MASTERDOWN", "Connection was killed", "READONLY",
		"Too many", "TRYAGAIN", "socket", "closed",
	} do
		if text:find(fair, 1, true) then
			return true
		end
	end
	return false
end

local function work(name, bank, last)
	while not stopping do
		local from = math.random(ACCOUNTS)
		local to = (from + math.random(ACCOUNTS - 2)) % ACCOUNTS + 1
		last.number = last.number + 1
		local number = last.number
		outcomes[name][number] = "open"
		local ok, paid = pcall(bank.transfer, number, account(from), account(to), math.random(1, 200))
		if ok then
			note(name, number, paid and "done" or "refused")
		else
			note(name, number, "unknown")
			check.ok(name .. ": a fair reason", is_fair(paid), check.show(paid))
			skynet.sleep(math.random(1, 5))
		end
		if number % 50 == 0 then
			skynet.yield()
		end
	end
end

-- Until the servers are there again.
local function books(bank)
	local balances, done
	check.ok("the books can be read", check.wait(function()
		local ok
		ok, balances, done = pcall(bank.books)
		if not ok then
			skynet.sleep(20)
		end
		return ok
	end), check.show(balances))
	return balances, done
end

local function judge(name, bank)
	local balances, done = books(bank)
	local expected, seen = {}, {}
	for i = 1, ACCOUNTS do
		expected[account(i)] = MONEY
	end
	for _, item in ipairs(done) do
		local number, from, to, gold = table.unpack(item)
		local what = outcomes[name][number]
		if seen[number] or what ~= "done" and what ~= "unknown" then
			check.ok(("%s: transfer %d was done"):format(name, number), false, seen[number] and "twice" or what)
		end
		seen[number] = true
		expected[from], expected[to] = expected[from] - gold, expected[to] + gold
	end
	check.eq(name .. ": the balances are what the transfers have made of them", balances, expected)
	local sum, forgotten, open = 0, 0, 0
	for _, gold in pairs(balances) do
		sum = sum + gold
	end
	check.eq(name .. ": no money was made or lost", sum, ACCOUNTS * MONEY)
	for number, what in pairs(outcomes[name]) do
		forgotten = forgotten + (what == "done" and not seen[number] and 1 or 0)
		open = open + (what == "open" and 1 or 0)
	end
	check.ok(name .. ": what was acknowledged was done", forgotten == 0 or bank.forgets, forgotten)
	check.eq(name .. ": every transfer has an outcome", open, 0)
	local t = totals[name]
	check.ok(name .. ": some were done", (t.done or 0) > 0)
	check.emit(("LEDGER %s: %d done, %d refused, %d unknown, %d forgotten"):format(name, t.done or 0, t.refused or 0,
		t.unknown or 0, forgotten))
end

function case.run()
	math.randomseed(key "seed")
	local running = 0
	for name, bank in pairs(banks) do
		bank.open()
		outcomes[name], totals[name] = {}, {}
		local last = { number = 0 }
		for _ = 1, WORKERS do
			running = running + 1
			skynet.fork(function()
				work(name, bank, last)
				running = running - 1
			end)
		end
	end
	skynet.fork(function()
		while not stopping do
			skynet.sleep(math.random(20, 200))
			banks.mongo.restart()
		end
		running = running - 1
	end)
	running = running + 1
	check.emit "READY"
	local id = socket.stdin()
	check.eq("told to stop", socket.readline(id), "stop")
	socket.close(id)
	stopping = true
	check.ok("all have ended", check.wait(function()
		return running == 0
	end), running)
	for name, bank in pairs(banks) do
		judge(name, bank)
	end
	local kinds = {}
	for _, item in ipairs(stats.here()) do
		kinds[item.kind] = true
	end
	check.eq("all can be looked at", kinds, { redis = true, mysql = true, mongo = true, pgsql = true, pool = true })
end

return check.main(role, case, ...)
