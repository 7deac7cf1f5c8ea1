-- Supervisors at work.
local skynet = require "skynet"
local supervisor = require "skynet.supervisor"
local check = require "check"

local role, case = {}, {}

-- What children report, to the main service: "start ID" and "end ID".
local events = {}

local function take()
	local list = events
	events = {}
	return list
end

local function record()
	skynet.name(".main", skynet.self())
	skynet.dispatch("lua", function(_, _, text)
		table.insert(events, text)
	end)
end

local function has(n)
	return check.wait(function()
		return #events >= n
	end)
end

-- A child reports its start and its orderly end, and does what it is told.
function role.child(id, how)
	if how == "fails" then
		error "it does not start"
	end
	if how == "fails later" and skynet.getenv("started " .. id) then
		error "it does not start again"
	end
	local exit = skynet.exit
	function skynet.exit()
		skynet.send(".main", "lua", "end " .. id)
		exit()
	end
	local method = {}
	function method.fail()
		error "a handler fails"
	end
	function method.loop()
		while true do
		end
	end
	function method.grow()
		kept = {}
		for i = 1, 200000 do
			kept[i] = { i }
		end
	end
	function method.exit()
		skynet.exit()
	end
	function method.who()
		skynet.retpack(id, skynet.self())
	end
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, name)
			method[name]()
		end)
		if how == "deaf" then
			skynet.exit = function() end
		end
		skynet.setenv("started " .. id .. " " .. skynet.self(), "yes")
		if not skynet.getenv("started " .. id) then
			skynet.setenv("started " .. id, "yes")
		end
		skynet.send(".main", "lua", "start " .. id)
	end)
end

function role.supervisor(text)
	skynet.start(function()
		supervisor.start(load("return " .. text)())
	end)
end

