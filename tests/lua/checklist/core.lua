-- What existing programs rely on: calls, lifetime, time, operations.
local skynet = require "skynet"
local core = require "skynet.core"
local check = require "check"

local role, case = {}, {}

function role.echo(...)
	local args = { ... }
	skynet.start(function()
		skynet.dispatch("lua", function(session, _, what, ...)
			if what == "args" then
				skynet.retpack(SERVICE_NAME, table.unpack(args))
			elseif what == "exit" then
				skynet.exit()
			elseif what == "after" then
				skynet.sleep((...))
				skynet.retpack(select(2, ...))
			elseif session ~= 0 then
				skynet.retpack(what, ...)
			else
				skynet.setenv("ret_of_a_send", tostring(skynet.ret()))
			end
		end)
	end)
end

function case.roles_inside_one_file()
	check.returns("name and strings", { "checklist/core", "a", "1" }, skynet.call, check.spawn("echo", "a", 1), "lua", "args")
end

function case.exit_inside_a_handler()
	check.fails("call failed", "call failed", skynet.call, check.spawn "echo", "lua", "exit")
end

function case.exit_with_a_call_outstanding()
	local slow = check.spawn "echo"
	local leaving = check.spawn("leaving", slow)
	check.ok("left", check.wait(function() return check.dead(leaving) end))
	skynet.sleep(6)
	check.eq("the callee goes on", skynet.call(slow, "lua", 1), 1)
end

function role.leaving(to)
	skynet.start(function()
		skynet.fork(skynet.call, tonumber(to), "lua", "after", 5, "late")
		skynet.timeout(1, skynet.exit)
	end)
end

function case.calls_in_sequence_and_in_parallel()
	local to = check.spawn "echo"
	for i = 1, 20000 do
		if skynet.call(to, "lua", i) ~= i then
			check.ok("call " .. i, false)
		end
	end
	local done = 0
	for worker = 1, 10 do
		skynet.fork(function()
			for i = 1, 1000 do
				if skynet.call(to, "lua", worker * i) ~= worker * i then
					check.ok("call " .. i, false)
				end
			end
			done = done + 1
		end)
	end
	check.ok("ten in parallel", check.wait(function() return done == 10 end))
	check.eq("nobody waits", skynet.task(), 0)
end

function case.ret_for_a_send()
	local to = check.spawn "echo"
	skynet.send(to, "lua", "x")
	check.ok("handled", check.wait(function() return skynet.getenv "ret_of_a_send" end))
	check.eq("false", skynet.getenv "ret_of_a_send", "false")
end

function role.collector()
	local open = {}
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, i)
			open[#open + 1] = { skynet.response(), i }
		end)
		skynet.fork(function()
			while #open < 10 do
				skynet.sleep(1)
			end
			for _, item in ipairs(open) do
				item[1](true, item[2])
			end
		end)
	end)
end

