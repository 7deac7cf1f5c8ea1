-- Accounts and a leaderboard in PostgreSQL, with a pool of connections.
--
--     cargo run --release -- run -s dbport=5432 examples/database/pgsql.lua
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
local pgsql = require "skynet.db.pgsql"
local pool = require "skynet.db.pool"

local databases = pool.new {
	size = 4,
	connect = function()
		local port = skynet.getenv "dbport" or "5432"
		return pgsql.connect(("postgres://me:secret@127.0.0.1:%s/test"):format(port))
	end,
}

local function query(sql, ...)
	return databases:with(function(db, ...)
		return db:query(sql, ...)
	end, ...)
end

local accounts = {}

function accounts.open(name, gold)
	query([[insert into example_accounts values ($1, $2)
		on conflict (name) do update set gold = excluded.gold]], name, gold)
end

function accounts.gold(name)
	return query("select gold from example_accounts where name = $1", name)[1].gold
end

function accounts.transfer(from, to, gold)
	databases:with(function(db)
		db:transaction(function(tx)
			local paid = tx:query("update example_accounts set gold = gold - $1 where name = $2 and gold >= $1", gold, from)
			if paid.count == 0 then
				error("not enough gold", 0)
			end
			tx:query("update example_accounts set gold = gold + $1 where name = $2", gold, to)
		end)
	end)
end

local leaderboard = {}

function leaderboard.add(name, points)
	query([[insert into example_board as board values ($1, $2)
		on conflict (name) do update set points = board.points + excluded.points]], name, points)
end

function leaderboard.top(n)
	return query("select name, points from example_board order by points desc limit $1", n)
end

skynet.start(function()
	query "create table if not exists example_accounts (name text primary key, gold bigint)"
	query "create table if not exists example_board (name text primary key, points bigint)"
	query "delete from example_board"

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
