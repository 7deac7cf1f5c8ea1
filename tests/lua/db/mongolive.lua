-- skynet.db.mongo with a live stand-in for MongoDB (tests/peers/mongo_front.py), whose port is the config key `dbport`.
local skynet = require "skynet"
local socketchannel = require "skynet.socketchannel"
local bson = require "bson"
local mongo = require "skynet.db.mongo"
local check = require "check"

local role, case = {}, {}

local function connect(more)
	local conf = {
		host = "127.0.0.1", port = tonumber(skynet.getenv "dbport"), username = "me", password = "s\u{fc}\u{df}es geheimnis",
		timeout = 2000,
	}
	for key, value in pairs(more or {}) do
		conf[key] = value
	end
	return mongo.client(conf)
end

local function all(cursor)
	local list = {}
	while cursor:hasNext() do
		list[#list + 1] = cursor:next()
	end
	return list
end

local function field(list, name)
	local values = {}
	for i, document in ipairs(list) do
		values[i] = document[name]
	end
	return values
end

-- A collection of ten players.
local function players(name)
	local coll = connect().game[name]
	local docs = {}
	for i = 1, 10 do
		docs[i] = { _id = i, name = "p" .. i, gold = i * 10, guild = i % 2 == 0 and "red" or "blue" }
	end
	check.eq("ten players", (coll:safe_batch_insert(docs)), true)
	return coll
end

function case.logins()
	for _, how in ipairs { "scram_sha1", "scram_sha256" } do
		local c = connect { authmod = how }
		check.eq("in by " .. how, c.game:runCommand "ping".ok, 1.0)
		local ok, err = pcall(connect, { authmod = how, password = "wrong" })
		check.ok("a wrong password by " .. how, not ok and err == socketchannel.error)
		ok, err = pcall(connect, { authmod = how, username = "nobody" })
		check.ok("a wrong user by " .. how, not ok and err == socketchannel.error)
	end
	local outside = mongo.client { host = "127.0.0.1", port = tonumber(skynet.getenv "dbport"), timeout = 2000 }
	check.eq("without a login", outside.game:runCommand("ping").code, 13)
end

function case.documents()
	local coll = players "documents"
	check.eq("one", coll:findOne { _id = 3 }.name, "p3")
	check.eq("none", coll:findOne { _id = 99 }, nil)
	check.eq("a projection", coll:findOne({ _id = 3 }, { name = 1, _id = 0 }), { name = "p3" })
	local ok, err = coll:safe_insert { _id = 3 }
	check.ok("a duplicate", not ok and err:find "duplicate")
	local values = {
		_id = "types", i = 7, long = 1 << 40, x = 0.5, flag = true, text = "\u{4e16}\u{754c}", list = { 1, "two", bson.null },
		inner = { a = { b = 1 } }, date = bson.date(86400), nothing = bson.null, bin = bson.binary "\0\1",
	}
	check.eq("types are in", (coll:safe_insert(values)), true)
	local got = coll:findOne { _id = "types" }
	check.eq("types are out", { got.i, got.long, got.x, got.flag, got.text, got.list, got.inner.a.b, got.date, got.nothing,
		got.bin }, { 7, 1 << 40, 0.5, true, "\u{4e16}\u{754c}", { 1, "two", bson.null }, 1, bson.date(86400), bson.null,
		bson.binary "\0\1" })
	coll:insert { _id = 20 }
	check.eq("an id of its own", (coll:safe_insert { name = "x" }), true)
	check.eq("is an object id", (bson.type(coll:findOne({ name = "x" })._id)), "objectid")
	check.ok("what nobody waited for has come", check.wait(function()
		return coll:findOne { _id = 20 } ~= nil
	end))
end

function case.cursors()
	local coll = players "cursors"
	check.eq("all, backwards", field(all(coll:find():sort { _id = -1 }:batchSize(3)), "_id"), { 10, 9, 8, 7, 6, 5, 4, 3, 2, 1 })
	check.eq("two keys", field(all(coll:find():sort({ guild = 1 }, { gold = -1 }):limit(3)), "_id"), { 9, 7, 5 })
	check.eq("a part", field(all(coll:find { gold = { ["$gt"] = 30 } }:sort { _id = 1 }:skip(2):limit(3)), "_id"), { 6, 7, 8 })
	check.eq("counted", coll:find { guild = "red" }:count(), 5)
	check.eq("with bounds", coll:find { guild = "red" }:skip(1):limit(3):count(true), 3)
	check.eq("none", all(coll:find { gold = 5 }), {})
	local cursor = coll:find():batchSize(2)
	check.eq("there is one", cursor:hasNext(), true)
	cursor:next()
	cursor:close()
	check.fails("an operator that is none", "", coll:find { gold = { ["$nonsense"] = 1 } }.hasNext,
		coll:find { gold = { ["$nonsense"] = 1 } })
	check.eq("and the client goes on", coll:findOne { _id = 1 }.gold, 10)
end

function case.changes()
	local coll = players "changes"
	local ok, err, reply = coll:safe_update({ _id = 1 }, { ["$inc"] = { gold = 5 } })
	check.eq("one", { ok, err, reply.n, coll:findOne { _id = 1 }.gold }, { true, nil, 1, 15 })
	ok, err, reply = coll:safe_update({ guild = "red" }, { ["$set"] = { gold = 0 } }, false, true)
	check.eq("many", { ok, err, reply.n, coll:find { gold = 0 }:count() }, { true, nil, 5, 5 })
	ok = coll:safe_update({ _id = 11 }, { ["$set"] = { gold = 1 } }, true)
	check.eq("a new one", { ok, coll:findOne { _id = 11 }.gold }, { true, 1 })
	check.eq("several", (coll:safe_batch_update {
		{ query = { _id = 1 }, update = { ["$set"] = { gold = 100 } } },
		{ query = { _id = 2 }, update = { ["$set"] = { gold = 200 } } },
	}), true)
	check.eq("have come", { coll:findOne { _id = 1 }.gold, coll:findOne { _id = 2 }.gold }, { 100, 200 })
	reply = coll:findAndModify { query = { _id = 2 }, update = { ["$inc"] = { gold = 1 } }, new = true }
	check.eq("changed and found", reply.value.gold, 201)
	reply = coll:findAndModify { query = { _id = 2 }, remove = true }
	check.eq("removed and found", { reply.value.gold, coll:findOne { _id = 2 } }, { 201, nil })
	ok, err, reply = coll:safe_delete({ guild = "red" }, true)
	check.eq("one is gone", { ok, err, reply.n }, { true, nil, 1 })
	ok, err, reply = coll:safe_batch_delete { { guild = "red" }, { _id = 1 } }
	check.eq("many are gone", { ok, err, reply.n, coll:find():count() }, { true, nil, 4, 5 })
end

function case.indexes()
	local coll = players "indexes"
	check.eq("made", coll:createIndex({ name = 1 }, { unique = true }).ok, 1.0)
	local ok, err = coll:safe_insert { _id = 50, name = "p1" }
	check.ok("unique", not ok and err:find "duplicate")
	check.eq("of two keys", coll:createIndexes({ { guild = 1 }, { gold = -1 }, name = "both" }).ok, 1.0)
	local names = field(all(coll:find():hint "both":sort { _id = 1 }:limit(2)), "_id")
	check.eq("used", names, { 1, 2 })
	check.eq("dropped", coll:dropIndex("name_1").ok, 1.0)
	check.eq("not unique any more", (coll:safe_insert { _id = 50, name = "p1" }), true)
	check.eq("the collection, too", { coll:drop().ok, coll:findOne {} }, { 1.0, nil })
end

function case.aggregates()
	local coll = players "aggregates"
	local sums = all(coll:aggregate {
		{ ["$group"] = { _id = "$guild", gold = { ["$sum"] = "$gold" } } }, { ["$sort"] = { _id = 1 } },
	})
	check.eq("sums", sums, { { _id = "blue", gold = 250 }, { _id = "red", gold = 300 } })
	local cursor = coll:aggregate { { ["$match"] = { guild = "red" } } }:sort { _id = -1 }:skip(1):limit(2)
	check.eq("with bounds", field(all(cursor), "_id"), { 8, 6 })
	check.eq("counted", coll:aggregate({ { ["$match"] = { guild = "red" } } }):count(), 5)
	check.eq("in batches", #all(coll:aggregate({ { ["$match"] = { _id = { ["$gt"] = 0 } } } }, { cursor = { batchSize = 3 } })),
		10)
end

function case.many()
	local coll = players "many"
	local done = 0
	for i = 1, 500 do
		skynet.fork(function()
			local _, _, reply = coll:safe_update({ _id = i % 10 + 1 }, { ["$inc"] = { hits = 1 } })
			done = done + reply.n
		end)
	end
	check.ok("all are done", check.wait(function()
		return done == 500
	end))
	local sum = all(coll:aggregate { { ["$group"] = { _id = 1, hits = { ["$sum"] = "$hits" } } } })[1].hits
	check.eq("each once", sum, 500)
end

return check.main(role, case, ...)