function case.responses_fired_by_a_timer_loop()
	local to = check.spawn "collector"
	local order = {}
	for i = 1, 10 do
		skynet.fork(function()
			local answer = skynet.call(to, "lua", i)
			order[#order + 1] = answer
		end)
	end
	check.ok("all come", check.wait(function() return #order == 10 end))
	check.eq("in order", order, { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 })
end

-- How applications make a call with a deadline out of fork, sleep and wakeup.
function case.deadline_by_hand()
	local to = check.spawn "echo"
	local function call_within(ticks, ...)
		local token, result = {}, nil
		local args = table.pack(...)
		skynet.fork(function()
			result = table.pack(skynet.call(table.unpack(args, 1, args.n)))
			skynet.wakeup(token)
		end)
		skynet.sleep(ticks, token)
		if result then
			return table.unpack(result, 1, result.n)
		end
		return false
	end
	check.eq("in time", call_within(3000, to, "lua", "after", 1, "x"), "x")
	local before = skynet.now()
	check.eq("too late", call_within(4, to, "lua", "after", 20, "y"), false)
	check.ok("after exactly that time or a bit more", skynet.now() - before >= 4)
	check.ok("nobody waits", check.wait(function() return skynet.task() == 0 end))
end

function case.term_of_an_unknown_global_name()
	local result
	skynet.fork(function()
		result = table.pack(pcall(skynet.call, "SOMEBODY", "lua"))
	end)
	skynet.sleep(3)
	check.eq("blocks", result, nil)
	skynet.send(skynet.self(), "debug", "TERM", "SOMEBODY")
	check.ok("unblocked", check.wait(function() return result end))
	check.eq("by an error", result[1], false)
end

-- Values of every kind on their way through messages, proxies of shared data among them.
function case.packed_values()
	local sharedata = require "skynet.sharedata"
	sharedata.new("values", { 1, 2, { name = "x" }, nested = { deep = { 3.5 } } })
	local proxy = sharedata.query "values"
	local key = ("k"):rep(128 * 1024)
	local binary = ("\0\255\n"):rep(1000)
	local values = { 1, -1, 1 << 40, 0.5, true, false, binary, { [key] = key, nested = { { { "deep" } } } }, { 1, nil, 3, n = 3 } }
	local to = check.spawn "packed"
	local got = table.pack(skynet.call(to, "lua", proxy, nil, table.unpack(values)))
	check.eq("as many", got.n, #values + 2)
	check.eq("a proxy arrives as a table", got[1], { 1, 2, { name = "x" }, nested = { deep = { 3.5 } } })
	check.eq("nil", got[2], nil)
	for i, value in ipairs(values) do
		check.ok("value " .. i, check.same(got[i + 2], value))
	end
end

function role.packed()
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, ...)
			skynet.retpack(...)
		end)
	end)
end

function case.launch_and_kill_for_long()
	local low = check.spawn "echo"
	for _ = 1, 2000 do
		local to = check.launch "echo"
		skynet.kill(to)
	end
	check.eq("a low handle is untouched", skynet.call(low, "lua", 1), 1)
end

function case.local_and_global_names()
	skynet.register ".both"
	skynet.register "BOTH"
	skynet.dispatch("lua", function(_, _, x)
		skynet.retpack(x)
	end)
	check.eq("local", skynet.call(".both", "lua", 1), 1)
	check.eq("global", skynet.call("BOTH", "lua", 2), 2)
	check.eq("query", require "skynet.harbor".queryname "BOTH", skynet.self())
end

function case.ping_of_every_service()
	for i = 1, 3 do
		check.spawn("echo", i)
	end
	local n = 0
	for address, name in pairs(skynet.call(".launcher", "lua", "LIST")) do
		if address ~= skynet.address(skynet.self()) then
			skynet.call(address, "debug", "INFO")
			n = n + 1
		end
		check.eq("name of " .. address, type(name), "string")
	end
	check.ok("all are there", n >= 5, n)
end

function case.launcher_commands()
	local to = check.spawn("echo", "x")
	local address = skynet.address(to)
	local function launcher(...)
		return skynet.call(".launcher", "lua", ...)
	end
	check.eq("LIST", launcher "LIST"[address], "snlua checklist/core echo x")
	check.eq("in lower case", launcher "list"[address], "snlua checklist/core echo x")
	local stat = launcher "STAT"[address]
	check.eq("STAT", { type(stat.task), type(stat.cpu), type(stat.mqlen), type(stat.message) }, { "number", "number", "number", "number" })
	check.ok("MEM", launcher("MEM", 1000)[address]:find "^%d+%.%d%d Kb %(snlua checklist/core echo x%)$", launcher "MEM"[address])
	check.ok("GC", launcher("GC", 1000)[address]:find "Kb", nil)
	check.eq("KILL", launcher("KILL", to), { [address] = "snlua checklist/core echo x" })
	check.ok("dead", check.wait(function() return check.dead(to) end))
	check.eq("KILL again", launcher("KILL", to), { [address] = "nil" })
	check.eq("unknown", launcher "NOSUCH", { "Unknown command" })
	check.eq("LAUNCH", math.type(launcher("LAUNCH", "snlua", SERVICE_NAME, "echo")), "integer")
end

function case.debug_injection()
	local to = check.spawn "injected"
	check.eq("before", skynet.call(to, "lua", "one"), "one")
	local ok, output = skynet.call(to, "debug", "RUN", [[
		local command = _P.lua.command
		command.one, command.two = command.two, command.one
		print("swapped", ...)
	]], "patch.lua", "args")
	check.eq("ran", { ok, output }, { true, "swapped\targs" })
	check.eq("after", { skynet.call(to, "lua", "one"), skynet.call(to, "lua", "two") }, { "two", "one" })
	local failed, text = skynet.call(to, "debug", "RUN", "print 'first' error 'then'", "patch.lua")
	check.eq("an error", failed, false)
	check.ok("its output and text", text:find "first" and text:find "then", text)
end

function role.injected()
	local command = {}
	function command.one() return "one" end
	function command.two() return "two" end
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, name)
			skynet.retpack(command[name]())
		end)
	end)
