-- What goes beyond the original: deadlines, bounded mailboxes, millisecond timers that can be cancelled, sessions.
local skynet = require "skynet"
local core = require "skynet.core"
local check = require "check"

local role, case = {}, {}

function role.server()
	check.serve {
		echo = function(...)
			return ...
		end,
		sleep = function(ticks, ...)
			skynet.sleep(ticks)
			return ...
		end,
		never = function()
			skynet.wait {}
		end,
		fail = function()
			error "told to fail"
		end,
		burn = function(seconds, token)
			skynet.setenv(token, "yes")
			local ends = skynet.hpc() + seconds * 1e9
			while skynet.hpc() < ends do
			end
		end,
		limit = function(...)
			skynet.mqlimit(...)
		end,
		age = function()
			return skynet.mqage(), skynet.stat "mqage"
		end,
	}
end

function case.timeoutcall()
	local to = check.spawn "server"
	check.returns("in time", { 1, nil, "x" , n = 3 }, skynet.timeoutcall, 500, to, "lua", "echo", 1, nil, "x")
	local before = skynet.now()
	check.fails("too late", "call timeout", skynet.timeoutcall, 5, to, "lua", "sleep", 15, "late")
	check.ok("not before its time", skynet.now() - before >= 5, skynet.now() - before)
	check.fails("never", "call timeout", skynet.timeoutcall, 2, to, "lua", "never")
	check.fails("its errors come through", "call failed", skynet.timeoutcall, 500, to, "lua", "fail")
	check.fails("invalid address", "call to invalid address", skynet.timeoutcall, 500, 0x123456, "lua")
	skynet.sleep(15)
	check.eq("nobody waits", skynet.task(), 0)
	check.eq("the late answer harmed nothing", skynet.call(to, "lua", "echo", 1), 1)
end

function case.timeoutcall_and_death()
	local to = check.spawn "server"
	skynet.timeout(2, function()
		skynet.kill(to)
	end)
	check.fails("death comes first", "call failed", skynet.timeoutcall, 100000, to, "lua", "never")
	check.ok("no deadline stays behind", skynet.task() == 0, skynet.task())
end

function case.timeoutcall_many()
	local to = check.spawn "server"
	local failed, answered = 0, 0
	for i = 1, 200 do
		skynet.fork(function()
			if i % 2 == 0 then
				local ok, err = pcall(skynet.timeoutcall, 2, to, "lua", "never")
				if not ok and tostring(err):find("call timeout", 1, true) then
					failed = failed + 1
				end
			elseif skynet.timeoutcall(3000, to, "lua", "sleep", 1, i) == i then
				answered = answered + 1
			end
		end)
	end
	check.ok("all end", check.wait(function() return failed + answered == 200 end))
	check.eq("as they should", { failed, answered }, { 100, 100 })
end

-- Config: calltimeout = 150. What waits for news has no deadline.
function case.news_after_the_deadline()
	local sharedata = require "skynet.sharedata"
	local builder = require "skynet.datasheet.builder"
	local datasheet = require "skynet.datasheet"
	local datacenter = require "skynet.datacenter"
	sharedata.new("data", { n = 1 })
	builder.new("sheet", { n = 1 })
	local data, sheet, waited = sharedata.query "data", datasheet.query "sheet", nil
	check.eq("as they are", { data.n, sheet.n }, { 1, 1 })
	skynet.fork(function()
		waited = datacenter.wait "late"
	end)
	skynet.sleep(200)
	sharedata.update("data", { n = 2 })
	builder.update("sheet", { n = 2 })
	datacenter.set("late", 2)
	check.ok("all is heard of", check.wait(function()
		return data.n == 2 and sheet.n == 2 and waited == 2
	end))
end

-- Config: calltimeout = 50.
function case.calltimeout()
	local to = check.spawn "server"
	check.eq("quick ones are answered", skynet.call(to, "lua", "echo", 1), 1)
	check.fails("call", "call timeout", skynet.call, to, "lua", "never")
	check.fails("rawcall", "call timeout", skynet.rawcall, to, "lua", skynet.packstring "never")
	check.eq("a deadline of its own counts more", skynet.timeoutcall(3000, to, "lua", "sleep", 80, "slow"), "slow")
