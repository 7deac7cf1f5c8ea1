-- skynet.manager: launch, kill, names, forward_type, filter, monitor.
local skynet = require "skynet"
local manager = require "skynet.manager"
local core = require "skynet.core"
local check = require "check"

local role, case = {}, {}

function role.echo()
	check.serve {
		echo = function(...)
			return ...
		end,
		wait = function()
			skynet.wait {}
		end,
	}
end

function case.launch()
	check.eq("the module is skynet", manager, skynet)
	local handle = skynet.launch("snlua", SERVICE_NAME, "echo")
	check.eq("handle", math.type(handle), "integer")
	check.eq("it answers", skynet.call(handle, "lua", "echo", 1), 1)
	check.eq("no such module", skynet.launch("no_such_module", "x"), nil)
	local listed = skynet.call(".launcher", "lua", "LIST")
	check.eq("the launcher does not know it", listed[skynet.address(handle)], nil)
	local known = check.spawn "echo"
	listed = skynet.call(".launcher", "lua", "LIST")
	check.eq("but those of newservice", listed[skynet.address(known)], "snlua api/manager echo")
end

function case.kill()
	local a, b, c = check.spawn "echo", check.spawn "echo", check.spawn "echo"
	skynet.name(".c", c)
	skynet.kill(a)
	check.ok("by number", check.dead(a))
	skynet.kill(skynet.address(b))
	check.ok("by text", check.dead(b))
	skynet.kill ".c"
	check.ok("by name", check.dead(c))
	check.eq("the name is gone", skynet.localname ".c", nil)
	check.ok("the launcher forgets them", check.wait(function()
		local listed = skynet.call(".launcher", "lua", "LIST")
		return not listed[skynet.address(a)] and not listed[skynet.address(b)]
	end))
	skynet.kill(0x123456)
	check.ok("killing nobody is harmless", true)
end

function case.names()
	local a, b = check.spawn "echo", check.spawn "echo"
	skynet.register ".mine"
	check.eq("register", skynet.localname ".mine", skynet.self())
	skynet.register ".mine, too"
	check.eq("a name with blanks", skynet.localname ".mine, too", skynet.self())
	check.fails("no module", "the name of a module is a string", skynet.launch)
	skynet.name(".a", a)
	skynet.name(".also_a", a)
	check.eq("two names", { skynet.localname ".a", skynet.localname ".also_a" }, { a, a })
	skynet.name(".a", b)
	check.eq("a taken name stays", skynet.localname ".a", a)
	skynet.kill(a)
	check.eq("all are free again", { skynet.localname ".a", skynet.localname ".also_a" }, {})
	skynet.name(".a", b)
	check.eq("for others", skynet.localname ".a", b)
	skynet.register "GLOBAL_NAME"
	check.eq("global", require "skynet.harbor".queryname "GLOBAL_NAME", skynet.self())
	check.ok("sixteen characters", not pcall(skynet.name, "sixteen_letters_", b))
	check.ok("a number", not pcall(skynet.name, "12", b))
	check.ok("a handle", not pcall(skynet.name, ":12", b))
end

-- Passes what comes as type 60 on to another service, which sees it as what it was.
function role.forward(to)
	to = tonumber(to)
	skynet.register_protocol {
		name = "forwarded", id = 61,
		unpack = function(msg, size) return msg, size end,
	}
	skynet.forward_type({ [60] = 61 }, function()
		skynet.dispatch("forwarded", function(session, source, msg, size)
			skynet.redirect(to, source, "sink", session, msg, size)
			skynet.ignoreret()
		end)
		skynet.register_protocol { name = "sink", id = 62 }
		skynet.dispatch("lua", function(_, _, ...)
			skynet.retpack("normal", ...)
		end)
	end)
end