end

function case.close_variables()
	local log = {}
	local function closer(name)
		return setmetatable({}, { __close = function() log[#log + 1] = name end })
	end
	skynet.fork(function()
		local _ <close> = closer "fork"
		error "fork fails"
	end)
	skynet.dispatch("lua", function()
		local _ <close> = closer "dispatch"
		error "handler fails"
	end)
	skynet.send(skynet.self(), "lua")
	skynet.timeout(0, function()
		local _ <close> = closer "timeout"
		error "timeout fails"
	end)
	check.ok("all are closed", check.wait(function() return #log == 3 end))
	check.eq("in order", log, { "fork", "dispatch", "timeout" })
end

function case.timeouts_in_order()
	local order = check.at_once(function()
		local order = {}
		for _, ticks in ipairs { 100, 4, 3, 2, 1 } do
			local due = skynet.now() + ticks
			skynet.timeout(ticks, function()
				order[#order + 1] = ticks
				check.ok("not early " .. ticks, skynet.now() >= due)
			end)
		end
		return order
	end)
	check.ok("all fire", check.wait(function() return #order == 5 end))
	check.eq("in order", order, { 1, 2, 3, 4, 100 })
end

function role.sleep_zero()
	skynet.start(function()
		skynet.fork(function()
			while true do
				skynet.sleep(0)
			end
		end)
	end)
end

function case.sleep_zero_starves_nobody()
	check.spawn "sleep_zero"
	check.spawn "sleep_zero"
	local to = check.spawn "echo"
	for i = 1, 100 do
		check.eq("call " .. i, skynet.call(to, "lua", i), i)
	end
	check.returns("sleep", { n = 0 }, skynet.sleep, 3)
end

function case.exit_of_the_start_service_with_others()
	local to = check.spawn "outlives"
	skynet.send(to, "lua", skynet.self())
	check.ok("checked by the other", true)
	check.emit("DONE 1")
	skynet.exit()
end

function role.outlives()
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, starter)
			check.wait(function() return check.dead(starter) end)
			skynet.error "outlived the start service"
			skynet.abort()
		end)
	end)
end

function case.overload()
	local to = check.spawn "busy"
	for i = 1, 4000 do
		skynet.send(to, "lua", i)
	end
	check.eq("then normal processing", skynet.call(to, "lua", "count"), 4000)
end

function role.busy()
	local n = 0
	local ends = skynet.hpc() + 300000000
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, what)
			while skynet.hpc() < ends do
			end
			if what == "count" then
				return skynet.retpack(n)
			end
			n = n + 1
		end)
	end)
end

return check.main(role, case, ...)