end

-- Makes the service busy, so that what is sent next has to wait in its mailbox.
local function occupy(to, seconds)
	local token = "busy_" .. skynet.genid()
	skynet.send(to, "lua", "burn", seconds, token)
	check.wait(function() return skynet.getenv(token) end)
end

function case.refuse()
	local to = check.spawn "server"
	skynet.call(to, "lua", "limit", 10, "refuse")
	occupy(to, 0.5)
	local sent, refused = 0, 0
	for i = 1, 20 do
		if skynet.send(to, "lua", "echo", i) == false then
			refused = refused + 1
		else
			sent = sent + 1
		end
	end
	check.eq("those beyond the limit are refused", { sent, refused }, { 10, 10 })
	check.fails("a call raises", ("call failed: mailbox of %s is full (limit 10)"):format(skynet.address(to)),
		skynet.call, to, "lua", "echo", 1)
	check.ok("when it is empty again it accepts", check.wait(function()
		return (pcall(skynet.call, to, "lua", "echo", 1))
	end))
	skynet.call(to, "lua", "limit", nil)
	occupy(to, 0.2)
	for i = 1, 20 do
		check.eq("no limit any more " .. i, skynet.send(to, "lua", "echo", i), 0)
	end
end

-- Answers, errors and timers come through a full mailbox.
function case.refuse_only_requests()
	local server = check.spawn "server"
	skynet.mqlimit(5, "refuse")
	local answers, failures, timers = 0, 0, 0
	for i = 1, 50 do
		skynet.fork(function()
			if skynet.call(server, "lua", "echo", i) == i then
				answers = answers + 1
			end
		end)
		skynet.fork(function()
			if not pcall(skynet.call, server, "lua", "fail") then
				failures = failures + 1
			end
		end)
		skynet.timeout(1, function()
			timers = timers + 1
		end)
	end
	skynet.yield()
	-- All the answers and timers arrive while this burns.
	local ends = skynet.hpc() + 200000000
	while skynet.hpc() < ends do
	end
	check.ok("none is lost", check.wait(function() return answers + failures + timers == 150 end))
	skynet.mqlimit(nil)
end

function case.warn()
	local to = check.spawn "server"
	skynet.call(to, "lua", "limit", 10, "warn")
	occupy(to, 0.3)
	for i = 1, 45 do
		check.eq("accepted " .. i, skynet.send(to, "lua", "echo", i), 0)
	end
	check.eq("all are handled", skynet.call(to, "lua", "echo", "end"), "end")
end

-- Config: mqlimit = 20, mqpolicy = "refuse".
function case.limit_in_the_config()
	local to = check.spawn "server"
	occupy(to, 0.3)
	local refused = 0
	for i = 1, 40 do
		if skynet.send(to, "lua", "echo", i) == false then
			refused = refused + 1
		end
	end
	check.eq("those beyond the limit are refused", refused, 20)
end

function case.mqage()
	check.eq("nothing waits", skynet.mqage(), 0)
	skynet.dispatch("lua", function() end)
	skynet.send(skynet.self(), "lua", 1)
	local ends = skynet.hpc() + 50000000
	while skynet.hpc() < ends do
	end
	skynet.send(skynet.self(), "lua", 2)
	check.ok("the age of the oldest in milliseconds", skynet.mqage() >= 49, skynet.mqage())
	check.ok("as a statistic", skynet.stat "mqage" >= 49, skynet.stat "mqage")
	skynet.yield()
	check.eq("nothing waits again", skynet.mqage(), 0)
end

function case.sleepms()
	for _, ms in ipairs { 1, 3, 15 } do
		local before = skynet.hpc()
		check.returns("expired", { n = 0 }, skynet.sleepms, ms)
		check.ok("not early", skynet.hpc() - before >= (ms - 1) * 1000000, skynet.hpc() - before)
	end
	local result
	skynet.fork(function()
		result = table.pack(skynet.sleepms(1000000, "token"))
	end)
	skynet.yield()
	check.eq("woken", skynet.wakeup "token", true)
	skynet.yield()
	check.eq("BREAK", result, { "BREAK", n = 1 })
