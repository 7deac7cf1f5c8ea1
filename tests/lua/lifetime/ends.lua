-- Who hears of the end of a service, and with which reason.
local skynet = require "skynet"
local check = require "check"

local role, case = {}, {}

local method = {}

function method.ping()
	return "pong"
end

function method.send(to, n)
	for i = 1, n do
		skynet.send(to, "lua", "from", skynet.self(), i)
	end
end

function method.exit()
	skynet.fork(skynet.exit)
end

function method.exit_because(reason, text)
	require("skynet.core").end_because(skynet.self(), reason, text)
	skynet.fork(skynet.exit)
end

function method.link(to)
	skynet.link(to)
end

function method.unlink(to)
	skynet.unlink(to)
end

local trapped = {}

function method.trap(on)
	skynet.trapexit(on and function(addr, reason, text)
		table.insert(trapped, { addr, reason, text })
	end or nil)
end

function method.trapped()
	return trapped
end

function method.watch(addr)
	return skynet.watch(addr, function() end)
end

function role.server()
	check.serve(method)
end

function role.fails_in_start()
	skynet.start(function()
		skynet.sleep(5)
		error "start goes wrong"
	end)
end

function role.fails_in_chunk()
	error "chunk goes wrong"
end

-- Watches addr, and waits for what its function is told.
local function watched(addr)
	local told = {}
	skynet.watch(addr, function(...)
		table.insert(told, table.pack(...))
	end)
	return function()
		check.wait(function()
			return #told > 0
		end)
		skynet.sleep(2)
		check.eq("told once", #told, 1)
		return told[1]
	end
end

function case.reasons()
	local own = skynet.address(skynet.self())
	local server = check.spawn "server"
	local told = watched(server)
	skynet.call(server, "lua", "exit")
	check.eq("exit", told(), { server, "exit", n = 3 })
	server = check.spawn "server"
	told = watched(server)
	skynet.kill(server)
	check.eq("kill", told(), { server, "kill", own, n = 3 })
	check.eq("gone", watched(server)(), { server, "gone", n = 2 })
	check.eq("a name that nobody has", watched ".nobody"(), { ".nobody", "gone", n = 2 })
	server = check.spawn "server"
	skynet.name(".somebody", server)
	told = watched ".somebody"
	skynet.kill(server)
	check.eq("by name", told(), { ".somebody", "kill", own, n = 3 })
	server = check.spawn "server"
	told = watched(skynet.address(server))
	skynet.kill(server)
	check.eq("by text", told(), { skynet.address(server), "kill", own, n = 3 })
	for _, name in ipairs { "fails_in_start", "fails_in_chunk" } do
		server = check.launch(name)
		local what = watched(server)()
		check.eq(name, { what[1], what[2] }, { server, "init" })
		check.ok(name .. ": why", what[3]:find(name == "fails_in_start" and "start goes wrong" or "chunk goes wrong", 1, true),
			what[3])
	end
end

function case.many_watches()
	local server = check.spawn "server"
	local told = {}
	local ids = {}
	for i = 1, 10 do
		ids[i] = skynet.watch(server, function()
			table.insert(told, i)
		end)
	end
	for i = 2, 10, 2 do
		skynet.unwatch(ids[i])
	end
	skynet.unwatch(ids[2])
	skynet.unwatch(9999)
	check.eq("they are no tasks", skynet.task(), 0)
	skynet.kill(server)
	check.wait(function()
		return #told == 5
	end)
	check.eq("those that are left", told, { 1, 3, 5, 7, 9 })
	local other = check.spawn "server"
	local id = skynet.watch(other, function()
		table.insert(told, "other")
	end)
	skynet.unwatch(id)
	skynet.kill(other)
	skynet.sleep(5)
	check.eq("nobody is told", #told, 5)
end

-- Whatever the dead has sent is there before.
function case.last_words()
	local server = check.spawn "server"
	local got, after = {}, nil
	skynet.dispatch("lua", function(_, _, _, from, i)
		table.insert(got, i)
	end)
	skynet.watch(server, function()
		after = #got
	end)
	skynet.send(server, "lua", "send", skynet.self(), 5000)
	skynet.send(server, "lua", "exit")
	check.wait(function()
		return after
	end)
	check.eq("all of its messages came first", after, 5000)
end

function case.links()
	local a, b, c = check.spawn "server", check.spawn "server", check.spawn "server"
	skynet.call(a, "lua", "link", b)
	skynet.call(b, "lua", "link", a)
	skynet.call(b, "lua", "link", c)
	local told = watched(c)
	skynet.kill(a)
	check.eq("the whole chain ends", told(), { c, "kill", skynet.address(b), n = 3 })
	check.ok("all", check.dead(a) and check.dead(b) and check.dead(c))
	local list = skynet.call(".launcher", "lua", "LIST")
	check.eq("the launcher forgets them", { list[skynet.address(b)], list[skynet.address(c)] }, {})

	a, b = check.spawn "server", check.spawn "server"
	skynet.call(a, "lua", "link", b)
	told = watched(a)
	skynet.call(a, "lua", "exit")
	told()
	check.eq("an exit harms nobody", skynet.call(b, "lua", "ping"), "pong")

	a = check.spawn "server"
	skynet.call(a, "lua", "link", b)
	skynet.call(a, "lua", "unlink", b)
	skynet.kill(a)
	skynet.sleep(5)
	check.eq("no link any more", skynet.call(b, "lua", "ping"), "pong")
end

function case.traps()
	local a, b, c = check.spawn "server", check.spawn "server", check.spawn "server"
	local own = skynet.address(skynet.self())
	skynet.call(b, "lua", "trap", true)
	skynet.call(b, "lua", "link", a)
	skynet.call(b, "lua", "link", c)
	local told = watched(a)
	skynet.kill(a)
	skynet.kill(c)
	told()
	check.wait(function()
		return #skynet.call(b, "lua", "trapped") == 2
	end)
	local trapped = skynet.call(b, "lua", "trapped")
	table.sort(trapped, function(x, y)
		return x[1] < y[1]
	end)
	check.eq("it is told of both", trapped, { { a, "kill", own }, { c, "kill", own } })
	skynet.call(b, "lua", "link", a)
	check.wait(function()
		return #skynet.call(b, "lua", "trapped") == 3
	end)
	check.eq("of the dead", skynet.call(b, "lua", "trapped")[3], { a, "gone" })
	skynet.call(b, "lua", "trap", false)
	check.ok("without a trap it is an error", not pcall(skynet.call, b, "lua", "link", a))
	a = check.spawn "server"
	skynet.call(b, "lua", "link", a)
	told = watched(b)
	skynet.kill(a)
	check.eq("and it ends", told(), { b, "kill", skynet.address(a), n = 3 })
end

-- Watchers that come and go leave nothing with whom they watched.
function case.short_lived_watchers()
	local server = check.spawn "server"
	local last
	for i = 1, 2000 do
		last = check.spawn "server"
		skynet.call(last, "lua", "watch", server)
		skynet.kill(last)
	end
	local told = watched(server)
	skynet.kill(server)
	check.eq("the one that is left", told()[2], "kill")
end

-- What skynet.watch is made of, and an end for a reason.
function case.by_hand()
	local core = require "skynet.core"
	local told = {}
	local session = core.notices(function(handle, msg, sz)
		table.insert(told, { handle, core.tostring(msg, sz) })
	end)
	local function ended(reason, text)
		local server = check.spawn "server"
		check.ok("it is there", core.watch(server, session))
		core.end_because(server, reason, text)
		check.wait(function()
			return #told > 0
		end)
		check.eq("told", table.remove(told), { server, text and reason .. " " .. text or reason })
		check.ok("it has ended", not core.watch(server, session))
	end
	local server
	ended("stuck", "no answer to three pings")
	ended("memory", "300 of 256 MB")
	ended "restart"
	check.fails("a session of something else", "a session of notices expected", core.watch, skynet.self(), 0)
	check.fails("a session that is none", "a session of notices expected", core.trap, -1)
	check.fails("an unknown reason", "there is no reason 'x'", core.end_because, skynet.self(), "x")
	-- What supervisors use besides: a service that ends with an error, or with another service.
	server = check.spawn "server"
	core.watch(server, session)
	check.ok("its memory is known", core.memory(server) > 1000)
	check.ok("an error is no end", not pcall(skynet.call, server, "lua", "no such method"))
	check.eq("it goes on", skynet.call(server, "lua", "ping"), "pong")
	core.fatal(server)
	check.ok("a fatal error", not pcall(skynet.call, server, "lua", "no such method"))
	check.wait(function()
		return #told > 0
	end)
	check.ok("is an end", table.remove(told)[2]:find "^error .*nil value")
	check.eq("nobody has its memory", core.memory(server), nil)
	local master, bound = check.spawn "server", check.spawn "server"
	core.bind(bound, master)
	core.watch(bound, session)
	skynet.call(master, "lua", "exit")
	check.wait(function()
		return #told > 0
	end)
	check.eq("it ends with the other", table.remove(told), { bound, "kill " .. skynet.address(master) })
	-- What a replacement uses.
	local successor = check.spawn "server"
	skynet.name(".mine", skynet.self())
	check.eq("owed to nobody", core.owing(), 0)
	check.eq("nobody there", core.hand_over(master), nil)
	check.eq("it has the name", { core.hand_over(successor), skynet.localname ".mine" }, { 1, successor })
	-- For itself it is the reason of its later exit.
	server = check.spawn "server"
	core.watch(server, session)
	skynet.call(server, "lua", "exit_because", "error", "as it was told")
	check.wait(function()
		return #told > 0
	end)
	check.eq("its own reason", told, { { server, "error as it was told" } })
end

function case.mistakes()
	check.fails("no function", "a function expected", skynet.watch, skynet.self())
	check.fails("no address", "skynet.watch: true is no address", skynet.watch, true, print)
	check.fails("another text", "skynet.watch: x is no address", skynet.watch, "x", print)
	check.fails("itself", "the service itself", skynet.watch, skynet.self(), print)
	check.fails("another node", "lives on another node", skynet.watch, 0x7f000001, print)
	check.fails("a link with nobody", "there is no service", skynet.link, ".nobody")
	check.fails("a trap that is no function", "a function expected", skynet.trapexit, 1)
end

return check.main(role, case, ...)
