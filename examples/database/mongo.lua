-- Accounts and a leaderboard in MongoDB.
--
--     cargo run --release -- run -s dbport=27017 examples/database/mongo.lua
--
-- prints
--
--     Ann has 70, Bob has 80
--     not enough gold
--     1. Bob 120
--     2. Ann 100
--
-- It needs a server on that port of this machine, with a user `me` of the password `secret`; it changes the collections
-- `accounts` and `board` of the database `example`.

local skynet = require "skynet"
require "skynet.manager"
local mongo = require "skynet.db.mongo"

local db

-- What a write has failed with is raised.
local function must(ok, err, reply)
	if not ok then
		error(err, 0)
	end
	return reply
end

local accounts = {}

-- All accounts are in one document, so that a transfer is one change: that needs neither a transaction nor a replica
-- set. A bank with many accounts keeps a document for each, and transfers inside `run_transaction`.
function accounts.open(name, gold)
	must(db.accounts:safe_update({ _id = "all" }, { ["$set"] = { [name] = gold } }, true))
end

function accounts.gold(name)
	return db.accounts:findOne({ _id = "all" })[name]
end

function accounts.transfer(from, to, gold)
	local enough = { _id = "all", [from] = { ["$gte"] = gold } }
	local paid = must(db.accounts:safe_update(enough, { ["$inc"] = { [from] = -gold, [to] = gold } }))
	if paid.n == 0 then
		error("not enough gold", 0)
	end
end

local leaderboard = {}

function leaderboard.add(name, points)
	must(db.board:safe_update({ _id = name }, { ["$inc"] = { points = points } }, true))
end

function leaderboard.top(n)
	local list, cursor = {}, db.board:find():sort({ points = -1 }):limit(n)
	while cursor:hasNext() do
		list[#list + 1] = cursor:next()
	end
	return list
end

skynet.start(function()
	local client = mongo.client {
		host = "127.0.0.1",
		port = tonumber(skynet.getenv "dbport" or 27017),
		username = "me",
		password = "secret",
		authmod = "scram_sha256",
		timeout = 500,
	}
	db = client.example
	must(db.board:safe_delete {})

	accounts.open("Ann", 100)
	accounts.open("Bob", 50)
	accounts.transfer("Ann", "Bob", 30)
	print(("Ann has %d, Bob has %d"):format(accounts.gold "Ann", accounts.gold "Bob"))
	local _, why = pcall(accounts.transfer, "Ann", "Bob", 1000)
	print(why)

	leaderboard.add("Ann", 100)
	leaderboard.add("Bob", 90)
	leaderboard.add("Bob", 30)
	for i, entry in ipairs(leaderboard.top(2)) do
		print(("%d. %s %d"):format(i, entry._id, entry.points))
	end
	client:disconnect()
	skynet.abort()
end)
