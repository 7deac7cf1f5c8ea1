-- skynet.cluster against a second node, cluster/server.lua, whose address is the config key `peer`.
local skynet = require "skynet"
local check = require "check"
local cluster = require "skynet.cluster"
local core = require "skynet.cluster.core"

local case, role = {}, {}
local NOBODY <const> = "127.0.0.1:1" -- nothing listens on port 1

local function reload()
	cluster.reload { server = skynet.getenv "peer" }
end

local function call(...)
	return cluster.call("server", "@server", ...)
end

local function wait_for_notes(n)
	local notes = {}
	check.wait(function()
		for _, note in ipairs(call "notes") do
			notes[#notes + 1] = note
		end
		return #notes >= n
	end)
	return notes
end

function case.calls()
	reload()
	check.returns("values", { 1, "two", { 3 }, true, n = 5 }, call, "echo", 1, "two", { 3 }, true, nil)
	check.returns("none", { n = 0 }, call, "echo")
	check.returns("local name", { 2.5 }, cluster.call, "server", ".server", "echo", 2.5)
	local handle = cluster.query("server", "server")
	check.eq("handle", math.type(handle), "integer")
	check.returns("number", { "n" }, cluster.call, "server", handle, "echo", "n")
	check.returns("number as a float", { "n" }, cluster.call, "server", handle + 0.0, "echo", "n")
	check.returns("text of a handle", { "h" }, cluster.call, "server", skynet.address(handle), "echo", "h")
	check.eq("the source is the agent", skynet.address(call "source"), call("services", "snlua clusteragent")[1])
end

function case.large()
	reload()
	for _, size in ipairs { 32757, 32758, 32767, 32768, 32769, 65536, 1 << 20 } do
		local text = ("x"):rep(size)
		check.ok("both ways " .. size, call("echo", text) == text)
		check.ok("answer " .. size, #call("repeated", "y", size) == size)
	end
	for i = 1, 3 do
		cluster.send("server", "@server", "note", i .. ("z"):rep(100000))
	end
	local notes = wait_for_notes(3)
	check.eq("large pushes keep their order", { notes[1]:sub(1, 1), notes[2]:sub(1, 1), notes[3]:sub(1, 1) }, { "1", "2", "3" })
end

function case.many_at_once()
	reload()
	local done, size = 0, 50000
	for i = 1, 300 do
		skynet.fork(function()
			local text = i % 10 == 0 and ("x"):rep(size) or "x"
			local a, b = call("sleep", i % 3, i, text)
			done = done + (a == i and b == text and 1 or 0)
		end)
	end
	check.ok("each has its own answer", check.wait(function() return done == 300 end), done)
	check.eq("nothing waits", cluster.pending(), { server = {} })
end

function case.sends_in_order()
	reload()
	for i = 1, 500 do
		cluster.send("server", "@server", "note", i)
		if i == 250 then
			check.eq("a call among them", call("echo", i), i)
		end
	end
	local notes, sorted = wait_for_notes(500), {}
	for i = 1, 500 do
		sorted[i] = i
	end
	check.eq("all, in order", notes, sorted)
end

-- The first requests wait for the sender in one line, and their arguments are those of the time when they were made.
function case.first_requests()
	reload()
	local argument, results = { 0 }, {}
	for i = 1, 20 do
		argument[1] = i
		if i % 2 == 0 then
			cluster.send("server", "@server", "note", argument)
		else
			skynet.fork(function(x)
				local result = call("echo", x)
				results[#results + 1] = result
				call("note", { x })
			end, i)
			skynet.yield()
		end
	end
	local notes = wait_for_notes(20)
	local pushes = {}
	for _, note in ipairs(notes) do
		if note[1] % 2 == 0 then
			pushes[#pushes + 1] = note[1]
		end
	end
	check.eq("pushes", pushes, { 2, 4, 6, 8, 10, 12, 14, 16, 18, 20 })
	table.sort(results)
	check.eq("calls", results, { 1, 3, 5, 7, 9, 11, 13, 15, 17, 19 })
end

-- What is called and sent before there is a connection has the arguments that it had then.
function case.arguments_as_they_were()
	reload()
	local t, answers, count = { sub = {} }, {}, 0
	local kinds = {
		function() return cluster.call("server", "@server", "echo", t) end,
		function() return cluster.timeoutcall(1000, "server", "@server", "echo", t) end,
		function() return select(2, cluster.pcall("server", "@server", "echo", t)) end,
	}
	for i, f in ipairs(kinds) do
		skynet.fork(function()
			t.n, t.sub.n = i, -i
			answers[i] = f()
			count = count + 1
		end)
	end
	skynet.fork(function()
		t.n, t.sub.n = 1000, 1000
	end)
	check.ok("all return", check.wait(function() return count == #kinds end), count)
	for i = 1, #kinds do
		check.eq("of its time", answers[i], { n = i, sub = { n = -i } })
	end
	check.fails("what cannot be packed", "function", cluster.call, "other", "@server", print)
end

-- Calls that are tried again without a pause while the node is absent succeed when it is there.
function case.tried_again_at_once()
	local _, port = cluster.open(0)
	cluster.reload { server = skynet.getenv "peer", back = NOBODY }
	local tries, done, callers = 0, 0, 3
	for _ = 1, callers do
		skynet.fork(function()
			repeat
				tries = tries + 1
			until pcall(cluster.call, "back", ".service", "LIST")
			done = done + 1
		end)
	end
	check.ok("they fail", check.wait(function() return tries > 2 * callers end), tries)
	check.eq("all of them", done, 0)
	cluster.reload { back = "127.0.0.1:" .. port }
	check.ok("they succeed", check.wait(function() return done == callers end), tries, done)
end

function case.failures()
	reload()
	check.fails("an error there", "call failed", call, "raise", "oops")
	check.fails("unknown published name", "call failed", cluster.call, "server", "@nobody", "echo")
	check.fails("unknown local name", "call failed", cluster.call, "server", ".nobody", "echo")
	check.fails("dead handle", "call failed", cluster.call, "server", 0x7ffff0, "echo")
	check.fails("query of an unknown name", "call failed", cluster.query, "server", "nobody")
	for _, address in ipairs { "", ("x"):rep(256), true, {} } do
		check.fails("address " .. tostring(address):sub(1, 5), "call failed", cluster.call, "server", address, "echo")
		cluster.send("server", address, "echo")
	end
	check.eq("it goes on", call("echo", 1), 1)
end

function case.reasons()
	reload()
	local ok, text, reason = cluster.pcall("server", "@server", "raise", "oops")
	check.eq("remote", { ok, text:find "call failed" ~= nil, reason }, { false, true, "remote" })
	check.returns("invalid name", { false, "Invalid name", "remote" }, cluster.pcall, "server", "@nobody", "echo")
	check.returns("results", { true, 1, "x" }, cluster.pcall, "server", "@server", "echo", 1, "x")
	check.returns("no results", { true }, cluster.pcall, "server", "@server", "echo")
	ok, text, reason = cluster.pcall("server", nil, "echo")
	check.eq("invalid", { ok, text, reason }, { false, "name is not a string, it's a nil", "invalid" })
	ok, text, reason = cluster.pcall("server", "@server", "hang_up")
	check.eq("lost", { ok, reason }, { false, "lost" })
	check.eq("reconnects", call("echo", 2), 2)
	cluster.reload { server = false, other = NOBODY }
	ok, text, reason = cluster.pcall("server", "@server", "echo")
	check.eq("down", { ok, reason }, { false, "down" })
	ok, text, reason = cluster.pcall("other", "@server", "echo")
	check.eq("connect", { ok, reason }, { false, "connect" })
end

function case.deadlines()
	reload()
	check.fails("late", "call timeout", cluster.timeoutcall, 5, "server", "@server", "never")
	check.returns("in time", { 1 }, cluster.timeoutcall, 3000, "server", "@server", "echo", 1)
	check.ok("it is not waited for any more", check.wait(function() return #cluster.pending().server == 0 end))
end

function case.node_deadline()
	reload()
	check.fails("late", "call timeout", call, "never")
	local _, text, reason = cluster.pcall("server", "@server", "never")
	check.eq("late, protected", { text, reason }, { "call timeout", "timeout" })
end

-- What waits when the connection ends fails, each call once.
function case.lost()
	reload()
	call "echo"
	local failed = 0
	for _ = 1, 50 do
		skynet.fork(function()
			local ok, text = pcall(call, "never")
			failed = failed + (not ok and text:find "call failed" and 1 or 0)
		end)
	end
	check.wait(function() return #cluster.pending().server == 50 end)
	local waiting = cluster.pending().server[1]
	check.eq("address", waiting.address, "@server")
	check.eq("source", waiting.source, skynet.self())
	check.ok("session and age", waiting.session > 1 and waiting.age >= 0)
	cluster.send("server", "@server", "hang_up")
	check.ok("all fail", check.wait(function() return failed == 50 end), failed)
	check.eq("the next one connects again", call("echo", 1), 1)
	check.eq("none is left", #cluster.pending().server, 0)
end

function case.names()
	reload()
	call("register", "other")
	check.fails("the old name is gone", "call failed", call, "echo")
	check.returns("the new one works", { 1 }, cluster.call, "server", "@other", "echo", 1)
	check.eq("query", cluster.query("server", "other"), cluster.call("server", "@other", "echo", cluster.query("server", "other")))
	check.fails("a name that is taken", "call failed", cluster.call, "server", "@other", "register", "other")
	cluster.call("server", ".server", "unregister", "other")
	cluster.call("server", ".server", "unregister", "never was there")
	check.fails("none", "call failed", cluster.call, "server", "@other", "echo")
	check.returns("the service is there", { 2 }, cluster.call, "server", ".server", "echo", 2)
end

function case.proxies()
	reload()
	local proxy = cluster.proxy("server", "@server")
	check.eq("one per address", cluster.proxy "server@server", proxy)
	check.returns("call", { 1, "x" }, skynet.call, proxy, "lua", "echo", 1, "x")
	skynet.send(proxy, "lua", "note", "by proxy")
	check.eq("send", wait_for_notes(1), { "by proxy" })
	check.fails("failure", "call failed", skynet.call, proxy, "lua", "raise", "oops")
	local handle = cluster.query("server", "server")
	check.returns("number", { 2 }, skynet.call, cluster.proxy("server", tostring(handle)), "lua", "echo", 2)
	check.returns("local name", { 3 }, skynet.call, cluster.proxy "server.server", "lua", "echo", 3)
	check.fails("no address", "", cluster.proxy, "server")
	cluster.reload { gone = NOBODY }
	check.fails("no such node", "call failed", cluster.proxy, "gone@server")
end

-- A sender that was killed is replaced: for services that know it, for proxies, and while the node is down.
function case.killed_sender()
	reload()
	local proxy = cluster.proxy("server", "@server")
	for i = 1, 3 do
		local sender = cluster.get_sender "server"
		require "skynet.manager".kill(sender)
		check.wait(function() return not core.isalive(sender) end)
		if i == 1 then
			check.eq("it is not listed", cluster.pending(), {})
			cluster.send("server", "@server", "note", "first")
			check.eq("call", call("echo", i), i)
			check.eq("the send came, too", wait_for_notes(1), { "first" })
		elseif i == 2 then
			check.eq("by the proxy", skynet.call(proxy, "lua", "echo", i), i)
		else
			check.returns("protected", { true, i }, cluster.pcall, "server", "@server", "echo", i)
			check.eq("with a deadline", cluster.timeoutcall(6000, "server", "@server", "echo", i), i)
		end
		check.ok("another one", cluster.get_sender "server" ~= sender)
	end
	local sender = cluster.get_sender "server"
	require "skynet.manager".kill(sender)
	check.wait(function() return not core.isalive(sender) end)
	cluster.reload { server = NOBODY }
	check.fails("nobody answers", "call failed", skynet.call, proxy, "lua", "echo", 1)
	reload()
	check.eq("the proxy lives on", skynet.call(proxy, "lua", "echo", 2), 2)
end

function case.absent()
	check.fails("a deadline holds while there is no sender", "call timeout", cluster.timeoutcall, 5, "server", "@server", "echo", 0)
	local results = {}
	for i = 1, 3 do
		skynet.fork(function()
			local result = call("echo", i)
			results[#results + 1] = result
		end)
	end
	skynet.sleep(5)
	check.eq("they wait", results, {})
	cluster.reload { other = NOBODY }
	skynet.sleep(1)
	check.eq("for this node", results, {})
	reload()
	check.ok("and go on", check.wait(function() return #results == 3 end))
end

function case.nowaiting()
	local failure
	skynet.fork(function()
		local _, text = pcall(call, "echo")
		failure = text
	end)
	skynet.sleep(2)
	cluster.reload { __nowaiting = true }
	check.ok("who waits fails", check.wait(function() return failure end))
	check.ok("as who has no sender", failure:find("dest address type (nil) must be a string or number.", 1, true), failure)
	check.fails("at once", "dest address type (nil) must be a string or number.", call, "echo")
	cluster.send("server", "@server", "note", 1)
	cluster.reload { server = skynet.getenv "peer", __nowaiting = false }
	check.eq("an address", call("echo", 1), 1)
end

function case.unreachable()
	cluster.reload { server = NOBODY, down = false }
	check.fails("call", "dest address type (nil) must be a string or number.", call, "echo")
	cluster.send("server", "@server", "note", 1)
	check.fails("down", "dest address type (nil) must be a string or number.", cluster.call, "down", 1)
	check.eq("no sender", cluster.get_sender "server", nil)
	reload()
	check.ok("later", check.wait(function() return cluster.get_sender "server" end))
	check.eq("call again", call("echo", 1), 1)
end

function case.down_and_up()
	reload()
	check.eq("up", call("echo", 1), 1)
	local failed
	skynet.fork(function()
		failed = not pcall(call, "never")
	end)
	check.wait(function() return #cluster.pending().server == 1 end)
	cluster.reload { server = false }
	check.ok("what waits fails", check.wait(function() return failed end))
	check.fails("down", "call failed", call, "echo")
	cluster.send("server", "@server", "note", 1)
	reload()
	check.ok("up again", check.wait(function() return pcall(call, "echo") end))
end

function case.address_changes()
	reload()
	local second = select(2, call("open", 0))
	local failed, done = 0, 0
	local sender = cluster.get_sender "server"
	for i = 1, 20 do
		skynet.fork(function()
			for n = 1, 50 do
				local ok, got = pcall(call, "echo", n)
				failed = failed + (ok and 0 or 1)
				done = done + (ok and got == n and 1 or 0)
			end
		end)
	end
	for n = 1, 10 do
		skynet.sleep(1)
		cluster.reload { server = n % 2 == 1 and "127.0.0.1:" .. second or skynet.getenv "peer" }
	end
	check.ok("each call has one outcome", check.wait(function() return failed + done == 1000 end), failed + done)
	check.ok("the last address works", check.wait(function() return pcall(call, "echo") end))
	check.eq("the same sender", cluster.get_sender "server", sender)
	check.ok("nothing waits", #cluster.pending().server == 0)
end

function case.bad_config()
	check.fails("a number", "call failed", cluster.reload, { server = 5 })
	check.fails("a table", "call failed", cluster.reload, { server = {} })
	check.fails("true", "call failed", cluster.reload, { server = true })
	reload()
	check.eq("it goes on", call("echo", 1), 1)
	cluster.reload { server = "nonsense" }
	check.ok("an address that is none is not the old one", check.wait(function() return not pcall(call, "echo") end))
	reload()
	check.ok("it goes on again", check.wait(function() return pcall(call, "echo") end))
end

function case.opening()
	reload()
	check.fails("unknown node", "call failed", cluster.open, "nobody")
	local address, port = cluster.open(0)
	check.eq("everywhere", address, "0.0.0.0")
	check.ok("a port", port > 0)
	check.fails("taken", "call failed", cluster.open, port)
	cluster.reload { self = "127.0.0.1:" .. select(2, cluster.open(0)) }
	cluster.register "self"
	skynet.dispatch("lua", function(_, _, ...) skynet.retpack(...) end)
	check.returns("itself", { "me" }, cluster.call, "self", "@self", "me")
	check.eq("an address", cluster.open "127.0.0.1:0", "127.0.0.1:0")
end

function case.bind()
	local address = cluster.open(0)
	check.eq("configured", address, "127.0.0.1")
end

-- At most one less than maxclient.
function case.maxclient()
	reload()
	local port = select(2, call("open", 0, 2))
	local target = "127.0.0.1:" .. port
	cluster.reload { first = target, second = target }
	check.eq("the first", cluster.call("first", "@server", "echo", 1), 1)
	check.fails("the second", "", cluster.call, "second", "@server", "echo", 2)
	cluster.send("first", "@server", "hang_up")
	check.ok("there is room again", check.wait(function()
		return pcall(cluster.call, "second", "@server", "echo", 2)
	end))
end

function case.events()
	reload()
	local events = {}
	local stop = cluster.monitor(function(event)
		events[#events + 1] = event.node .. " " .. event.event
	end)
	call "echo"
	cluster.send("server", "@server", "hang_up")
	check.ok("up and down", check.wait(function() return #events == 2 end))
	check.eq("what", events, { "server up", "server down" })
	call "echo"
	check.wait(function() return #events == 3 end)
	stop()
	cluster.send("server", "@server", "hang_up")
	check.ok("up again", check.wait(function() return pcall(call, "echo") end))
	check.eq("stopped", #events, 3)
end

-- What the log and the errors say of mistakes.
function case.explanations()
	reload()
	check.fails("no such name", "call failed", cluster.query, "server", "nobody")
	check.fails("no such node to listen for", "call failed", cluster.open, "nowhere")
	cluster.reload { down = false }
	check.fails("a node that is down", "call failed", cluster.open, "down")
	for name, f in pairs { call = cluster.call, send = cluster.send, pcall = cluster.pcall, query = cluster.query,
		proxy = cluster.proxy, get_sender = cluster.get_sender } do
		local text = check.fails("no node for " .. name, "the name of a node is a string, not nil", f, nil, "@server")
		check.ok("with the place", tostring(text):find("check.lua:", 1, true), text)
	end
	check.fails("with a deadline", "the name of a node is a string, not 5", cluster.timeoutcall, 10, 5, "@server")
	cluster.reload { __nowaiting = true }
	check.fails("absent", "dest address type (nil) must be a string or number.", cluster.call, "absent", "@server")
end

-- A service that watches, until it is told to end.
function role.watcher()
	check.serve {
		watch = function()
			cluster.monitor(function() end)
		end,
		exit = skynet.exit,
	}
end

-- Requests that the daemon works on.
local function daemon_tasks()
	return skynet.call(skynet.queryservice "clusterd", "debug", "STAT").task
end

function case.dead_watchers()
	local watchers = {}
	for i = 1, 10 do
		watchers[i] = check.spawn "watcher"
		skynet.call(watchers[i], "lua", "watch")
	end
	check.ok("they watch", check.wait(function() return daemon_tasks() == 10 end), daemon_tasks())
	for i = 1, 9 do
		skynet.send(watchers[i], "lua", "exit")
		check.wait(function() return check.dead(watchers[i]) end)
	end
	skynet.call(watchers[10], "lua", "watch")
	check.ok("the dead do not", check.wait(function() return daemon_tasks() == 2 end), daemon_tasks())
end

-- Names and addresses may hold spaces.
function case.spaces()
	cluster.reload { ["my server"] = skynet.getenv "peer" }
	cluster.call("my server", "@server", "register", "the other name")
	check.eq("call", cluster.call("my server", "@the other name", "echo", 1), 1)
	local proxy = cluster.proxy("my server", "@the other name")
	check.eq("proxy", skynet.call(proxy, "lua", "echo", 2), 2)
	check.eq("the same", cluster.proxy "my server@the other name", proxy)
	-- These two have the same words.
	cluster.reload { a = skynet.getenv "peer", ["a @b"] = skynet.getenv "peer" }
	cluster.call("a", "@the other name", "register", "b @c")
	check.eq("one", skynet.call(cluster.proxy("a", "@b @c"), "lua", "echo", 3), 3)
	cluster.call("a", "@b @c", "register", "c")
	check.eq("another", skynet.call(cluster.proxy("a @b", "@c"), "lua", "echo", 4), 4)
	check.fails("whose name has gone", "call failed", skynet.call, cluster.proxy("a", "@b @c"), "lua", "echo", 5)
end

-- The daemon reads its file from a pipe: it stands still until something is written there. The proxy ends meanwhile,
-- and what comes of it lies behind another request for it.
function case.proxy_that_ends()
	local outcomes = {}
	local function ask()
		local ok = pcall(cluster.proxy, "server", "@server")
		outcomes[#outcomes + 1] = ok
	end
	local function proxies()
		local found = {}
		for address, line in pairs(skynet.call(".launcher", "lua", "LIST")) do
			found[#found + 1] = line:find("clusterproxy", 1, true) and address or nil
		end
		return found
	end
	local daemon = skynet.uniqueservice "clusterd"
	local before = skynet.self()
	skynet.fork(ask)
	check.ok("it waits for the node", check.wait(function() return daemon_tasks() == 2 end), daemon_tasks())
	os.remove "nodes.lua"
	check.ok("a pipe", os.execute "mkfifo nodes.lua")
	local proxy
	for handle = before + 1, before + 20 do
		proxy = not check.dead(handle) and handle or proxy
	end
	-- One after the other, and nothing between.
	skynet.send(daemon, "lua", "reload", { __nowaiting = true })
	skynet.send(daemon, "lua", "reload")
	skynet.fork(ask)
	skynet.sleep(0)
	check.ok("it has ended", check.wait(function() return not core.isalive(proxy) end))
	check.eq("nobody knows yet", outcomes, {})
	local pipe <close> = io.open("nodes.lua", "w")
	pipe:close()
	check.ok("all know", check.wait(function() return #outcomes == 2 end))
	check.eq("it has failed", outcomes, { false, false })
end

function case.trace()
	reload()
	skynet.trace "here"
	check.eq("traced", call("echo", 1), 1)
	check.eq("a proxy, too", skynet.call(cluster.proxy "server@server", "lua", "echo", 2), 2)
end

function case.services()
	reload()
	call "echo"
	local list = {}
	for _, line in pairs(skynet.call(".launcher", "lua", "LIST")) do
		list[#list + 1] = line:match "^snlua cluster%a+"
	end
	table.sort(list)
	check.eq("listed", list, { "snlua clusterd", "snlua clustersender" })
	local sender = cluster.get_sender "server"
	local stat = skynet.call(sender, "debug", "STAT")
	check.eq("stat", { stat.task, math.type(stat.message) }, { 0, "integer" })
	check.eq("mem", skynet.call(sender, "debug", "MEM"), 0)
	check.returns("ping", { n = 0 }, skynet.call, sender, "debug", "PING")
	check.eq("the daemon", skynet.uniqueservice "clusterd", skynet.queryservice "clusterd")
	check.fails("unknown command", "call failed", skynet.call, sender, "lua", "nonsense")
end

-- The messages of the sender, as code for skynet (C) may use them.
function case.sender_messages()
	reload()
	local sender = cluster.get_sender "server"
	check.returns("req", { 1 }, skynet.call, sender, "lua", "req", "@server", skynet.pack("echo", 1))
	skynet.send(sender, "lua", "push", "@server", skynet.pack("note", "pushed"))
	check.eq("push", wait_for_notes(1), { "pushed" })
	check.fails("no message", "call failed", skynet.call, sender, "lua", "req", "@server")
	local clusterd = skynet.uniqueservice "clusterd"
	check.eq("sender", skynet.call(clusterd, "lua", "sender", "server"), sender)
	check.eq("senders", skynet.call(clusterd, "lua", "senders"), { server = sender })
	cluster.register("me", 17)
	check.eq("queryname", skynet.call(clusterd, "lua", "queryname", "@me"), 17)
	check.eq("unknown", skynet.call(clusterd, "lua", "queryname", "nobody"), nil)
end

-- Frames made and read by skynet.cluster.core.
function case.frames()
	local function hex(text)
		return (text:gsub("%X", ""):gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end))
	end
	local frame, session, parts = core.packrequest(0x10, 1, skynet.pack("hello", 1))
	check.eq("number", { frame, session, parts }, { hex "00 11 00 10 00 00 00 01 00 00 00 2c 68 65 6c 6c 6f 0a 01", 2 })
	frame, session = core.packpush("@sdb", 0x7fffffff, skynet.pack "push")
	check.eq("name", { frame, session }, { hex "00 0f 80 04 40 73 64 62 00 00 00 00 24 70 75 73 68", 1 })
	frame, session, parts = core.packrequest(0x11, 7, skynet.pack(("z"):rep(32768 * 2)))
	check.eq("large", { frame:byte(3), session, #parts, #parts[1], parts[3]:byte(3) }, { 1, 8, 3, 32775, 3 })
	check.fails("session", "Invalid request session 0", core.packrequest, 1, 0, skynet.pack())
	check.fails("no message", "Invalid request message", core.packrequest, 1, 1, nil, 0)
	check.fails("name", "name length is invalid", core.packrequest, "", 1, skynet.pack(1))
	check.eq("trace", core.packtrace "tag", "\0\4\4tag")

	local address, number, msg, sz, more, push = core.unpackrequest(hex "80 04 40 73 64 62 02 00 00 00 1c 47 45 54")
	check.eq("read", { address, number, sz, more, push }, { "@sdb", 2, 4 })
	check.eq("arguments", skynet.unpack(msg, sz), "GET")
	skynet.trash(msg, sz)
	check.returns("large", { 17, 7, nil, 32771, true, true, n = 6 }, core.unpackrequest, hex "41 11 00 00 00 07 00 00 00 03 80 00 00")
	check.returns("tag", { "t" }, core.unpackrequest, "\4t")
	address, number, msg, sz, more = core.unpackrequest "\3\7\0\0\0xyz"
	check.eq("part", { address, number, skynet.tostring(msg, sz), more }, { false, 7, "xyz", false })
	skynet.trash(msg, sz)
	check.fails("malformed", "Invalid cluster message (size=1)", core.unpackrequest, "\0")

	check.eq("answer", core.packresponse(1, true, "\20ok"), hex "00 08 01 00 00 00 01 14 6f 6b")
	check.eq("error", core.packresponse(1, false, "no"), hex "00 07 01 00 00 00 00 6e 6f")
	local frames = core.packresponse(13, true, ("r"):rep(40003))
	check.eq("large answer", { #frames, frames[1] }, { 3, hex "00 09 0d 00 00 00 02 43 9c 00 00" })
	check.returns("begin", { 13, true, 40003, true }, core.unpackresponse, frames[1]:sub(3))
	check.returns("end", { 13, true, ("r"):rep(7235) }, core.unpackresponse, frames[3]:sub(3))
	check.returns("no answer", { n = 0 }, core.unpackresponse, "abcd")

	local whole = {}
	core.append(whole, nil, 5)
	core.append(whole, "ab", 2)
	check.returns("not all", { n = 0 }, core.concat, whole)
	core.append(whole, "cde", 3)
	local all, size = core.concat(whole)
	check.eq("all", skynet.tostring(all, size), "abcde")
	skynet.trash(all, size)
	check.eq("names", { core.isname "@x", core.isname ".x", core.isname(1) }, { true })
	check.ok("this node", core.nodename():find "%d$")
end

-- A peer that begins large requests and does not end them.
function case.buffer_limit()
	local socket = require "skynet.socket"
	local port = select(2, cluster.open(0))
	local id = assert(socket.open("127.0.0.1", port))
	local frame, _, parts = core.packrequest("@nobody", 1, skynet.pack(("x"):rep(60000)))
	socket.write(id, frame)
	socket.write(id, parts[1])
	check.ok("closed", not socket.read(id))
	socket.close(id)
	id = assert(socket.open("127.0.0.1", port))
	frame, _, parts = core.packrequest("@nobody", 1, skynet.pack(("x"):rep(5000)))
	socket.write(id, frame)
	check.eq("a small one is answered", socket.read(id, 19), core.packresponse(1, false, "Invalid name"))
	socket.close(id)
end

-- A gate written in Lua whose watchdog is the daemon.
function case.lua_gate()
	local clusterd = skynet.uniqueservice "clusterd"
	local gate = skynet.newservice "gate"
	local address, port = skynet.call(gate, "lua", "open", { address = "127.0.0.1", port = 0, watchdog = clusterd })
	cluster.reload { through = ("%s:%d"):format(address, port) }
	cluster.register("here", check.spawn "echo")
	for n = 1, 20 do
		check.eq("call " .. n, cluster.call("through", "@here", n), n)
	end
	local large = ("x"):rep(100000)
	check.ok("large", cluster.call("through", "@here", large) == large)
	cluster.reload { through = false }
	check.ok("the agent ends", check.wait(function()
		for _, line in pairs(skynet.call(".launcher", "lua", "LIST")) do
			if line:find "clusteragent" then
				return false
			end
		end
		return true
	end))
end

function role.echo()
	skynet.dispatch("lua", function(_, _, ...) skynet.retpack(...) end)
	skynet.start(function() end)
end

function case.snax_objects()
	local snax = require "skynet.snax"
	cluster.reload { self = "127.0.0.1:" .. select(2, cluster.open(0)) }
	local thing = snax.uniqueservice "thing"
	thing.post.enable_cluster()
	local remote = cluster.snax("self", "thing")
	check.ok("another handle", remote.handle ~= thing.handle)
	check.returns("request", { "x", 2 }, remote.req.echo, "x", 2)
	check.eq("by address", cluster.snax("self", "thing", thing.handle).req.echo "y", "y")
end

-- What waits for a sender that never comes.
function case.in_vain()
	cluster.reload { server = NOBODY }
	for n = 1, 10 do
		cluster.send("server", "@server", "note", n, ("x"):rep(1000))
	end
	check.fails("a call among them", "dest address type (nil) must be a string or number.", call, "echo")
	reload()
	check.ok("later", check.wait(function() return pcall(call, "echo") end))
	check.eq("they are gone", #call "notes", 0)
end

return check.main(role, case, ...)
