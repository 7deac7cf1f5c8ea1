-- Accounts and a leaderboard in Redis.
--
--     cargo run --release -- run -s dbport=6379 examples/database/redis.lua
--
-- prints
--
--     Ann has 70, Bob has 80
--     not enough gold
--     1. Bob 120
--     2. Ann 100
--
-- It needs a Redis server on that port of this machine, whose keys that begin with `example:` it changes.

local skynet = require "skynet"
require "skynet.manager"
local redis = require "skynet.db.redis"

-- One command in the server, so that nobody sees half of it.
local TRANSFER <const> = [[
	local gold = tonumber(ARGV[1])
	if tonumber(redis.call("HGET", KEYS[1], "gold") or 0) < gold then
		return redis.error_reply("not enough gold")
	end
	redis.call("HINCRBY", KEYS[1], "gold", -gold)
	return redis.call("HINCRBY", KEYS[2], "gold", gold)
]]

local db

local accounts = {}

function accounts.open(name, gold)
	db:hset("example:account:" .. name, "gold", gold)
end

function accounts.gold(name)
	return tonumber(db:hget("example:account:" .. name, "gold"))
end

function accounts.transfer(from, to, gold)
	return db:eval(TRANSFER, 2, "example:account:" .. from, "example:account:" .. to, gold)
end

local leaderboard = {}

function leaderboard.add(name, points)
	db:zincrby("example:board", points, name)
end

function leaderboard.top(n)
	return db:zrevrange("example:board", 0, n - 1, "WITHSCORES")
end

skynet.start(function()
	db = redis.connect { host = "127.0.0.1", port = tonumber(skynet.getenv "dbport" or 6379), timeout = 500 }
	db:del "example:board"

	accounts.open("Ann", 100)
	accounts.open("Bob", 50)
	accounts.transfer("Ann", "Bob", 30)
	print(("Ann has %d, Bob has %d"):format(accounts.gold "Ann", accounts.gold "Bob"))
	local ok, why = pcall(accounts.transfer, "Ann", "Bob", 1000)
	print(ok or (why:gsub("^.-:%d+: ", "")))

	leaderboard.add("Ann", 100)
	leaderboard.add("Bob", 90)
	leaderboard.add("Bob", 30)
	local top = leaderboard.top(2)
	for i = 1, #top, 2 do
		print(("%d. %s %s"):format(i // 2 + 1, top[i], top[i + 1]))
	end
	db:disconnect()
	skynet.abort()
end)
