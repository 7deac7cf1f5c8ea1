-- skynet.db.redis.cluster with a real cluster, whose ports are the config key `dbports`.
local skynet = require "skynet"
require "skynet.manager"
local socketchannel = require "skynet.socketchannel"
local cluster = require "skynet.db.redis.cluster"
local check = require "check"

local role, case = {}, {}

local function nodes()
	local list = {}
	for port in skynet.getenv("dbports"):gmatch "%d+" do
		list[#list + 1] = { host = "127.0.0.1", port = tonumber(port) }
	end
	return list
end

local function open(opt, onmessage)
	return cluster.new(nodes(), opt, onmessage)
end

function case.commands()
	local c = open()
	check.eq("three masters", #c.nodes, 3)
	local count = 0
	for _ in pairs(c.slots) do
		count = count + 1
	end
	check.eq("all slots", count, 16384)
	check.eq("a replica each", { #c.nodes[1].slaves, #c.nodes[2].slaves, #c.nodes[3].slaves }, { 1, 1, 1 })
	local right = true
	for i = 1, 300 do
		right = right and c:set("key" .. i, i) == "OK"
	end
	for i = 1, 300 do
		right = right and c:get("key" .. i) == tostring(i)
	end
	check.ok("three hundred keys on all nodes", right)
	count = 0
	for _ in pairs(c.connections) do
		count = count + 1
	end
	check.eq("one connection a node", count, 3)
	check.eq("exists", { c:exists "key1", c:exists "none" }, { true, false })
	check.eq("a script", c:eval("return {KEYS[1], ARGV[1]}", 1, "key1", "x"), { "key1", "x" })
	check.fails("two slots", "same key slot", c.eval, c, "return 1", 2, "a", "b")
	check.fails("an error", "WRONGTYPE", c.lpush, c, "key1", "x")
	local db = c:get_connection_by_slot(c:keyslot "{u}")
	check.eq("a pipeline to one node", db:pipeline { { "set", "{u}a", 1 }, { "incr", "{u}a" } }, 2)
	c:close_all_connection()
	check.eq("connected again", c:get "key2", "2")
	c:flush_slots_cache()
	check.eq("no map", next(c.slots), nil)
	check.ok("any node", c:get_random_connection():ping() == "PONG")
	check.eq("found by any node", c:call("get", "key2"), "2")
	c:initialize_slots_cache()
	check.eq("a name", c:set_node_name { host = "h", port = 1 }, "h:1")
	check.eq("keys", { c:get_key_from_command("get", { "k" }), c:get_key_from_command("eval", { "s", 1, "k" }) },
		{ "k", "k" })
	local link = c:get_redis_link(c.nodes[1])
	check.ok("a connection of one's own", link ~= c:get_connection(c.nodes[1]) and link:ping() == "PONG")
	link:disconnect()
	c:close_existing_connection()
end

function case.max_connections()
	local c = open { max_connections = 2 }
	for i = 1, 50 do
		c:set("key" .. i, i)
		local count = 0
		for _ in pairs(c.connections) do
			count = count + 1
		end
		if count > 2 then
			check.ok("two connections at most", false, count)
		end
	end
	check.eq("all were set", c:get "key50", "50")
end

-- A slot goes from one node to another: ASK on the way, MOVED at its end.
function case.moving_a_slot()
	local c = open()
	local slot = c:keyslot "moving"
	local from, to = c.slots[slot], nil
	for _, node in ipairs(c.nodes) do
		if node.name ~= from.name then
			to = node
		end
	end
	local source, target = c:get_connection(from), c:get_connection(to)
	local source_id, target_id = source:cluster "myid", target:cluster "myid"
	c:set("{moving}old", "here")
	target:cluster("setslot", slot, "importing", source_id)
	source:cluster("setslot", slot, "migrating", target_id)
	check.eq("what is still here", c:get "{moving}old", "here")
	check.eq("a new key is asked for there", c:set("{moving}new", "there"), "OK")
	check.eq("and found there", c:get "{moving}new", "there")
	check.eq("exists is a boolean there, too", { c:exists "{moving}new", c:exists "{moving}none" }, { true, false })
	source:migrate(to.host, to.port, "{moving}old", 0, 1000)
	check.eq("the moved key", c:get "{moving}old", "here")
	target:cluster("setslot", slot, "node", target_id)
	source:cluster("setslot", slot, "node", target_id)
	check.eq("found by MOVED", c:get "{moving}old", "here")
	check.eq("and remembered", c.slots[slot].name, to.name)
	check.eq("the next call reads the map", { c:get "{moving}new", c.refresh_table_asap }, { "there", false })
	check.eq("which says so, too", c.slots[slot].name, to.name)
end

function case.messages()
	local got = {}
	local c = open(nil, function(...)
		got[#got + 1] = table.pack(...)
	end)
	c:subscribe("news", "more")
	c:psubscribe "n*"
	check.ok("they come", check.wait(function()
		c:publish("more", "x")
		return #got > 0
	end))
	check.eq("data and channel", got[1], { n = 3, "x", "more" })
	local slot = c:keyslot "news"
	check.ok("by a watcher", c:get_watch_connection_by_slot(slot) == c:get_watch_connection(c.slots[slot]))
	c:unsubscribe "more"
	c:punsubscribe "n*"
end

-- A master is killed under load. Calls fail, each with one outcome, until its replica takes over, and then succeed.
function case.failover()
	local c = open { timeout = 300 }
	local victim = c.slots[c:keyslot "counter"]
	c:set("counter", 0)
	-- Until the replica has it.
	c:get_connection(victim):wait(1, 5000)
	local good, bad, stop, running = 0, 0, false, 0
	for _ = 1, 20 do
		running = running + 1
		skynet.fork(function()
			while not stop do
				if pcall(c.incr, c, "counter") then
					good = good + 1
				else
					bad = bad + 1
					skynet.sleep(10)
				end
			end
			running = running - 1
		end)
	end
	check.ok("counting", check.wait(function()
		return good > 200
	end))
	check.emit("KILL ", victim.port)
	check.ok("failing", check.wait(function()
		return bad > 0
	end))
	local before = good
	check.ok("counting again, elsewhere", check.wait(function()
		return good > before + 500
	end))
	stop = true
	check.ok("all have ended", check.wait(function()
		return running == 0
	end))
	check.ok("another node has the slot", c.slots[c:keyslot "counter"].name ~= victim.name)
	check.ok("other keys", c:set("elsewhere", 1) == "OK" and c:get "elsewhere" == "1")
	check.emit "RESTART"
	check.eq("as before", c:get "elsewhere", "1")
end

return check.main(role, case, ...)
