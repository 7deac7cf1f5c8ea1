-- Timers: order, never early, none lost.
local skynet = require "skynet"
local core = require "skynet.core"
local check = require "check"

local role, case = {}, {}

function case.order_of_due_times()
	local early = 0
	local order = check.at_once(function()
		local order = {}
		for _, ticks in ipairs { 40, 4, 3, 2, 1 } do
			local due = skynet.now() + ticks
			skynet.timeout(ticks, function()
				order[#order + 1] = ticks
				if skynet.now() < due then
					early = early + 1
				end
			end)
		end
		return order
	end)
	check.ok("all fire", check.wait(function() return #order == 5 end))
	check.eq("in the order of their times", order, { 1, 2, 3, 4, 40 })
	check.eq("none early", early, 0)
end

function case.same_tick()
	local order = {}
	-- Created within one handler run, nearly always within one centisecond; a boundary between them keeps the order too.
	for i = 1, 500 do
		skynet.timeout(3, function()
			order[#order + 1] = i
		end)
	end
	check.ok("all fire", check.wait(function() return #order == 500 end))
	local sorted = true
	for i = 1, 500 do
		sorted = sorted and order[i] == i
	end
	check.ok("in the order of their creation", sorted)
end

-- Many times, created in a wild order: the due times order them.
function case.many()
	local fired, early, disorder, last = 0, 0, 0, 0
	local seed = 12345
	local n = 5000
	for _ = 1, n do
		seed = (seed * 1103515245 + 12345) % 2147483648
		local ticks = 1 + (seed >> 8) % 60
		local due = skynet.now() + ticks
		local certain
		skynet.timeout(ticks, function()
			fired = fired + 1
			if skynet.now() < due then
				early = early + 1
			end
			if certain then
				if due < last then
					disorder = disorder + 1
				end
				last = math.max(last, due)
			end
		end)
		-- If the clock has moved on meanwhile, the timer may be due a centisecond later.
		certain = skynet.now() + ticks == due
	end
	check.ok("all fire", check.wait(function() return fired == n end))
	check.eq("none early", early, 0)
	check.eq("in order", disorder, 0)
end

-- The service is busy while many ticks pass; then all of them come, in order.
function case.after_a_stall()
	local order = check.at_once(function()
		local order = {}
		for _, ticks in ipairs { 9, 1, 5, 3, 7, 2 } do
			skynet.timeout(ticks, function()
				order[#order + 1] = ticks
			end)
		end
		return order
	end)
	local ends = skynet.hpc() + 300000000
	while skynet.hpc() < ends do
	end
	check.ok("all fire", check.wait(function() return #order == 6 end))
	check.eq("in order", order, { 1, 2, 3, 5, 7, 9 })
end

function case.zero_goes_behind_the_mailbox()
	local order = {}
	skynet.dispatch("lua", function(_, _, x)
		order[#order + 1] = x
	end)
	skynet.send(skynet.self(), "lua", "before")
	skynet.timeout(0, function()
		order[#order + 1] = "zero"
	end)
	skynet.timeout(-100, function()
		order[#order + 1] = "negative"
	end)
	skynet.send(skynet.self(), "lua", "after")
	skynet.yield()
	check.eq("order", order, { "before", "zero", "negative", "after" })
end

function case.long_ones()
	-- Far beyond any wheel's first levels; they must neither fire soon nor disturb the others.
	local fired
	for _, ticks in ipairs { 300, 20000, 1 << 20, 1 << 26, 0x7fffffff } do
		skynet.timeout(ticks, function()
			fired = true
		end)
	end
	for _ = 1, 30 do
		skynet.sleep(1)
	end
	check.eq("not yet", fired, nil)
end

function role.dies_first()
	skynet.start(function()
		for i = 1, 100 do
			skynet.timeout(i % 5, function()
				skynet.setenv("timer_of_the_dead", "fired")
			end)
		end
		skynet.exit()
	end)
end

function case.of_a_dead_service()
	check.spawn "dies_first"
	skynet.sleep(10)
	check.ok("they vanish", true)
end

function case.text_command()
	local responses = {}
	skynet.dispatch_unknown_response(function(session, source)
		responses[#responses + 1] = { session, source }
	end)
	local soon = core.intcommand("TIMEOUT", "0")
	local no_number = core.intcommand("TIMEOUT", "soon")
	local later = core.intcommand("TIMEOUT", 2)
	check.ok("sessions", soon > 0 and no_number > 0 and later > 0)
	check.ok("all come", check.wait(function() return #responses == 3 end))
	check.eq("with source 0, in order", responses, { { soon, 0 }, { no_number, 0 }, { later, 0 } })
end

function case.clock()
	local last = skynet.now()
	local backwards = 0
	for _ = 1, 200000 do
		local now = skynet.now()
		if now < last then
			backwards = backwards + 1
		end
		last = now
	end
	check.eq("never back", backwards, 0)
	local a, from = skynet.hpc(), skynet.now()
	skynet.sleep(20)
	local b, to = skynet.hpc(), skynet.now()
	check.ok("now and hpc agree", math.abs((b - a) / 1e7 - (to - from)) <= 2, (b - a) / 1e7 .. " " .. to - from)
end

-- The boundary of a sleep of n is n ticks from now, whatever part of a tick has passed.
function case.never_early()
	for _ = 1, 30 do
		for ticks = 1, 2 do
			local before = skynet.now()
			skynet.sleep(ticks)
			if skynet.now() - before < ticks then
				check.ok("early", false, skynet.now() - before)
			end
		end
	end
	check.ok("none early", true)
end

return check.main(role, case, ...)
