-- docs/semantics.md: death (X).
local skynet = require "skynet"
local core = require "skynet.core"
local check = require "check"

local role, case = {}, {}

local function begin(f, ...)
	local args, result = table.pack(...), nil
	skynet.fork(function()
		result = table.pack(pcall(f, table.unpack(args, 1, args.n)))
	end)
	skynet.yield()
	return function()
		check.wait(function() return result end)
		return result
	end
end

local function fails(name, outcome)
	local result = outcome()
	check.ok(name, result and result[1] == false and tostring(result[2]):find("call failed", 1, true), check.show(result))
end

function role.server()
	local kept = {}
	skynet.start(function()
		skynet.dispatch("lua", function(session, source, what, ...)
			if what == "echo" then
				skynet.retpack(...)
			elseif what == "wait" then
				skynet.wait {}
			elseif what == "keep" then
				kept[#kept + 1] = skynet.response()
			elseif what == "drop" then
				skynet.response()
				skynet.fork(function()
					collectgarbage()
					collectgarbage()
				end)
			elseif what == "forget" then
				return
			elseif what == "ignore" then
				skynet.ignoreret()
			elseif what == "answer ignored" then
				local to, s = ...
				skynet.redirect(to, skynet.self(), "response", s, skynet.packstring "by others")
			elseif what == "pass" then
				local to = ...
				skynet.redirect(to, source, "lua", session, skynet.packstring("wait"))
				skynet.ignoreret()
			elseif what == "ignore and pass" then
				skynet.ignoreret()
				skynet.redirect(..., source, "lua", session, skynet.packstring("wait"))
			elseif what == "pass twice" then
				for _, to in ipairs { ... } do
					skynet.redirect(to, source, "lua", session, skynet.packstring("echo", 1))
				end
				skynet.ignoreret()
			elseif what == "error" then
				error "told to"
			elseif what == "exit" then
				skynet.exit()
			elseif what == "burn" then
				skynet.setenv("burning", "yes")
				local ends = skynet.hpc() + 200000000
				while skynet.hpc() < ends do
				end
				skynet.setenv("burnt", "yes")
			end
		end)
	end)
end

local function ready(...)
	for _, to in ipairs { ... } do
		skynet.call(to, "lua", "echo")
	end
end

function case.X1()
	local to = check.spawn "server"
	local ends = {}
	for i = 1, 300 do
		skynet.fork(function()
			pcall(skynet.call, to, "lua", ({ "echo", "error", "keep", "wait" })[i % 4 + 1], i)
			ends[i] = (ends[i] or 0) + 1
		end)
	end
	skynet.sleep(1)
	skynet.kill(to)
	check.ok("all end", check.wait(function()
		for i = 1, 300 do
			if not ends[i] then
				return false
			end
		end
		return true
	end))
	skynet.sleep(3)
	local once = true
	for i = 1, 300 do
		once = once and ends[i] == 1
	end
	check.ok("once", once)
end

function case.X2()
	local to = check.spawn "server"
	fails("the caller", begin(skynet.call, to, "lua", "error"))
	check.eq("the service goes on", skynet.call(to, "lua", "echo", 1), 1)
end

local function three_requests(to)
	return begin(skynet.call, to, "lua", "wait"), begin(skynet.call, to, "lua", "keep"), begin(skynet.call, to, "lua", "forget")
end

function case.X3()
	local to = check.spawn "server"
	local wait, keep, forget = three_requests(to)
	ready(to)
	local burn = begin(skynet.call, to, "lua", "burn")
	local exit = begin(skynet.call, to, "lua", "exit")
	local queued = begin(skynet.call, to, "lua", "echo", "too late")
	fails("handled", wait)
	fails("held", keep)
	fails("forgotten", forget)
	fails("handled before", burn)
	fails("exiting", exit)
	fails("queued", queued)
end

function case.X4()
	local to = check.spawn "server"
	local wait, keep, forget = three_requests(to)
	ready(to)
	skynet.kill(to)
	fails("handled", wait)
	fails("held", keep)
	fails("forgotten", forget)
	to = check.spawn "server"
	local burn = begin(skynet.call, to, "lua", "burn")
	local queued = begin(skynet.call, to, "lua", "wait")
	skynet.kill(to)
	fails("queued", queued)
	fails("begun", burn)
end

function case.X5()
	local to = check.spawn "server"
	fails("collected", begin(skynet.call, to, "lua", "drop"))
	check.eq("the service goes on", skynet.call(to, "lua", "echo", 1), 1)
end

function case.X6()
	local to = check.spawn "server"
	fails("not to be unpacked", begin(skynet.rawcall, to, "lua", "\7"))
	check.eq("the service goes on", skynet.call(to, "lua", "echo", 1), 1)
end

function case.X7()
	local to = check.spawn "server"
	skynet.register_protocol { name = "unknown", id = 90, pack = skynet.pack, unpack = skynet.unpack }
	fails("unknown type", begin(skynet.call, to, "unknown"))
	skynet.call(to, "debug", "RUN", [[
		require "skynet".register_protocol { name = "unhandled", id = 90, pack = print, unpack = print }
	]], "x")
	fails("no handler", begin(skynet.call, to, "unknown"))
end

function case.X8()
	local to = check.spawn "server"
	local result
	local co = skynet.fork(function()
		result = table.pack(pcall(skynet.call, to, "lua", "forget"))
	end)
	skynet.yield()
	ready(to)
	local session = skynet.task(co)
	check.eq("the caller waits", math.type(session), "integer")
	core.redirect(skynet.self(), to, skynet.PTYPE_RESPONSE, session, skynet.packstring "by other means")
	skynet.yield()
	check.eq("answered by someone", result, { true, "by other means", n = 2 })
	local second = begin(skynet.call, to, "lua", "forget")
	ready(to)
	skynet.kill(to)
	fails("until it dies", second)
end

function case.X9()
	local to, other = check.spawn "server", check.spawn "server"
	local result
	local co = skynet.fork(function()
		result = table.pack(pcall(skynet.call, to, "lua", "ignore"))
	end)
	skynet.yield()
	ready(to)
	skynet.send(other, "lua", "answer ignored", skynet.self(), skynet.task(co))
	check.ok("answered by another", check.wait(function() return result end))
	check.eq("with its answer", result, { true, "by others", n = 2 })
end

function case.X10()
	local to, next_one = check.spawn "server", check.spawn "server"
	local ended
	local passed = begin(function()
		local _ <close> = setmetatable({}, { __close = function() ended = true end })
		return skynet.call(to, "lua", "pass", next_one)
	end)
	ready(to, next_one)
	skynet.kill(to)
	ready(next_one)
	skynet.sleep(2)
	check.eq("it does not fail with the first", ended, nil)
	skynet.kill(next_one)
	fails("but with the second", passed)
	to = check.spawn "server"
	fails("passed on to nobody", begin(skynet.call, to, "lua", "pass", next_one))
	fails("given up, then passed on to nobody", begin(skynet.call, to, "lua", "ignore and pass", next_one))
	check.eq("the second try counts", skynet.call(to, "lua", "pass twice", next_one, to), 1)
end

function role.leaving()
	local function say(text)
		return setmetatable({}, { __close = function() skynet.error("closed " .. text) end })
	end
	skynet.start(function()
		skynet.fork(function()
			local _ <close> = say "waiting"
			skynet.wait {}
			skynet.error "went on"
		end)
		skynet.dispatch("lua", function()
			local _ <close> = say "exiting"
			skynet.fork(skynet.error, "fork ran")
			skynet.timeout(0, function() skynet.error "timeout ran" end)
			skynet.exit()
			skynet.error "came back"
		end)
	end)
end

function case.X11()
	fails("exit", begin(skynet.call, check.spawn "leaving", "lua"))
	skynet.sleep(5)
end

function role.finalized(name)
	kept = setmetatable({}, { __gc = function() check.emit("finalizer of the ", name) end })
	skynet.start(function()
		skynet.dispatch("lua", function()
			skynet.exit()
		end)
	end)
end

function case.X12()
	check.ok("one that lives", check.spawn("finalized", "living"))
	skynet.kill(check.spawn("finalized", "killed"))
	pcall(skynet.call, check.spawn("finalized", "exited"), "lua")
end

function case.X13()
	local monitor = skynet.monitor "api/watcher"
	local killed, exited, failed = check.spawn "server", check.spawn "server", check.launch "fails"
	skynet.kill(killed)
	pcall(skynet.call, exited, "lua", "exit")
	local seen
	check.ok("told of all", check.wait(function()
		seen = skynet.call(monitor, "lua", "seen")
		return seen[killed] and seen[exited] and seen[failed]
	end))
	skynet.sleep(2)
	seen = skynet.call(monitor, "lua", "seen")
	check.eq("once each", { seen[killed], seen[exited], seen[failed] }, { 1, 1, 1 })
end

function role.fails()
	error "main chunk fails"
end

-- The log is checked too: it has to have a line for each place, and one for each kind of error in the first four.
function case.X14()
	local function errors(place)
		return {
			function() error(nil) end,
			function() error {} end,
			function() error("a text in " .. place) end,
			function() error(setmetatable({}, { __tostring = function() return "an object in " .. place end })) end,
			function() error(setmetatable({}, { __tostring = error })) end,
		}
	end
	local forks, timers, closing, finalizers = errors "a fork", errors "a timer", errors "a close", errors "a finalizer"
	local handlers, began, went_on = errors "a handler", 0, 0
	for i = 1, #handlers do
		skynet.fork(forks[i])
		skynet.timeout(0, timers[i])
		skynet.fork(function()
			local _ <close> = setmetatable({}, { __close = closing[i] })
		end)
		skynet.fork(function() went_on = went_on + 1 end)
		setmetatable({}, { __gc = finalizers[i] })
		collectgarbage()
		skynet.send(skynet.self(), "lua", i)
	end
	skynet.dispatch("lua", function(_, _, i)
		began = began + 1
		handlers[i]()
	end)
	skynet.sleep(2)
	check.eq("every handler began, and every fork between them ran", { began, went_on }, { #handlers, #handlers })
	check.eq("the service is well", skynet.call(check.spawn "server", "lua", "echo", 1), 1)
end

function case.X15()
	local to = check.spawn "server"
	skynet.send(to, "lua", "burn")
	check.ok("it handles it", check.wait(function() return skynet.getenv "burning" end))
	skynet.kill(to)
	check.ok("the message that it handled was handled to its end", check.wait(function() return skynet.getenv "burnt" end))
end

function role.looping()
	kept = setmetatable({}, { __gc = function() check.emit "finalizer of the looping" end })
	skynet.start(function()
		skynet.dispatch("lua", function()
			local function loop()
				while true do
				end
			end
			skynet.setenv("looping", "yes")
			while true do
				pcall(loop)
			end
		end)
	end)
end

function case.X16()
	local to = check.spawn "looping"
	skynet.send(to, "lua")
	check.ok("it loops", check.wait(function() return skynet.getenv "looping" end))
	skynet.kill(to)
end

local method = {}

function method.link(to)
	skynet.link(to)
end

function method.trap()
	skynet.trapexit(function(addr, reason)
		skynet.setenv("trapped", skynet.address(addr) .. " " .. reason)
	end)
end

function method.talk(to, n)
	for i = 1, n do
		skynet.send(to, "lua", i)
	end
	skynet.exit()
end

function role.linked()
	check.serve(method)
end

function case.X17()
	local to, heard, told = check.spawn "linked", 0, {}
	skynet.dispatch("lua", function()
		heard = heard + 1
	end)
	skynet.watch(to, function(addr, reason)
		table.insert(told, { addr, reason, heard })
	end)
	skynet.send(to, "lua", "talk", skynet.self(), 1000)
	check.ok("it is told", check.wait(function() return #told > 0 end))
	skynet.watch(to, function(addr, reason)
		table.insert(told, { addr, reason })
	end)
	check.ok("of the dead", check.wait(function() return #told > 1 end))
	skynet.sleep(5)
	check.eq("once each, behind its messages", told, { { to, "exit", 1000 }, { to, "gone" } })
end

function case.X18()
	local a, b, c = check.spawn "linked", check.spawn "linked", check.spawn "linked"
	skynet.call(c, "lua", "trap")
	skynet.call(a, "lua", "link", b)
	skynet.call(c, "lua", "link", b)
	skynet.kill(a)
	check.ok("the one that traps is told", check.wait(function() return skynet.getenv "trapped" end))
	check.eq("of whom, and why", skynet.getenv "trapped", skynet.address(b) .. " kill")
	check.eq("who lives", { check.dead(a), check.dead(b), check.dead(c) }, { true, true, false })
end

-- Children report to the main service.
function role.child(id)
	local exit = skynet.exit
	function skynet.exit()
		skynet.send(".main", "lua", "end " .. id)
		exit()
	end
	skynet.start(function()
		skynet.dispatch("lua", function() end)
		skynet.send(".main", "lua", "start " .. id)
	end)
end

local function child(id, restart)
	return { id = id, service = SERVICE_NAME, args = { "child", id }, restart = restart, name = "." .. id }
end

function role.supervisor(strategy, intensity)
	skynet.start(function()
		require("skynet.supervisor").start { strategy = strategy, intensity = tonumber(intensity), period = 100,
			backoff = { 0 }, child("a", "permanent"), child("b", "transient"), child("c", "temporary") }
	end)
end

local function events()
	local list = {}
	skynet.name(".main", skynet.self())
	skynet.dispatch("lua", function(_, _, text)
		table.insert(list, text)
	end)
	return list, function(n)
		check.wait(function() return #list >= n end)
		skynet.sleep(5)
		return table.concat(list, ", ")
	end
end

function case.X19()
	local list, after = events()
	check.spawn("supervisor", "rest_for_one", 100)
	check.eq("all start", after(3), "start a, start b, start c")
	list[1], list[2], list[3] = nil, nil, nil
	skynet.kill ".b"
	check.eq("b, and what was behind it", after(2), "end c, start b")
	list[1], list[2] = nil, nil
	skynet.send(".b", "debug", "EXIT")
	check.eq("a transient one that exits", after(1), "end b")
	list[1] = nil
	skynet.kill ".a"
	check.eq("with a, those that are left", after(2), "start a, start b")
end

function case.X20()
	local _, after = events()
	local sup = check.spawn("supervisor", "one_for_one", 100)
	after(3)
	for _ = 1, 20 do
		skynet.kill ".a"
		skynet.sleep(1)
	end
	skynet.kill(sup)
	check.ok("they end with it", check.wait(function()
		for _, line in pairs(skynet.call(".launcher", "lua", "LIST")) do
			if line:find " child %a$" then
				return false
			end
		end
		return true
	end))
end

function case.X21()
	local list, after = events()
	local sup, reason = check.spawn("supervisor", "one_for_one", 1), nil
	after(3)
	skynet.watch(sup, function(_, why)
		reason = why
	end)
	for i = 1, 3 do
		list[i] = nil
	end
	skynet.kill ".a"
	check.eq("once more", after(1), "start a")
	check.eq("it goes on", reason, nil)
	skynet.kill ".a"
	check.ok("and no more", check.wait(function() return reason end))
	check.eq("its reason", reason, "intensity")
	check.eq("the others end", after(3), "start a, end c, end b")
end

function role.kept()
	local calls = 0
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, what)
			if what == "begun" then
				skynet.wait()
			end
			calls = calls + 1
			skynet.retpack(calls)
		end)
	end)
end

function role.keeper()
	skynet.start(function()
		require("skynet.supervisor").start { backoff = { 50 },
			{ id = "k", service = SERVICE_NAME, args = { "kept" }, name = ".kept", keep = true } }
	end)
end

function case.X22()
	check.spawn "keeper"
	local handle = skynet.localname ".kept"
	local begun, waiting = 0, {}
	skynet.fork(function()
		begun = begun + (pcall(skynet.call, handle, "lua", "begun") and 100 or 1)
	end)
	skynet.yield()
	check.eq("the first one", skynet.call(handle, "lua"), 1)
	skynet.kill(handle)
	for n = 1, 3 do
		skynet.fork(function()
			waiting[n] = skynet.call(".kept", "lua")
		end)
	end
	check.ok("those that wait have an answer", check.wait(function() return #waiting == 3 end))
	check.eq("by the next one, in their order", waiting, { 1, 2, 3 })
	check.eq("what had begun has failed once", begun, 1)
	check.eq("the same handle and name", skynet.localname ".kept", handle)
end

return check.main(role, case, ...)
