-- docs/semantics.md: timers (T), fairness (F).
local skynet = require "skynet"
local core = require "skynet.core"
local check = require "check"

local role, case = {}, {}

local function burn(ns)
	local ends = skynet.hpc() + ns
	while skynet.hpc() < ends do
	end
end

function case.T1()
	local early, fired = 0, 0
	for i = 1, 300 do
		local ticks = i % 25 + 1
		local due = skynet.now() + ticks
		skynet.timeout(ticks, function()
			fired = fired + 1
			early = early + (skynet.now() < due and 1 or 0)
		end)
	end
	for ticks = 1, 10 do
		local before = skynet.now()
		skynet.sleep(ticks)
		early = early + (skynet.now() - before < ticks and 1 or 0)
	end
	check.ok("all fire", check.wait(function() return fired == 300 end))
	check.eq("none early", early, 0)
end

-- One timer, and when it was made and has run.
function role.timed(main, number, ms)
	skynet.start(function()
		skynet.dispatch("lua", function()
			local before = skynet.hpc()
			skynet.timer(tonumber(ms), function()
				skynet.send(tonumber(main), "lua", tonumber(number))
			end)
			skynet.retpack(before + ms * 1000000, skynet.hpc() + ms * 1000000)
		end)
	end)
end

-- Timers of several services, after a stall of the only worker.
function case.T2_services()
	local order, dues, services = {}, {}, {}
	skynet.dispatch("lua", function(_, _, number) order[#order + 1] = number end)
	for number = 1, 60 do
		-- In no order: 200, 137, 74, 11, 148, ...
		local ms = 11 + (number * 137 + 52) % 199
		services[number] = check.spawn("timed", skynet.self(), number, ms)
	end
	local last = 0
	for number, service in ipairs(services) do
		local first, latest = skynet.call(service, "lua")
		dues[number] = { first, latest }
		last = math.max(last, latest)
	end
	while skynet.hpc() < last + 5000000 do end
	check.ok("all fire", check.wait(function() return #order == 60 end))
	local certain, disorder = 0, 0
	for i = 1, 60 do
		for j = i + 1, 60 do
			local a, b = dues[order[i]], dues[order[j]]
			-- Two milliseconds apart, so that they are due in different ones whenever each was made.
			if a[1] > b[2] + 2000000 then
				disorder = disorder + 1
			elseif a[2] + 2000000 < b[1] then
				certain = certain + 1
			end
		end
	end
	check.eq("earlier ones first", disorder, 0)
	check.ok("many could be told apart", certain > 500, certain)
end

function case.T2()
	local order, n = {}, 0
	for ticks = 8, 1, -1 do
		for i = 1, 50 do
			local due = skynet.now() + ticks
			n = n + 1
			local number = n
			local certain
			skynet.timeout(ticks, function()
				order[#order + 1] = { due = due, number = number, certain = certain }
			end)
			-- If the clock has moved on meanwhile, the timer may be due a centisecond later.
			certain = skynet.now() + ticks == due
		end
	end
	-- A stall: all of them are due when the service looks again.
	burn(200000000)
	check.ok("all fire", check.wait(function() return #order == 400 end))
	local disorder = 0
	for i = 2, 400 do
		local a, b = order[i - 1], order[i]
		if a.certain and b.certain and (a.due > b.due or (a.due == b.due and a.number > b.number)) then
			disorder = disorder + 1
		end
	end
	check.eq("earlier ones first, then the earlier made", disorder, 0)
end

function case.T3()
	local order = {}
	skynet.dispatch("lua", function(_, _, x)
		order[#order + 1] = x
	end)
	skynet.send(skynet.self(), "lua", "in the mailbox")
	skynet.timeout(0, function() order[#order + 1] = "zero" end)
	skynet.send(skynet.self(), "lua", "later")
	skynet.timeout(-5, function() order[#order + 1] = "negative" end)
	skynet.yield()
	check.eq("order", order, { "in the mailbox", "zero", "later", "negative" })
end

function case.T4()
	check.returns("expired", { n = 0 }, skynet.sleep, 1)
	local result
	local co = skynet.fork(function()
		result = table.pack(skynet.sleep(1000000))
	end)
	check.eq("a wakeup of what does not sleep yet", skynet.wakeup(co), nil)
	skynet.yield()
	check.eq("is not remembered", result, nil)
	skynet.wakeup(co)
	skynet.yield()
	check.eq("woken", result, { "BREAK", n = 1 })
end

function case.T5()
	local last, back = 0, 0
	for _ = 1, 100000 do
		local now = skynet.now()
		back = back + (now < last and 1 or 0)
		last = now
	end
	check.eq("never back", back, 0)
	check.ok("the wall clock", math.abs(skynet.starttime() + skynet.now() / 100 - os.time()) < 20)
end

function case.T6()
	for _, ms in ipairs { 1, 2, 5, 17 } do
		local before, fired = skynet.hpc(), nil
		skynet.timer(ms, function() fired = skynet.hpc() end)
		check.ok("timer fires", check.wait(function() return fired end))
		check.ok("timer not early", fired - before >= (ms - 1) * 1000000, fired - before)
		before = skynet.hpc()
		skynet.sleepms(ms)
		check.ok("sleep not early", skynet.hpc() - before >= (ms - 1) * 1000000, skynet.hpc() - before)
	end
end

function case.T7()
	local ran = {}
	local due = skynet.timer(5, function() ran.due = true end)
	local far = skynet.timer(1000, function() ran.far = true end)
	local past = skynet.timer(1, function() ran.past = true end)
	check.wait(function() return ran.past end)
	check.eq("one that ran", past:cancel(), false)
	check.eq("one that waits", far:cancel(), true)
	check.eq("the same again", far:cancel(), false)
	burn(30000000)
	local cancelled = due:cancel()
	skynet.sleep(3)
	check.eq("one that was due but not handled, or was", cancelled, not ran.due)
	check.eq("the cancelled one never ran", ran.far, nil)
end

function role.timers()
	skynet.start(function()
		for i = 1, 5 do
			skynet.timeout(i, function() skynet.setenv("timer_after_death_" .. i, "ran") end)
		end
	end)
end

function case.T8()
	skynet.kill(check.spawn "timers")
	local ran
	skynet.killthread(skynet.timeout(2, function() ran = true end))
	local co = skynet.fork(function()
		skynet.sleep(2)
		ran = true
	end)
	skynet.yield()
	skynet.killthread(co)
	skynet.sleep(10)
	check.eq("a killed coroutine is not run", ran, nil)
	local late = 0
	for i = 3, 5 do
		late = late + (skynet.getenv("timer_after_death_" .. i) and 1 or 0)
	end
	check.ok("at most those that were due before the death ran", late < 3)
end

-- Config: one worker. Its mailbox never holds less than two turns' messages, since it sends to itself.
function role.selfish()
	skynet.start(function()
		local handled = 0
		skynet.dispatch("lua", function(session)
			handled = handled + 1
			if session ~= 0 then
				return skynet.retpack(handled)
			end
			skynet.send(skynet.self(), "lua")
		end)
		for _ = 1, 256 do
			skynet.send(skynet.self(), "lua")
		end
	end)
end

-- Tells when a timer of its own has fired.
function role.napper()
	skynet.start(function()
		skynet.dispatch("lua", function(_, source)
			skynet.timeout(1, function()
				skynet.send(source, "lua", "awake")
			end)
			skynet.retpack()
		end)
	end)
end

function case.F1()
	local selfish = check.spawn "selfish"
	local function handled()
		return skynet.call(selfish, "lua")
	end
	-- The answer itself waits behind what is in the mailbox then: two turns' messages, and what they add.
	local turn <const> = 128
	local before = handled()
	local once = handled() - before
	check.ok("it has more than a turn's messages", once > turn)

	-- Services that wait in the worker's own queue: a turn of the selfish one for each message of a call, at most.
	local other <const> = check.spawn "echo"
	before = handled()
	for _ = 1, 20 do
		skynet.call(other, "lua")
	end
	local between = handled() - before - once
	check.ok("calls between others", between <= (20 * 2 + 4) * turn, between)

	-- Services whose timers have fired: all of them have their turn before the selfish one has many.
	local nappers, awake = {}, 0
	local main <const> = coroutine.running()
	for i = 1, 100 do
		nappers[i] = check.spawn "napper"
	end
	skynet.dispatch("lua", function()
		awake = awake + 1
		if awake == #nappers then
			skynet.wakeup(main)
		end
	end)
	before = handled()
	for _, napper in ipairs(nappers) do
		skynet.call(napper, "lua")
	end
	skynet.timeout(1, function() end)
	-- Nobody else runs meanwhile. When the own timer has fired, all others have.
	while skynet.mqlen() == 0 do
	end
	if awake < #nappers then
		skynet.wait()
	end
	between = handled() - before - once
	check.ok("timers between others", between <= (2 * #nappers + 50) * turn, between)
end

function role.echo()
	skynet.start(function()
		skynet.dispatch("lua", function()
			skynet.retpack()
		end)
	end)
end

function role.yielder()
	skynet.start(function()
		skynet.dispatch("lua", function()
			skynet.retpack "answered"
		end)
		skynet.fork(function()
			while true do
				skynet.sleep(0)
			end
		end)
		skynet.fork(function()
			while true do
				skynet.yield()
			end
		end)
	end)
end

-- Config: one worker.
function case.F2()
	local yielder = check.spawn "yielder"
	for _ = 1, 10 do
		check.eq("its other messages", skynet.call(yielder, "lua"), "answered")
		skynet.sleep(1)
	end
end

function role.stuck()
	skynet.start(function()
		skynet.fork(function()
			while not skynet.getenv "let_go" do
			end
		end)
	end)
end

-- Config: two workers.
function case.F3()
	check.launch "stuck"
	local to = check.spawn "yielder"
	for _ = 1, 50 do
		check.eq("others go on", skynet.call(to, "lua"), "answered")
	end
	skynet.setenv("let_go", "yes")
end

function role.endless()
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, ns)
			if ns then
				burn(ns)
			end
			skynet.retpack(skynet.endless())
		end)
	end)
end

-- Config: monitorinterval = 150.
function case.F4()
	local to = check.spawn "endless"
	check.eq("not yet", skynet.call(to, "lua"), false)
	check.eq("noticed", skynet.call(to, "lua", 800000000), true)
	check.eq("it was not killed, and the flag is cleared", skynet.call(to, "lua"), false)
end

function case.F5()
	local to = check.spawn "signalled"
	local result
	skynet.fork(function()
		result = table.pack(pcall(skynet.call, to, "lua", "loop"))
	end)
	skynet.sleep(3)
	core.command("SIGNAL", skynet.address(to) .. " 0")
	check.ok("the loop ends", check.wait(function() return result end))
	check.eq("by an error", result[1], false)
	check.eq("once", { skynet.call(to, "lua", 1), skynet.call(to, "lua", 2) }, { 1, 2 })
	core.command("SIGNAL", skynet.address(to) .. " 0")
	check.fails("the next message", "call failed", skynet.call, to, "lua", 3)
	check.eq("once again", skynet.call(to, "lua", 4), 4)
end

function role.signalled()
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, x)
			while x == "loop" do
			end
			skynet.retpack(x)
		end)
	end)
end

return check.main(role, case, ...)
