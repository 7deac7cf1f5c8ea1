-- docs/semantics.md: order (O), delivery (D), sessions (S), start and stop (B).
local skynet = require "skynet"
local core = require "skynet.core"
local check = require "check"

local role, case = {}, {}

function role.echo()
	check.serve { echo = function(...) return ... end, after = function(ticks, ...) skynet.sleep(ticks) return ... end }
end

-- Counts how many handlers run at once, and in which order they began.
function role.recorder()
	local inside, most, list = 0, 0, {}
	skynet.register_protocol { name = "other", id = 33, unpack = skynet.tostring }
	local function note(x)
		inside = inside + 1
		most = math.max(most, inside)
		for _ = 1, 200 do
			list[0] = x
		end
		list[#list + 1] = x
		inside = inside - 1
	end
	skynet.start(function()
		skynet.dispatch("other", function(_, _, text)
			note(tonumber(text))
		end)
		skynet.dispatch("lua", function(session, _, x)
			if session == 0 then
				note(x)
			else
				list[0] = nil
				skynet.retpack(list, most)
			end
		end)
	end)
end

function role.sender()
	check.serve {
		send = function(to, from, upto)
			for i = from, upto do
				if i % 3 == 0 then
					core.send(to, 33, 0, tostring(i))
				else
					skynet.send(to, "lua", i)
				end
			end
		end,
	}
end

local function send_from_four(n)
	local to = check.spawn "recorder"
	local done = 0
	for i = 1, 4 do
		local sender = check.spawn "sender"
		skynet.fork(function()
			skynet.call(sender, "lua", "send", to, i * 100000, i * 100000 + n - 1)
			done = done + 1
		end)
	end
	check.ok("all sent", check.wait(function() return done == 4 end))
	return skynet.call(to, "lua")
end

function case.O1()
	local list, most = send_from_four(2000)
	check.eq("every message", #list, 8000)
	check.eq("one at a time", most, 1)
end

function case.O2()
	local order = {}
	skynet.dispatch("lua", function(_, _, i)
		order[#order + 1] = i
	end)
	for i = 1, 1000 do
		skynet.send(skynet.self(), "lua", i)
	end
	skynet.yield()
	local sorted = #order == 1000
	for i, x in ipairs(order) do
		sorted = sorted and i == x
	end
	check.ok("in the order of the mailbox", sorted)
end

function case.O3()
	local list = send_from_four(2000)
	local last, disorder = {}, 0
	for _, x in ipairs(list) do
		local sender = x // 100000
		if last[sender] and x ~= last[sender] + 1 then
			disorder = disorder + 1
		end
		last[sender] = x
	end
	check.eq("each sender's messages, of two types, in order", disorder, 0)
end

function case.O4()
	local order = {}
	skynet.dispatch("lua", function(_, _, x)
		order[#order + 1] = x
		if x == 1 then
			skynet.fork(function()
				order[#order + 1] = "fork"
				skynet.fork(function()
					order[#order + 1] = "fork of a fork"
				end)
			end)
			skynet.wakeup "w"
		end
	end)
	skynet.fork(function()
		skynet.wait "w"
		order[#order + 1] = "woken"
	end)
	skynet.yield()
	skynet.send(skynet.self(), "lua", 1)
	skynet.send(skynet.self(), "lua", 2)
	skynet.yield()
	check.eq("order", order, { 1, "woken", "fork", "fork of a fork", 2 })
end

function case.O5()
	local order = {}
	for i = 1, 3 do
		skynet.fork(function()
			skynet.wait(i)
			order[#order + 1] = i
		end)
	end
	skynet.yield()
	for _, i in ipairs { 2, 3, 1 } do
		skynet.wakeup(i)
		check.eq("not at once", #order, 0)
	end
	skynet.yield()
	check.eq("in the order of the wakeups", order, { 2, 3, 1 })
end

function role.ordered_start()
	local order = {}
	skynet.dispatch("lua", function(session, _, x)
		if session == 0 then
			order[#order + 1] = x
		else
			skynet.retpack(order)
		end
	end)
	-- Its chunk takes a moment, so that messages wait when it comes to skynet.start.
	local ends = skynet.hpc() + 50000000
	while skynet.hpc() < ends do
	end
	skynet.start(function()
		order[#order + 1] = "start"
	end)
end

function case.O6()
	local to = check.launch "ordered_start"
	skynet.send(to, "lua", "early one")
	skynet.send(to, "lua", "early two")
	check.wait(function() return #skynet.call(to, "lua") == 3 end)
	check.eq("order", skynet.call(to, "lua"), { "early one", "early two", "start" })
end

function case.O7()
	for i = 1, 1000 do
		skynet.error(("numbered %04d"):format(i))
	end
	check.ok("logged", true)
end

function case.D1()
	local to = check.spawn "recorder"
	for i = 1, 5000 do
		skynet.send(to, "lua", i)
	end
	local list = skynet.call(to, "lua")
	local seen, twice = {}, 0
	for _, x in ipairs(list) do
		twice = twice + (seen[x] and 1 or 0)
		seen[x] = true
	end
	check.eq("every one", #list, 5000)
	check.eq("once", twice, 0)
end

function case.D2()
	local to = check.spawn "echo"
	skynet.kill(to)
	for _, address in ipairs { to, skynet.address(to), ".nobody", 0x123456 } do
		check.eq("a send returns nil", skynet.send(address, "lua", "echo"), nil)
		check.fails("a call raises", "call to invalid address", skynet.call, address, "lua", "echo")
	end
end

function case.D3()
	local t = { 1, { 2 } }
	local back = skynet.call(check.spawn "echo", "lua", "echo", t, t)
	back[2][1] = "changed"
	check.eq("own values stay", t, { 1, { 2 } })
	local a, b = skynet.call(check.spawn "echo", "lua", "echo", t, t)
	check.ok("two copies of one table", a ~= b and a ~= t)
end

function case.D4()
	local seen, own = {}, skynet.self()
	for _ = 1, 1000 do
		local handle = check.launch "echo"
		if seen[handle] or handle == own then
			return check.ok("used again", false, handle)
		end
		seen[handle] = true
		skynet.kill(handle)
	end
	check.ok("a thousand different ones", true)
end

function case.D5()
	local a, b = check.spawn "echo", check.spawn "echo"
	skynet.name(".thing", a)
	skynet.name(".thing", b)
	check.eq("the first has it", skynet.localname ".thing", a)
	skynet.kill(a)
	check.eq("free again", skynet.localname ".thing", nil)
	skynet.name(".thing", b)
	check.eq("for the second", skynet.localname ".thing", b)
end

function case.S1()
	core.setsession(100)
	local first = skynet.fork(function()
		skynet.sleep(1000000)
	end)
	skynet.yield()
	local used = skynet.task(first)
	core.setsession(used - 1)
	local to = check.spawn "echo"
	for i = 1, 10 do
		check.eq("call " .. i, skynet.call(to, "lua", "echo", i), i)
	end
	check.eq("the sleeper still has its session", skynet.task(first), used)
	core.setsession(0x7fffffff - 2)
	for i = 1, 10 do
		local session = skynet.genid()
		check.ok("in range " .. i, session >= 1 and session <= 0x7fffffff, session)
	end
end

function case.S2()
	core.redirect(skynet.self(), 0x777, skynet.PTYPE_RESPONSE, 4242, "stray")
	skynet.yield()
	check.eq("nothing is harmed", skynet.call(check.spawn "echo", "lua", "echo", 1), 1)
end

function case.S3()
	local to = check.spawn "echo"
	check.fails("deadline", "call timeout", skynet.timeoutcall, 1, to, "lua", "after", 5, "late 1")
	for _ in skynet.request { to, "lua", "after", 5, "late 2" }:select(1) do
	end
	local sleeping = skynet.timeout(5, check.done)
	check.eq("a killed timer", skynet.killthread(sleeping), sleeping)
	local killed = skynet.fork(skynet.call, to, "lua", "after", 5, "late 3")
	skynet.yield()
	check.eq("killed", skynet.killthread(killed), killed)
	local ended
	skynet.fork(function()
		ended = not pcall(skynet.call, to, "lua", "after", 5, "late 4")
	end)
	skynet.yield()
	skynet.term(to)
	check.ok("ended by term", check.wait(function() return ended end))
	skynet.sleep(15)
	check.eq("nobody waits", skynet.task(), 0)
end

function role.answers_twice()
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, how)
			if how == "ret" then
				skynet.retpack "first"
				skynet.setenv("second_ret", tostring(select(2, pcall(skynet.retpack, "second"))))
			else
				local r = skynet.response()
				r(true, "first")
				skynet.setenv("second_response", tostring(select(2, pcall(r, true, "second"))))
			end
		end)
	end)
end

function case.S4()
	local to = check.spawn "answers_twice"
	check.eq("ret", skynet.call(to, "lua", "ret"), "first")
	check.eq("response", skynet.call(to, "lua", "response"), "first")
	check.ok("known", check.wait(function() return skynet.getenv "second_response" end))
	check.ok("second ret", skynet.getenv "second_ret":find("No session", 1, true))
	check.ok("second response", skynet.getenv "second_response":find("Can't response more than once", 1, true))
end

function case.S5()
	local session, result
	skynet.dispatch("lua", function(s)
		session, result = s, skynet.retpack(1)
	end)
	skynet.send(skynet.self(), "lua")
	skynet.yield()
	check.eq("session", session, 0)
	check.eq("ret", result, false)
end

function case.S6()
	local to = check.spawn "echo"
	local n = 0
	for i = 1, 50000 do
		skynet.fork(function()
			skynet.sleep(1000000, i)
			n = n + 1
		end)
	end
	skynet.yield()
	check.eq("all wait", skynet.task(), 50000)
	check.eq("calls work", skynet.call(to, "lua", "echo", 1), 1)
	for i = 1, 50000 do
		skynet.wakeup(i)
	end
	skynet.yield()
	check.eq("all woken", n, 50000)
end

function case.S7()
	local to = check.spawn "echo"
	for ticks = 1, 5 do
		local before = skynet.now()
		check.fails("too late", "call timeout", skynet.timeoutcall, ticks, to, "lua", "after", 1000)
		check.ok("not before", skynet.now() - before >= ticks, skynet.now() - before)
	end
	check.eq("in time", skynet.timeoutcall(3000, to, "lua", "after", 1, "x"), "x")
end

-- Config: calltimeout = 50.
function case.S8()
	local to = check.spawn "echo"
	check.fails("call", "call timeout", skynet.call, to, "lua", "after", 1000)
	check.fails("rawcall", "call timeout", skynet.rawcall, to, "lua", skynet.packstring("after", 1000))
	check.eq("in time", skynet.call(to, "lua", "echo", 1), 1)
end

function case.S8_off()
	check.eq("not set", skynet.getenv "calltimeout", nil)
	check.eq("no deadline", skynet.call(check.spawn "echo", "lua", "after", 20, "x"), "x")
end

function case.B3()
	for i = 1, 3000 do
		skynet.error(("last words %04d"):format(i))
	end
	check.ok("logged", true)
end

return check.main(role, case, ...)
