-- A network of three nodes: each runs this program, 1 and 2 as workers that do what they are asked for, 3 with a case.
local skynet = require "skynet"
require "skynet.manager"
local check = require "check"
local harbor = require "skynet.harbor"
local datacenter = require "skynet.datacenter"
local multicast = require "skynet.multicast"

local here = tonumber(skynet.getenv "harbor")
local role, case = {}, {}

-- What a worker does.
local worker = {}
local pushed, channels, heard = {}, {}, {}

function worker.ECHO(...)
	return ...
end

function worker.LEN(text)
	return #text
end

function worker.SELF()
	return skynet.self()
end

function worker.ERR(text)
	error(text)
end

function worker.PUSH(value)
	pushed[#pushed + 1] = value
end

function worker.PUSHED()
	local all = pushed
	pushed = {}
	return all
end

-- Code that runs in the worker.
function worker.RUN(source, ...)
	return assert(load(source))(...)
end

function worker.SPAWN()
	return check.spawn "victim"
end

function worker.CHANNEL()
	return multicast.new().channel
end

function worker.SUBSCRIBE(id)
	local channel = multicast.new {
		channel = id,
		dispatch = function(_, source, ...)
			heard[#heard + 1] = table.concat({ skynet.harbor(source), ... }, " ")
		end,
	}
	channel:subscribe()
	channels[id] = channel
end

function worker.UNSUBSCRIBE(id)
	channels[id]:unsubscribe()
end

function worker.PUBLISH(id, ...)
	multicast.new({ channel = id }):publish(...)
end

function worker.HEARD(count)
	check.wait(function() return #heard >= count end)
	local all = heard
	heard = {}
	return all
end

local function serve()
	skynet.dispatch("lua", function(session, _, name, ...)
		if name == "HANG" then
			return skynet.response() and nil
		elseif session == 0 then
			return worker[name](...)
		end
		skynet.retpack(worker[name](...))
	end)
end

function role.victim()
	skynet.dispatch("lua", function(_, _, cmd)
		if cmd == "die" then
			skynet.exit()
		end
	end)
	skynet.start(function() end)
end

function role.single(name)
	check.serve {
		WHERE = function() return skynet.self(), name end,
	}
end

local function on(node, ...)
	return skynet.call("NODE" .. node, "lua", ...)
end

function case.worker()
	serve()
	skynet.register("NODE" .. here)
	print "WORKING"
	skynet.wait()
end

function case.names()
	serve()
	skynet.register "NODE3"
	for node = 1, 3 do
		local handle = harbor.queryname("NODE" .. node)
		check.eq("the node of a name", skynet.harbor(handle), node)
		for from = 1, 3 do
			local source = "local name, handle = ... return require('skynet').call(name or handle, 'lua', 'SELF')"
			check.eq("by name", on(from, "RUN", source, "NODE" .. node), handle)
			check.eq("by handle", on(from, "RUN", source, nil, handle), handle)
		end
		local _, remote = skynet.harbor(handle)
		check.eq("remote", remote, node ~= here)
	end
	local other = harbor.queryname "NODE2"
	harbor.globalname("OTHER", other)
	check.eq("a name for a service of another node", harbor.queryname "OTHER", other)
	check.eq("that node's service", skynet.call("OTHER", "lua", "SELF"), other)
	check.eq("from the third", on(1, "RUN", "return require('skynet').call('OTHER', 'lua', 'SELF')"), other)
	check.eq("a local name", harbor.queryname ".launcher", skynet.localname ".launcher")
	check.eq("a local name that nobody has", harbor.queryname ".nobody", nil)
	check.eq("own messages", select(2, pcall(skynet.call, "NODE3", "lua", "ECHO", 1)), 1)
end

function case.messages_wait_for_a_name()
	for i = 1, 100 do
		skynet.send("LATE", "lua", "PUSH", i)
	end
	local answer
	skynet.fork(function()
		answer = skynet.call("LATE", "lua", "PUSHED")
	end)
	skynet.sleep(10)
	check.eq("no answer yet", answer, nil)
	on(2, "RUN", "require('skynet').register 'LATE'")
	check.wait(function() return answer end)
	local all = {}
	for i = 1, 100 do
		all[i] = i
	end
	check.eq("in their order", answer, all)
	-- The same for a name of this node.
	skynet.send("MINE", "lua", "PUSH", "first")
	serve()
	skynet.register "MINE"
	skynet.call("MINE", "lua", "PUSH", "second")
	check.eq("own name", pushed, { "first", "second" })
	check.fails("a name is taken once", "call failed", skynet.call, ".cslave", "lua", "REGISTER", "LATE", skynet.self())
	check.fails("a name that is too long for a message", "call failed", skynet.call, ".cslave", "lua", "REGISTER",
		("x"):rep(300), skynet.self())
	check.fails("a question that is too long", "call failed", skynet.call, ".cslave", "lua", "QUERYNAME", ("x"):rep(300))
end

function case.payloads()
	local handle = harbor.queryname "NODE2"
	for _, size in ipairs { 0, 1, 3, 16, 17, 1000, 65519, 65536, 70000, 1 << 20, 15 << 20 } do
		local text = ("abcdefg"):rep(size // 7 + 1):sub(1, size)
		check.ok("there and back " .. size, skynet.call(handle, "lua", "ECHO", text) == text)
	end
	local longest = (1 << 24) - 1 - 12 - 5 - 4 -- the command and the head of a long string are packed, too
	check.eq("the longest", skynet.call(handle, "lua", "LEN", ("x"):rep(longest)), longest)
	local longer = ("x"):rep(longest + 1)
	check.fails("longer", "too large", skynet.call, handle, "lua", "LEN", longer)
	check.eq("longer, sent", skynet.send(handle, "lua", "LEN", longer), false)
	check.eq("longer, to a name", skynet.send("NODE2", "lua", "LEN", longer), false)
	check.eq("values", { skynet.call(handle, "lua", "ECHO", nil, true, -1.5, { a = { 1 } }, "z") },
		{ nil, true, -1.5, { a = { 1 } }, "z" })
end

function case.order()
	local handle = harbor.queryname "NODE2"
	local sent = {}
	for i = 1, 2000 do
		sent[i] = i % 100 == 0 and ("%d"):format(i):rep(20000) or i
		skynet.send(handle, "lua", "PUSH", sent[i])
	end
	check.ok("all in order", check.same(skynet.call(handle, "lua", "PUSHED"), sent))
	local done = 0
	for i = 1, 100 do
		skynet.fork(function()
			for k = 1, 10 do
				local node = 1 + (i + k) % 2
				local same = on(node, "ECHO", i * k) == i * k
				done = done + (same and 1 or 0)
			end
		end)
	end
	check.ok("many at once", check.wait(function() return done == 1000 end), done)
end

function case.failures()
	local handle = harbor.queryname "NODE2"
	check.fails("an error", "call failed", skynet.call, handle, "lua", "ERR", "on purpose")
	check.fails("nobody there", "call failed", skynet.call, handle | 0xffff00, "lua", "ECHO")
	check.fails("a deadline", "call timeout", skynet.timeoutcall, 1, handle, "lua", "HANG")
	local core = require "skynet.core"
	check.eq("type system", core.send(handle, skynet.PTYPE_SYSTEM, 1, "x"), nil)
	check.eq("type harbor", core.send(handle, skynet.PTYPE_HARBOR, 0, "N X"), nil)
	local victim = on(2, "SPAWN")
	check.eq("it is there", skynet.harbor(victim), 2)
	local failed = 0
	for _ = 1, 3 do
		skynet.fork(function()
			local ok = pcall(skynet.call, victim, "lua", "wait")
			failed = failed + (ok and 0 or 1)
		end)
	end
	skynet.sleep(5)
	skynet.send(victim, "lua", "die")
	check.ok("open calls fail", check.wait(function() return failed == 3 end), failed)
	check.fails("a call to the dead", "call failed", skynet.call, victim, "lua", "wait")
	victim = on(2, "SPAWN")
	skynet.fork(function()
		failed = pcall(skynet.call, victim, "lua", "wait")
	end)
	skynet.sleep(5)
	on(2, "RUN", "require 'skynet.manager' require('skynet').kill(...)", victim)
	check.ok("of a killed one too", check.wait(function() return failed == false end))
	check.eq("the link is as before", on(2, "ECHO", "well"), "well")
end

function case.shared_data()
	datacenter.set("from", "three", 3)
	check.eq("get elsewhere", on(2, "RUN", "return require('skynet.datacenter').get('from', 'three')"), 3)
	local value
	skynet.fork(function()
		value = datacenter.wait("from", "two")
	end)
	skynet.sleep(5)
	on(2, "RUN", "require('skynet.datacenter').set('from', 'two', 2)")
	check.ok("wait", check.wait(function() return value == 2 end), value)
end

function case.unique_services()
	local launch = ("return require('skynet').uniqueservice(true, %q, 'single', 'two')"):format(SERVICE_NAME)
	local waiting
	skynet.fork(function()
		waiting = skynet.queryservice(true, SERVICE_NAME)
	end)
	skynet.sleep(5)
	local handle = on(2, "RUN", launch)
	check.eq("it is where the master is", skynet.harbor(handle), 1)
	check.eq("the same for all", skynet.uniqueservice(true, SERVICE_NAME, "single", "three"), handle)
	check.ok("who asked before", check.wait(function() return waiting == handle end), waiting)
	check.eq("the first one's arguments", { skynet.call(handle, "lua", "WHERE") }, { handle, "two" })
	check.fails("what cannot start", "call failed", skynet.uniqueservice, true, "no-such-service")
	check.fails("nor later", "call failed", skynet.queryservice, true, "no-such-service")

	local own = skynet.uniqueservice(SERVICE_NAME, "single", "here")
	check.eq("one for this node", skynet.harbor(own), 3)
	local list = skynet.call("SERVICE", "lua", "LIST")
	check.eq("listed", list["@" .. SERVICE_NAME], skynet.address(handle))
	check.eq("that of another node", list[SERVICE_NAME .. "@3"], skynet.address(own))
	check.eq("the exit monitor may be on another node", skynet.harbor(skynet.monitor(SERVICE_NAME)), 1)
end

function case.channels()
	serve()
	local id = on(1, "CHANNEL")
	check.eq("its node", id % 256, 1)
	for node = 1, 2 do
		on(node, "SUBSCRIBE", id)
	end
	worker.SUBSCRIBE(id)
	local own = multicast.new { channel = id }
	own:publish("from here", 1)
	on(1, "PUBLISH", id, "from one")
	on(2, "PUBLISH", id, "from two")
	local want = { "1 from one", "2 from two", "3 from here 1" }
	for node, list in ipairs { on(1, "HEARD", 3), on(2, "HEARD", 3), worker.HEARD(3) } do
		table.sort(list)
		check.eq("heard on " .. node, list, want)
	end
	for i = 1, 50 do
		on(1, "PUBLISH", id, i)
	end
	local list = on(2, "HEARD", 50)
	check.eq("in order", list[1] .. " " .. list[50], "1 1 1 50")
	check.eq("here as well", #worker.HEARD(50), 50)
	on(1, "HEARD", 50)
	local long = ("y"):rep(200000)
	own:publish(long)
	check.eq("long ones", #on(2, "HEARD", 1)[1], 200002)
	on(1, "HEARD", 1)
	worker.HEARD(1)

	-- Without a subscriber, a node is not sent anything any more.
	on(2, "UNSUBSCRIBE", id)
	on(1, "PUBLISH", id, "left")
	check.eq("here", worker.HEARD(1), { "1 left" })
	check.eq("not there", on(2, "HEARD", 0), {})
	on(2, "SUBSCRIBE", id)
	on(1, "PUBLISH", id, "again")
	check.eq("there again", on(2, "HEARD", 1), { "1 again" })
	worker.HEARD(1)
	channels[id]:delete()
	skynet.sleep(5)
	on(1, "PUBLISH", id, "deleted")
	check.eq("nobody", on(2, "HEARD", 0), {})

	-- A channel of this node, with subscribers elsewhere.
	id = worker.CHANNEL()
	check.eq("own channel", id % 256, 3)
	on(1, "SUBSCRIBE", id)
	on(1, "HEARD", 0)
	worker.PUBLISH(id, "hello")
	check.eq("the next one", on(1, "HEARD", 1), { "3 hello" })
	-- Nobody but its daemon takes bytes for a package.
	skynet.redirect(harbor.queryname "NODE2", skynet.self(), "multicast", id, "8 bytes!")
	check.eq("it is dropped", on(2, "ECHO", "well"), "well")
end

function case.facts()
	harbor.connect(1)
	harbor.connect(2)
	harbor.connect(3)
	harbor.link(3)
	harbor.link(99)
	local info = skynet.call(".cslave", "debug", "INFO")
	check.eq("nodes", info.nodes, { [1] = "connected", [2] = "connected" })
	check.eq("a name that nobody has asked for", info.names.NODE2, nil)
	check.eq("the master", info.master, true)
	local node2 = harbor.queryname "NODE2"
	info = skynet.call(".cslave", "debug", "INFO")
	check.eq("one that somebody has", info.names.NODE2, node2)
	check.fails("an unknown command", "call failed", skynet.call, ".cslave", "lua", "NOTHING")
	local master = on(1, "RUN", [[
		local skynet = require "skynet"
		for address, line in pairs(skynet.call(".launcher", "lua", "LIST")) do
			if line == "snlua cmaster" then
				return skynet.call(address, "debug", "INFO")
			end
		end]])
	check.eq("the master's names", master.names.NODE2, node2)
	check.ok("a node's address", master.nodes[3].address:find "^127%.0%.0%.1:%d+$")
end

-- Node 2 is killed from outside when this has said that it is ready.
function case.survivor()
	local handle = harbor.queryname "NODE2"
	local outcome, count = {}, 0
	local function watch(name, f, ...)
		skynet.fork(function(...)
			outcome[name], count = pcall(f, ...), count + 1
		end, ...)
	end
	watch("by handle", skynet.call, handle, "lua", "HANG")
	watch("by name", skynet.call, "NODE2", "lua", "HANG")
	watch("link", harbor.link, 2)
	local id = multicast.new().channel
	on(2, "SUBSCRIBE", id)
	print "READY"
	check.ok("all return", check.wait(function() return count == 3 end), count)
	check.eq("how", outcome, { ["by handle"] = false, ["by name"] = false, link = true })
	check.fails("a call afterwards", "call failed", skynet.call, handle, "lua", "ECHO")
	check.fails("by name", "call failed", skynet.call, "NODE2", "lua", "ECHO")
	harbor.link(2)
	check.fails("it will not be there again", "call failed", harbor.connect, 2)
	skynet.sleep(10) -- multicastd hears of it, too
	for _ = 1, 10 do
		worker.PUBLISH(id, "to the dead")
	end
	check.eq("the others are there", on(1, "ECHO", "well"), "well")
	check.eq("a list without it", type(skynet.call("SERVICE", "lua", "LIST")), "table")
end

-- Node 2 is killed, and another one takes its number and its name.
function case.successor()
	local old = harbor.queryname "NODE2"
	check.eq("the first", skynet.call("NODE2", "lua", "ECHO", "x"), "x")
	print "READY"
	harbor.link(2)
	check.fails("a call", "call failed", skynet.call, "NODE2", "lua", "ECHO", "x")
	print "GONE"
	local function answered()
		local ok, text = pcall(skynet.call, "NODE2", "lua", "ECHO", "again")
		return ok and text == "again"
	end
	check.ok("the second", check.wait(answered))
	harbor.connect(2)
	check.eq("from the other", on(1, "RUN", "return require('skynet').call('NODE2', 'lua', 'ECHO', 'y')"), "y")
	check.eq("it is on the same number", select(1, skynet.harbor(harbor.queryname "NODE2")), 2)
	check.eq("and another", type(old), "number")
end

-- Node 2 is killed while many call it: each call returns once or raises once.
function case.storm()
	local handles = { harbor.queryname "NODE1", harbor.queryname "NODE2" }
	local returned, raised, other, running = { 0, 0 }, { 0, 0 }, 0, 0
	local function caller(node, text)
		running = running + 1
		repeat
			local ok, answer = pcall(skynet.call, handles[node], "lua", "ECHO", text)
			if not ok then
				raised[node] = raised[node] + 1
			elseif answer == text then
				returned[node] = returned[node] + 1
			else
				other = other + 1
			end
		until raised[2] > 0 and (not ok or node == 1)
		running = running - 1
	end
	for i = 1, 40 do
		skynet.fork(caller, 1 + i % 2, ("%d "):format(i):rep(i * i))
	end
	check.wait(function() return returned[1] > 100 and returned[2] > 100 end)
	print "READY"
	check.ok("all callers end", check.wait(function() return running == 0 end), running)
	check.eq("each with an error", raised, { 0, 20 })
	check.eq("wrong answers", other, 0)
	check.eq("no call is left", skynet.task(), 0)
	check.eq("the other node works", on(1, "ECHO", "well"), "well")
end

-- Node 1, with the master, is killed from outside.
function case.orphan()
	local master, link, answer
	local handle = harbor.queryname "NODE1"
	local asked, queried
	harbor.queryname "NODE2"
	skynet.fork(function()
		asked = { pcall(skynet.call, "NOBODY", "lua", "ECHO") }
	end)
	skynet.fork(function()
		queried = { pcall(harbor.queryname, "NOBODY") }
	end)
	skynet.fork(function()
		harbor.linkmaster()
		master = true
	end)
	skynet.fork(function()
		harbor.link(1)
		link = true
	end)
	skynet.fork(function()
		answer = { pcall(skynet.call, handle, "lua", "HANG") }
	end)
	print "READY"
	check.ok("all return", check.wait(function() return master and link and answer end))
	check.eq("the call", answer[1], false)
	skynet.call(".cslave", "lua", "LINKMASTER")
	check.eq("the other link stays", on(2, "ECHO", "well"), "well")
	check.fails("no service for all", "call failed", datacenter.get, "x")
	-- Names that nobody can tell any more.
	check.ok("they are given up", check.wait(function() return asked and queried end))
	check.eq("failed", { asked[1], queried[1] }, { false, false })
	check.fails("a later one", "call failed", skynet.call, "NOBODY", "lua", "ECHO")
	check.fails("a later query", "call failed", harbor.queryname, "NOBODY")
	serve()
	skynet.timeout(10, function()
		skynet.register "OWN"
	end)
	check.eq("names of this node go on", skynet.call("OWN", "lua", "ECHO", 8), 8)
end

-- Node 1, before there are others.
function case.first()
	print "WAITING"
	harbor.connect(2)
	check.eq("it works", skynet.call("NODE2", "lua", "ECHO", 7), 7)
end

-- Node 1, alone.
function case.absent_node()
	skynet.send(0x05000007, "lua", "PUSH", 1)
	skynet.send(0x05000008, "lua", "PUSH", 2)
	skynet.wait()
end

-- Node 1, alone.
function case.long_name()
	local name = ("n"):rep(16)
	harbor.globalname(name)
	check.eq("it can be asked for", harbor.queryname(name), skynet.self())
	local ok = pcall(skynet.timeoutcall, 20, name, "lua", "ECHO")
	check.eq("but is none for messages", ok, false)
	check.fails("skynet.register takes no such name", "invalid global name", skynet.register, name)
end

-- The service with the connections ends: nobody waits for ever.
function case.without_harbor()
	local handle = harbor.queryname "NODE2"
	local outcome = {}
	for name, to in pairs { handle = handle, name = "NODE2", unknown = "NOBODY", later = 0x09000001 } do
		skynet.fork(function()
			outcome[name] = pcall(skynet.call, to, "lua", "HANG")
		end)
	end
	skynet.sleep(10)
	check.eq("they wait", outcome, {})
	skynet.kill(":3000005")
	check.wait(function() return outcome.handle ~= nil and outcome.later ~= nil and outcome.unknown ~= nil end)
	check.eq("they fail", outcome, { handle = false, name = false, unknown = false, later = false })
	check.fails("later ones", "call to invalid address", skynet.call, handle, "lua", "ECHO")
	check.fails("names too", "call to invalid address", skynet.call, "NODE2", "lua", "ECHO")
end

return check.main(role, case, ...)
