-- Drivers of databases, beside a server in another process whose port is in BENCH_PORT. `cpu_ns` is the processor time of
-- this process alone. Only functions that skynet (C) has are used, but for PostgreSQL, which it has not.
local measure = require "measure"
local costed, join, optional = measure.costed, measure.join, measure.optional

local W = {}

local outstanding <const> = 64
local pipeline <const> = 100
local many <const> = 1000

local function port() return assert(tonumber(os.getenv "BENCH_PORT"), "BENCH_PORT is the port of the server") end

-- redis

local function redis()
	local db = optional("skynet.db.redis").connect { host = "127.0.0.1", port = port() }
	assert(db:set("bench:key", ("v"):rep(32)) == "OK")
	return db
end

local function set_and_get(db, key, times)
	local value = ("v"):rep(32)
	for _ = 1, times do
		db:set(key, value)
		assert(db:get(key) == value)
	end
end

function W.redis(name, n)
	local db = redis()
	costed(name, n // 2 * 2, function() set_and_get(db, "bench:key", n // 2) end)
end

function W.redis64(name, n)
	local db = redis()
	local each = n // outstanding // 2
	costed(name, each * outstanding * 2, function()
		join(outstanding, function(i) set_and_get(db, "bench:key:" .. i, each) end)
	end)
end

function W.redispipe(name, n)
	local db = redis()
	local value, ops = ("v"):rep(32), {}
	for i = 1, pipeline, 2 do
		ops[i] = { "set", "bench:key:" .. i, value }
		ops[i + 1] = { "get", "bench:key:" .. i }
	end
	local times = n // pipeline
	costed(name, times * pipeline, function()
		for _ = 1, times do
			local answers = db:pipeline(ops, {})
			assert(#answers == pipeline and answers[pipeline].out == value)
		end
	end)
end

-- mysql

local columns <const> = [[id int primary key, level smallint, gold bigint, x double, y double, name varchar(40),
	guild varchar(40), alive tinyint, kills int, note varchar(40)]]

-- The rows as SQL; the same for both kinds of servers.
local function rows()
	local list = {}
	for i = 1, many do
		list[i] = ("(%d,%d,%d,%.6f,%.6f,'player %d','The Order of the Silver Lamp',%d,%d,'%s')"):format(i, i % 60, i << 33,
			i * 1.25, i / 3, i, i % 7 == 0 and 0 or 1, i * 3, ("n"):rep(20))
	end
	return table.concat(list, ",")
end

local function mysql()
	local db = optional("skynet.db.mysql").connect {
		host = "127.0.0.1", port = port(), user = "me", password = "secret", database = "test",
	}
	local function must(sql)
		local result = db:query(sql)
		assert(not result.badresult, result.err)
	end
	must "drop table if exists bench"
	must("create table bench (" .. columns .. ")")
	must("insert into bench values " .. rows())
	return db
end

-- ask() gives the rows of a query, of which there are `count`.
local function selects(name, n, count, ask)
	local times = n // count
	assert(#ask() == count)
	costed(name, times * count, function()
		for _ = 1, times do
			local found = ask()
			assert(#found == count and found[count].kills == found[count].id * 3)
		end
	end)
end

function W.mysql1(name, n)
	local db = mysql()
	selects(name, n, 1, function() return db:query "select * from bench where id = 7" end)
end

function W.mysql1000(name, n)
	local db = mysql()
	selects(name, n, many, function() return db:query "select * from bench where id > 0" end)
end

local function prepared(name, n, count, sql, value)
	local db = mysql()
	local statement = db:prepare(sql)
	assert(statement.prepare_id, statement.err)
	selects(name, n, count, function() return db:execute(statement, value) end)
end

function W.mysqlstmt1(name, n) prepared(name, n, 1, "select * from bench where id = ?", 7) end

function W.mysqlstmt1000(name, n) prepared(name, n, many, "select * from bench where id > ?", 0) end

-- mongo

local function mongo() return optional("skynet.db.mongo").client { host = "127.0.0.1", port = port() }.bench.docs end

function W.mongofind(name, n)
	local docs = mongo()
	local each <const> = 100
	local times = n // each
	costed(name, times * each, function()
		for _ = 1, times do
			local cursor, found, last = docs:find { level = { ["$gte"] = 0 } }, 0, nil
			while cursor:hasNext() do
				last = cursor:next()
				found = found + 1
			end
			assert(found == each and last.name == "player 99")
		end
	end)
end

local function insert(docs, i)
	assert(docs:safe_insert {
		_id = i, name = "player", level = 7, gold = i << 20, x = i * 1.25, y = i / 3, alive = true,
		guild = "The Order of the Silver Lamp", kills = i * 3, note = "n",
	})
end

function W.mongoinsert(name, n)
	local docs = mongo()
	costed(name, n, function()
		for i = 1, n do insert(docs, i) end
	end)
end

function W.mongoinsert64(name, n)
	local docs = mongo()
	local each = n // outstanding
	costed(name, each * outstanding, function()
		join(outstanding, function(k)
			for i = 1, each do insert(docs, k * each + i) end
		end)
	end)
end

-- pgsql

local function pgsql()
	local db = optional("skynet.db.pgsql").connect {
		host = "127.0.0.1", port = port(), user = "me", password = "secret", database = "test",
	}
	db:query "drop table if exists bench"
	db:query("create table bench (" .. columns:gsub("double", "double precision"):gsub("tinyint", "smallint") .. ")")
	db:query("insert into bench values " .. rows())
	return db
end

function W.pgsql1(name, n)
	local db = pgsql()
	selects(name, n, 1, function() return (db:query "select * from bench where id = 7") end)
end

function W.pgsqlstmt1(name, n)
	local db = pgsql()
	selects(name, n, 1, function() return (db:query("select * from bench where id = $1", 7)) end)
end

function W.pgsql1000(name, n)
	local db = pgsql()
	selects(name, n, many, function() return (db:query "select * from bench where id > 0") end)
end

function W.pgsqlstmt1000(name, n)
	local db = pgsql()
	selects(name, n, many, function() return (db:query("select * from bench where id > $1", 0)) end)
end

return W