function role.sink()
	skynet.register_protocol { name = "sink", id = 62, unpack = skynet.tostring }
	local seen = {}
	skynet.start(function()
		skynet.dispatch("sink", function(session, source, text)
			if session == 0 then
				seen[#seen + 1] = { text, source }
			else
				skynet.ret("answer to " .. text)
			end
		end)
		skynet.dispatch("lua", function()
			skynet.retpack(seen)
		end)
	end)
end

function case.forward_type()
	skynet.register_protocol { name = "outer", id = 60, pack = function(...) return ... end, unpack = skynet.tostring }
	local sink = check.spawn "sink"
	local via = check.spawn("forward", sink)
	for _ = 1, 50 do
		core.send(via, 60, 0, ("payload"):rep(100))
	end
	check.eq("a request is answered by the target", skynet.call(via, "outer", "request"), "answer to request")
	check.eq("other types are as usual", { skynet.call(via, "lua", 1) }, { "normal", 1 })
	local seen = skynet.call(sink, "lua")
	check.eq("all arrived", #seen, 50)
	check.eq("as they were", seen[50], { ("payload"):rep(100), skynet.self() })
end

function role.filtered()
	skynet.register_protocol { name = "plain", id = 63, unpack = skynet.tostring }
	skynet.filter(function(kind, msg, size, session, source)
		if kind == 64 then
			kind = 63
		end
		return kind, msg, size, session, source
	end, function()
		skynet.dispatch("plain", function(_, _, text)
			skynet.ret(text)
		end)
		skynet.dispatch("lua", function(_, _, ...)
			skynet.retpack(...)
		end)
	end)
end

function case.filter()
	local to = check.spawn "filtered"
	skynet.register_protocol { name = "raw", id = 64, pack = function(...) return ... end, unpack = skynet.tostring }
	check.eq("others pass", skynet.call(to, "lua", 1), 1)
	check.eq("the type was changed on the way", skynet.call(to, "raw", "text"), "text")
end

-- A service may answer what it likes by itself, before there is a coroutine, and leave the rest to the dispatcher.
function role.own_dispatcher()
	local dispatch = skynet.dispatch_message
	local stored = {}
	function skynet.dispatch_message(kind, msg, size, session, source)
		if kind ~= skynet.PTYPE_LUA then
			return dispatch(kind, msg, size, session, source)
		end
		local key, value = core.unpack(msg, size)
		if key == "fail" then
			error "refused here"
		elseif key == "later" then
			skynet.timeout(1, function()
				core.send(source, skynet.PTYPE_RESPONSE, session, core.pack(value))
			end)
			return
		end
		local old = stored[key]
		stored[key] = value
		core.send(source, skynet.PTYPE_RESPONSE, session, core.pack(old))
	end
	skynet.start(function()
		stored.started = true
		skynet.sleep(1)
		stored.slept = true
	end)
	-- Too late: the dispatcher is what it was at the start.
	skynet.dispatch_message = dispatch
end

function case.own_dispatcher()
	local to = check.spawn "own_dispatcher"
	check.eq("the start function ran", { skynet.call(to, "lua", "started"), skynet.call(to, "lua", "slept") }, { true, true })
	check.eq("nothing yet", skynet.call(to, "lua", "a", 1), nil)
	check.eq("stored", skynet.call(to, "lua", "a", 2), 1)
	check.eq("by a timer", skynet.call(to, "lua", "later", "ding"), "ding")
	check.eq("the rest is dispatched", skynet.call(to, "debug", "PING"), nil)
	skynet.send(to, "lua", "fail")
	check.eq("an error does no harm", skynet.call(to, "lua", "a"), 2)
	local waiting
	skynet.fork(function()
		waiting = { pcall(skynet.call, to, "lua", "later", "never") }
	end)
	skynet.yield()
	skynet.kill(to)
	check.ok("who is owed an answer gets an error", check.wait(function()
		return waiting
	end) and waiting[1] == false, check.show(waiting))
end

-- What a service puts into the table `skynet` stays, whenever the rest of the functions comes in.
function role.replaces(how)
	local own = function()
		return "own"
	end
	skynet.uniqueservice, skynet.starttime, skynet.abort = own, own, own
	if how == "pairs" then
		for _ in pairs(skynet) do
			-- all functions are there now
		end
	else
		local _ = skynet.packstring, skynet.info_func, skynet.no_such_function
	end
	skynet.start(function()
		skynet.dispatch("lua", function()
			skynet.retpack(skynet.uniqueservice(), skynet.starttime(), skynet.abort(), skynet.stat "mqlen",
				type(skynet.newservice))
		end)
	end)
end

function case.replaced()
	for _, how in ipairs { "lookup", "pairs" } do
		check.returns(how, { "own", "own", "own", 0, "function" }, skynet.call, check.spawn("replaces", how), "lua")
	end
end

function case.monitor()
	local seen = {}
	local handle = skynet.monitor "api/watcher"
	check.eq("handle", math.type(handle), "integer")
	check.eq("it is a unique service", skynet.queryservice(true, "api/watcher"), handle)
	check.eq("query", skynet.monitor("api/watcher", true), handle)
	check.eq("MONITOR", core.addresscommand "MONITOR", handle)
	local a, b = check.spawn "echo", check.spawn "echo"
	skynet.kill(a)
	pcall(skynet.call, b, "debug", "EXIT")
	check.ok("told of both", check.wait(function()
		seen = skynet.call(handle, "lua", "seen")
		return seen[a] and seen[b]
	end))
	check.eq("once each", { seen[a], seen[b] }, { 1, 1 })
end

function case.abort()
	check.ok("still here", true)
	check.done()
	skynet.sleep(6000)
	check.emit "survived"
end

return check.main(role, case, ...)