end

function case.timer()
	local ran
	local timer = skynet.timer(5, function()
		ran = true
	end)
	check.ok("fires", check.wait(function() return ran end))
	check.eq("cannot be cancelled then", timer:cancel(), false)
	ran = nil
	timer = skynet.timer(20, function()
		ran = true
	end)
	check.eq("cancelled", timer:cancel(), true)
	check.eq("once", timer:cancel(), false)
	skynet.sleep(6)
	check.eq("never runs", ran, nil)
	check.eq("nothing is left", skynet.task(), 0)
end

function case.timer_order()
	local order = check.at_once(function()
		local order = {}
		for _, ms in ipairs { 30, 10, 20, 1, 5 } do
			skynet.timer(ms, function()
				order[#order + 1] = ms
			end)
		end
		return order
	end, true)
	check.ok("all fire", check.wait(function() return #order == 5 end))
	check.eq("in order", order, { 1, 5, 10, 20, 30 })
end

-- Cancelled after it is due, before its message is handled: the promise of cancel is kept.
function case.timer_cancel_when_due()
	local ran
	local timer = skynet.timer(5, function()
		ran = true
	end)
	local ends = skynet.hpc() + 50000000
	while skynet.hpc() < ends do
	end
	local cancelled = timer:cancel()
	skynet.sleep(3)
	check.eq("true means that it does not run", cancelled, not ran)
end

function case.timer_many()
	local fired, cancelled = 0, 0
	local timers = {}
	for i = 1, 2000 do
		timers[i] = skynet.timer(i % 30, function()
			fired = fired + 1
		end)
	end
	for i = 1, 2000, 2 do
		if timers[i]:cancel() then
			cancelled = cancelled + 1
		end
	end
	check.ok("the others fire", check.wait(function() return fired + cancelled == 2000 end))
	check.eq("as many as were cancelled", { fired, cancelled }, { 1000, 1000 })
	skynet.sleep(2)
	check.eq("nothing is left", skynet.task(), 0)
end

-- Sessions near the end of their range, with some still in use beyond it.
function case.session_wrap()
	local to = check.spawn "server"
	core.setsession(0)
	local early = {}
	for i = 1, 5 do
		skynet.fork(function()
			early[i] = table.pack(skynet.sleep(1000000, i))
		end)
	end
	skynet.yield()
	core.setsession(0x7fffffff - 50)
	local seen, repeated = {}, 0
	for i = 1, 200 do
		local session
		skynet.fork(function()
			session = skynet.call(to, "lua", "sleep", 1, i)
		end)
		skynet.yield()
	end
	for i = 1, 100 do
		check.eq("call " .. i, skynet.call(to, "lua", "echo", i), i)
	end
	check.eq("those that wait were not disturbed", early, {})
	for i = 1, 5 do
		skynet.wakeup(i)
	end
	skynet.yield()
	check.eq("and are woken", #early, 5)
	core.setsession(0x7fffffff - 3)
	for _ = 1, 20 do
		local session = skynet.genid()
		if session < 1 or session > 0x7fffffff or seen[session] then
			repeated = repeated + 1
		end
		seen[session] = true
	end
	check.eq("all in range and different", repeated, 0)
end

-- Every session from 1 to 2000 is in use when the counter comes round.
function case.session_wrap_into_used_ones()
	local to = check.spawn "server"
	core.setsession(0)
	local n = 0
	for i = 1, 2000 do
		skynet.fork(function()
			if skynet.sleep(1000000, i) == "BREAK" then
				n = n + 1
			end
		end)
	end
	skynet.yield()
	core.setsession(0x7fffffff - 10)
	local answered = 0
	for i = 1, 3000 do
		skynet.fork(function()
			if skynet.call(to, "lua", "echo", i) == i then
				answered = answered + 1
			end
		end)
	end
	check.ok("every call gets its own answer", check.wait(function() return answered == 3000 end))
	check.eq("no sleeper was disturbed", n, 0)
	for i = 1, 2000 do
		check.ok("sleeper " .. i, skynet.wakeup(i))
	end
	skynet.yield()
	check.eq("all were there", n, 2000)
end

return check.main(role, case, ...)
