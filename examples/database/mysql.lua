-- Accounts and a leaderboard in MySQL or MariaDB, with a pool of connections.
--
--     cargo run --release -- run -s dbport=3306 examples/database/mysql.lua
--
-- prints
--
--     Ann has 70, Bob has 80
--     not enough gold
--     1. Bob 120
--     2. Ann 100
--
-- It needs a server on that port of this machine, with a user `me`, the password `secret` and the database `test`, whose
-- tables that begin with `example_` it changes.

local skynet = require "skynet"
require "skynet.manager"
local mysql = require "skynet.db.mysql"
local pool = require "skynet.db.pool"

-- Errors of SQL are tables; here they are raised.
local function must(result)
	if result.badresult then
		error(("%d: %s"):format(result.errno or 0, result.err), 0)
	end
	return result
end

local function query(db, sql, ...)
	return must(db:query(sql:format(...)))
end

local databases = pool.new {
	size = 4,
	connect = function()
		return mysql.connect {
			host = "127.0.0.1",
			port = tonumber(skynet.getenv "dbport" or 3306),
			user = "me",
			password = "secret",
			database = "test",
			charset = "utf8mb4",
			timeout = 500,
		}
	end,
	reset = function(db)
		query(db, "rollback")
	end,
}

local quoted = mysql.quote_sql_str

local accounts = {}

function accounts.open(name, gold)
	databases:with(query, "replace into example_accounts values (%s, %d)", quoted(name), gold)
end

function accounts.gold(name)
	return databases:with(query, "select gold from example_accounts where name = %s", quoted(name))[1].gold
end

function accounts.transfer(from, to, gold)
	databases:with(function(db)
		query(db, "begin")
		local paid = query(db, "update example_accounts set gold = gold - %d where name = %s and gold >= %d", gold,
			quoted(from), gold)
		if paid.affected_rows == 0 then
			error("not enough gold", 0)
		end
		query(db, "update example_accounts set gold = gold + %d where name = %s", gold, quoted(to))
		query(db, "commit")
	end)
end

local leaderboard = {}

function leaderboard.add(name, points)
	databases:with(query, "insert into example_board values (%s, %d) on duplicate key update points = points + %d",
		quoted(name), points, points)
end

function leaderboard.top(n)
	return databases:with(query, "select name, points from example_board order by points desc limit %d", n)
end

skynet.start(function()
	databases:with(query, "create table if not exists example_accounts (name varchar(40) primary key, gold bigint)")
	databases:with(query, "create table if not exists example_board (name varchar(40) primary key, points bigint)")
	databases:with(query, "delete from example_board")

	accounts.open("Ann", 100)
	accounts.open("Bob", 50)
	accounts.transfer("Ann", "Bob", 30)
	print(("Ann has %d, Bob has %d"):format(accounts.gold "Ann", accounts.gold "Bob"))
	local _, why = pcall(accounts.transfer, "Ann", "Bob", 1000)
	print(why)

	leaderboard.add("Ann", 100)
	leaderboard.add("Bob", 90)
	leaderboard.add("Bob", 30)
	for i, row in ipairs(leaderboard.top(2)) do
		print(("%d. %s %d"):format(i, row.name, row.points))
	end
	databases:close()
	skynet.abort()
end)