-- The text of a spec: children by id, with more keys.
local function spec(head, ...)
	local parts = {}
	for _, child in ipairs { ... } do
		local id, more = child:match "^(%S+) ?(.*)$"
		parts[#parts + 1] = ("{ id = %q, service = %q, args = { 'child', %q }, %s }"):format(id, SERVICE_NAME, id, more)
	end
	return ("{ %s, %s }"):format(head, table.concat(parts, ", "))
end

local function start(...)
	local sup = check.spawn("supervisor", (spec(...):gsub("%s+", "\1")))
	return sup
end

-- Arguments of services cannot have blanks.
local plain = role.supervisor
function role.supervisor(text)
	return plain((text:gsub("\1", " ")))
end

local function child(sup, id)
	for _, one in ipairs(supervisor.children(sup)) do
		if one.id == id then
			return one
		end
	end
end

local function running(sup)
	local ids = {}
	for _, one in ipairs(supervisor.children(sup)) do
		if one.state == "running" then
			ids[#ids + 1] = one.id
		end
	end
	return table.concat(ids, " ")
end

local function settled(sup, ids)
	return check.wait(function()
		return running(sup) == ids
	end)
end

function case.strategies()
	record()
	for strategy, want in pairs {
		one_for_one = { "start b" },
		one_for_all = { "end c", "end a", "start a", "start b", "start c" },
		rest_for_one = { "end c", "start b", "start c" },
	} do
		local sup = start(("strategy = %q, backoff = { 0 }"):format(strategy), "a", "b", "c")
		check.eq(strategy .. ": start", take(), { "start a", "start b", "start c" })
		skynet.kill(child(sup, "b").handle)
		has(#want)
		check.eq(strategy .. ": b is killed", take(), want)
		check.ok(strategy .. ": all run", settled(sup, "a b c"))
		skynet.send(sup, "debug", "EXIT")
		has(3)
		check.eq(strategy .. ": the end", take(), { "end c", "end b", "end a" })
	end
end

-- Each way to end, with each type of restart.
function case.reasons()
	record()
	local ways = {
		exit = function(handle) skynet.send(handle, "lua", "exit") end,
		kill = function(handle) skynet.kill(handle) end,
		error = function(handle) skynet.send(handle, "lua", "fail") end,
		memory = function(handle) skynet.send(handle, "lua", "grow") end,
		stuck = function(handle) skynet.send(handle, "lua", "loop") end,
	}
	for reason, way in pairs(ways) do
		for _, restart in ipairs { "permanent", "transient", "temporary" } do
			local sup = start("backoff = { 0 }", ("a restart = %q, fatal = true, memlimit = 4 << 20, probe = 20"):format(restart))
			take()
			local told = {}
			local before = child(sup, "a").handle
			skynet.watch(before, function(_, why)
				table.insert(told, why)
			end)
			way(before)
			check.ok("it ends", check.wait(function()
				return #told > 0
			end))
			check.eq(restart .. ": the reason", told, { reason })
			local again = restart == "permanent" or restart == "transient" and reason ~= "exit"
			if again then
				check.ok(("%s of a %s: started again"):format(reason, restart), settled(sup, "a"))
				check.ok("another one", child(sup, "a").handle ~= before)
				check.eq("the last reason is kept", child(sup, "a").last:match "^%S+", reason)
			else
				skynet.sleep(10)
				check.eq(("%s of a %s: not again"):format(reason, restart), running(sup), "")
				check.eq("is it a child?", child(sup, "a") ~= nil, restart ~= "temporary")
			end
			skynet.kill(sup)
		end
	end
end

-- A loop is interrupted first: the service, and what it knows, stays.
function case.stuck_and_saved()
	record()
	local sup = start("backoff = { 0 }", "a probe = 20")
	local handle = child(sup, "a").handle
	skynet.send(handle, "lua", "loop")
	check.eq("it answers again", { skynet.call(handle, "lua", "who") }, { "a", handle })
	check.eq("and is the same", child(sup, "a").handle, handle)
end

function case.give_up()
	record()
	local sup = start("intensity = 2, period = 100, backoff = { 0 }", "a", "b")
	local told
	skynet.watch(sup, function(_, reason, text)
		told = { reason, text }
	end)
	local b = child(sup, "b").handle
	for n = 1, 3 do
		take()
		skynet.kill(child(sup, "a").handle)
		if n < 3 then
			has(1)
			settled(sup, "a b")
		end
	end
	check.ok("it ends", check.wait(function()
		return told
	end))
	check.eq("the reason", told[1], "intensity")
	check.ok("why", told[2]:find("child 'a' has ended: kill", 1, true), told[2])
	check.ok("its children end, too", check.dead(b))
end

-- A start that fails again and again counts.
function case.start_fails_again()
	record()
	local sup = check.spawn("supervisor", (("{ intensity = 3, period = 100, backoff = { 0, 10 },"
		.. " { id = 'a', service = %q, args = { 'child', 'a', 'fails later' } } }"):format(SERVICE_NAME)
		:gsub("fails later", "fails\2later"):gsub("%s+", "\1")))
	local told
	skynet.watch(sup, function(_, reason, text)
		told = { reason, text }
	end)
	skynet.kill(child(sup, "a").handle)
	check.ok("it gives up", check.wait(function()
		return told
	end))
	check.eq("because of the starts", { told[1], told[2]:match "init: .-(it does not start again)" },
		{ "intensity", "it does not start again" })
end

local plain_child = role.child
function role.child(id, how)
	return plain_child(id, how and how:gsub("\2", " "))
end

function case.first_start_fails()
	record()
	local list = #skynet.call(".launcher", "lua", "SUPERVISORS")
	local text = ("{ { id = 'a', service = %q, args = { 'child', 'a' } },"
		.. " { id = 'b', service = %q, args = { 'child', 'b', 'fails' } } }"):format(SERVICE_NAME, SERVICE_NAME)
	check.ok("it does not start", not pcall(check.spawn, "supervisor", (text:gsub("%s+", "\1"))))
	has(2)
	check.eq("what has been started is ended", take(), { "start a", "end a" })
	check.eq("no supervisor", #skynet.call(".launcher", "lua", "SUPERVISORS"), list)
	-- Lazy: it tries on.
	text = ("{ intensity = 1000, backoff = { 10 }, { id = 'b', service = %q, args = { 'child', 'b', 'fails' },"
		.. " start = 'lazy' } }"):format(SERVICE_NAME)
	local sup = check.spawn("supervisor", (text:gsub("%s+", "\1")))
	check.wait(function()
		local b = child(sup, "b")
		return b.last and b.state == "waiting"
	end)
	check.ok("why it does not start is known", child(sup, "b").last:find "it does not start")
	skynet.kill(sup)
end

function case.no_orphans()
	record()
	for _, way in ipairs { "kill", "exit by hand", "error" } do
		local sup = start("strategy = 'one_for_one'", "a", "b")
		take()
		local handles = { child(sup, "a").handle, child(sup, "b").handle }
		if way == "kill" then
			skynet.kill(sup)
		elseif way == "error" then
			require("skynet.core").end_because(sup, "error", "x")
		else
			skynet.send(sup, "debug", "RUN", "require('skynet.core').command 'EXIT'")
		end
		check.ok(way .. ": the children end with it", check.wait(function()
			return check.dead(handles[1]) and check.dead(handles[2])
		end))
	end
end

function case.shutdown()
	record()
	local text = ("{ { id = 'deaf', service = %q, args = { 'child', 'deaf', 'deaf' }, shutdown = 10 },"
		.. "{ id = 'loops', service = %q, args = { 'child', 'loops' }, shutdown = 10 },"
		.. "{ id = 'killed', service = %q, args = { 'child', 'killed' }, shutdown = 'kill' } }")
		:format(SERVICE_NAME, SERVICE_NAME, SERVICE_NAME)
	local sup = check.spawn("supervisor", (text:gsub("%s+", "\1")))
	take()
	skynet.send(child(sup, "loops").handle, "lua", "loop")
	local told = {}
	for _, id in ipairs { "deaf", "loops", "killed" } do
		skynet.watch(child(sup, id).handle, function(_, reason)
			table.insert(told, id .. " " .. reason)
		end)
	end
	skynet.send(sup, "debug", "EXIT")
	check.ok("all end", check.wait(function()
		return #told == 3
	end))
	check.eq("in order, and killed", told, { "killed kill", "loops kill", "deaf kill" })
	check.eq("no orderly end", take(), {})
end

function case.names()
	record()
	local sup = start("intensity = 100, backoff = { 0 }", "a name = '.a'", "b name = 'b', register = 'bee'")
	local text = ("{ backoff = { 0 }, { id = 'u', service = 'api/unique', unique = true } }")
	local other = check.spawn("supervisor", (text:gsub("%s+", "\1")))
	local unique = skynet.uniqueservice "api/unique"
	check.eq("a unique service", unique, child(other, "u").handle)
	local cluster = require "skynet.cluster"
	local port = select(2, cluster.open(0))
	cluster.reload { self = "127.0.0.1:" .. port }
	for _ = 1, 3 do
		local handles = { skynet.localname ".a", skynet.localname ".b", cluster.query("self", "bee") }
		check.eq("names", handles, { child(sup, "a").handle, child(sup, "b").handle, child(sup, "b").handle })
		take()
		skynet.kill(handles[1])
		skynet.kill(handles[2])
		has(2)
		settled(sup, "a b")
		check.eq("who has the names now", { skynet.call(".a", "lua", "who"), skynet.call(".b", "lua", "who") },
			{ "a", "b", child(sup, "b").handle })
	end
	skynet.kill(unique)
	check.ok("the unique one again", check.wait(function()
		local now = child(other, "u").handle
		return now and now ~= unique
	end))
	check.eq("and everybody gets it", skynet.uniqueservice "api/unique", child(other, "u").handle)
end

function case.by_hand()
	record()
	local sup = start("backoff = { 0 }", "a")
	take()
	local b = supervisor.add(sup, { id = "b", service = SERVICE_NAME, args = { "child", "b" } })
	check.eq("added", { running(sup), child(sup, "b").handle, take() }, { "a b", b, { "start b" } })
	local again = supervisor.restart(sup, "b")
	check.eq("restarted", { take(), again ~= b, child(sup, "b").handle }, { { "end b", "start b" }, true, again })
	skynet.kill(again)
	has(1)
	check.eq("it is a child like others", take(), { "start b" })
	settled(sup, "a b")
	supervisor.remove(sup, "b")
	check.eq("removed", { running(sup), take() }, { "a", { "end b" } })
	check.ok("a second a", not pcall(supervisor.add, sup, { id = "a", service = SERVICE_NAME }))
	check.ok("nobody", not pcall(supervisor.remove, sup, "x"))
	check.ok("nobody", not pcall(supervisor.restart, sup, "x"))
	check.ok("one that fails", not pcall(supervisor.add, sup, { id = "f", service = SERVICE_NAME, args = { "child", "f", "fails" } }))
	check.eq("is no child", running(sup), "a")
end

-- A tree: the lower supervisor gives up, and the upper one starts it again.
function case.tree()
	record()
	local low = (spec("intensity = 0, backoff = { 0 }", "a", "b"):gsub("%s+", "\1"):gsub("\1", "\3"))
	local text = ("{ intensity = 5, backoff = { 0 }, { id = 'low', supervisor = %q, args = { 'lower', %q } } }")
		:format(SERVICE_NAME, low)
	local sup = check.spawn("supervisor", (text:gsub("%s+", "\1")))
	check.eq("all start", take(), { "start a", "start b" })
	local lower = child(sup, "low").handle
	skynet.kill(child(lower, "a").handle)
	has(3)
	check.ok("the lower one again", check.wait(function()
		local now = child(sup, "low").handle
		return now and now ~= lower and running(now) == "a b"
	end))
	local got = take()
	check.eq("with its children", { got[1], got[2], got[3] }, { "end b", "start a", "start b" })
	check.eq("its last reason", child(sup, "low").last:match "^%S+", "intensity")
end

function role.lower(text)
	return plain((text:gsub("\3", " ")))
end

-- Children die at random. Afterwards each runs once.
function case.random_kills()
	record()
	for _, strategy in ipairs { "one_for_one", "one_for_all", "rest_for_one" } do
		local sup = start(("strategy = %q, intensity = 1000000, backoff = { 0, 1 }"):format(strategy), "a", "b", "c", "d")
		for _ = 1, 100 do
			local list = supervisor.children(sup)
			local victim = list[math.random(#list)].handle
			if victim then
				skynet.kill(victim)
			end
			if math.random(3) == 1 then
				skynet.sleep(math.random(0, 2))
			end
		end
		check.ok(strategy .. ": all run", settled(sup, "a b c d"))
		skynet.sleep(5)
		local seen = {}
		for handle, line in pairs(skynet.call(".launcher", "lua", "LIST")) do
			local id = line:match "child (%a)$"
			if id then
				seen[#seen + 1] = id
			end
		end
		table.sort(seen)
		check.eq(strategy .. ": each once", table.concat(seen), "abcd")
		skynet.kill(sup)
		check.wait(function()
			for _, line in pairs(skynet.call(".launcher", "lua", "LIST")) do
				if line:match "child %a$" then
					return false
				end
			end
			return true
		end)
	end
end

function case.bad_specs()
	local function fails(text, given)
		check.fails(text, text, supervisor.start, given)
	end
	fails("a spec is a table", "x")
	fails("spec: there is no key 'strategie'", { strategie = "one_for_one" })
	fails("spec: strategy = some: expected is one of \"one_for_all\", \"one_for_one\", \"rest_for_one\"", { strategy = "some" })
	fails("spec: intensity = -1: expected is a number of restarts", { intensity = -1 })
	fails("spec: backoff", { backoff = {} })
	fails("spec: backoff", { backoff = { 1, "x" } })
	fails("child 1 is no table", { "a" })
	fails("child 1 has no id", { { service = "a" } })
	fails("child 'a': needs one of service, supervisor, module, and has none", { { id = "a" } })
	fails("child 'a': needs one of service, supervisor, module, and has service and module",
		{ { id = "a", service = "x", module = "y" } })
	fails("child 'a': there is no key 'restrat'", { { id = "a", service = "x", restrat = "permanent" } })
	fails("child 'a': restart = always", { { id = "a", service = "x", restart = "always" } })
	fails("child 'a': shutdown = never", { { id = "a", service = "x", shutdown = "never" } })
	fails("child 'a': args", { { id = "a", service = "x", args = { {} } } })
	fails("child 'a': name", { { id = "a", service = "x", name = "a b" } })
	fails("child 'a': probe = 0", { { id = "a", service = "x", probe = 0 } })
	fails("child 'a': fatal is for Lua services", { { id = "a", module = "x", fatal = true } })
	fails("a unique service is known by its name alone", { { id = "a", service = "x", unique = true, args = { 1 } } })
	fails("its arguments are a list under the key args", { { id = "a", service = "x", "y" } })
	fails("two children with the id 'a'", { { id = "a", service = "x" }, { id = "a", service = "y" } })
	supervisor.start {}
	fails("is a supervisor already", {})
end

-- A module: a service that is not in Lua.
function case.modules()
	local sup = check.spawn("supervisor", "{backoff={0},{id='log',module='logger',args={'/dev/null'},name='.second'}}")
	local before = child(sup, "log").handle
	check.eq("by name", skynet.localname ".second", before)
	skynet.kill(before)
	check.ok("again", check.wait(function()
		local now = child(sup, "log").handle
		return now and now ~= before
	end))
	skynet.send(sup, "debug", "EXIT")
	check.ok("it ends with the supervisor", check.wait(function()
		return not skynet.localname ".second"
	end))
end

return check.main(role, case, ...)
