-- Random work, checked against a model. Drivers, which live on, make workers, which do not: they send to them and call
-- them, have them call each other, wait, fail, forget to answer, exit, and kill them in the middle of it.
--
-- Known all the time, and checked: a worker gets the numbered sends of each driver without a gap and without a
-- repetition; a call ends once, with its own answer or with an error that its fate explains; a cancelled timer never
-- runs and another runs once. At the end every call has ended, nobody waits, and the memory is back at its level.
local skynet = require "skynet"
local core = require "skynet.core"
local check = require "check"

local role, case = {}, {}

local DRIVERS, WORKERS, TASKS = 4, 8, 48

-- A worker: what it does with a request. Any of these may be cut short by its death.
function role.worker(limit)
	local last, kept = {}, {}
	local method = {}

	function method.number(source, n)
		local expected = (last[source] or 0) + 1
		if n ~= expected then
			check.ok("numbered send", false, ("got %d, want %d"):format(n, expected))
		end
		last[source] = n
	end

	function method.last(source)
		skynet.retpack(last[source] or 0)
	end

	function method.echo(_, ...)
		skynet.retpack(...)
	end

	function method.sleep(_, ticks, ...)
		skynet.sleep(ticks)
		skynet.retpack(...)
	end

	function method.keep(_, ...)
		kept[#kept + 1] = { skynet.response(), ... }
	end

	function method.release()
		for i = #kept, 1, -1 do
			kept[i][1](true, kept[i][2])
			kept[i] = nil
		end
	end

	function method.drop()
		skynet.response()
	end

	function method.forget()
	end

	function method.fail(_, what)
		error(what)
	end

	function method.call(_, to, ...)
		skynet.retpack(skynet.call(to, "lua", ...))
	end

	function method.pass(source, to, ...)
		local session = skynet.context()
		if not skynet.redirect(to, source, "lua", session, skynet.packstring("echo", ...)) then
			error "nobody takes it"
		end
		skynet.ignoreret()
	end

	function method.forks(_, n, x)
		local done, token = 0, {}
		for i = 1, n do
			skynet.fork(function()
				skynet.sleep(i % 2)
				done = done + 1
				if done == n then
					skynet.wakeup(token)
				end
			end)
		end
		skynet.wait(token)
		skynet.retpack(x)
	end

	function method.exit()
		skynet.exit()
	end

	function method.garbage()
		collectgarbage "step"
	end

	if limit then
		skynet.mqlimit(tonumber(limit), "refuse")
	end
	skynet.dispatch("lua", function(_, source, name, ...)
		method[name](source, ...)
	end)
	skynet.start(function() end)
end

-- Errors that the death or the limit of a worker explains.
local function explained(err)
	err = tostring(err)
	return err:find("call failed", 1, true) or err:find("call to invalid address", 1, true)
end

function role.driver(seed)
	math.randomseed(tonumber(seed))
	local random = math.random
	local workers, sent = {}, {}
	local begun, ended, deadlines, launched = 0, 0, 0, 0
	local running, stop = 0, false

	local function any()
		local list = workers
		return list[random(#list)]
	end

	local function launch(i)
		launched = launched + 1
		workers[i] = check.launch("worker", random(4) == 1 and 40 or nil)
	end

	-- A call that must end with its own answer, or with an explained error.
	local function call(f, answer, ...)
		begun = begun + 1
		local result = table.pack(pcall(f, ...))
		ended = ended + 1
		if result[1] then
			if answer ~= nil and result[2] ~= answer then
				check.ok("answer", false, ("got %s, want %s"):format(check.show(result[2]), check.show(answer)))
			end
		elseif not explained(result[2]) then
			if tostring(result[2]):find("call timeout", 1, true) then
				deadlines = deadlines + 1
			else
				check.ok("error", false, result[2])
			end
		end
		return result[1]
	end

	local unique = 0
	local function token()
		unique = unique + 1
		return unique
	end

	local action = {}

	function action.numbers()
		local to = any()
		for _ = 1, random(20) do
			local n = (sent[to] or 0) + 1
			if skynet.send(to, "lua", "number", n) == 0 then
				sent[to] = n
			end
		end
		local want = sent[to]
		if random(3) == 1 and want then
			begun = begun + 1
			local ok, last = pcall(skynet.call, to, "lua", "last")
			ended = ended + 1
			-- Others of this driver's tasks may have sent more meanwhile.
			local most = sent[to] or last
			if ok and (last < want or last > most) then
				check.ok("sends that arrived", false, ("got %d, want %d to %d"):format(last, want, most))
			end
		end
	end

	function action.echo()
		local x = token()
		call(skynet.call, x, any(), "lua", "echo", x, ("y"):rep(random(0, 300)))
	end

	function action.big()
		local x = ("z"):rep(random(1000, 20000)) .. token()
		call(skynet.call, x, any(), "lua", "echo", x)
	end

	function action.sleep()
		local x = token()
		call(skynet.call, x, any(), "lua", "sleep", random(0, 2), x)
	end

	function action.keep()
		local to, x = any(), token()
		skynet.timeout(random(0, 3), function()
			while skynet.send(to, "lua", "release") == false do
				skynet.sleep(1)
			end
		end)
		call(skynet.call, x, to, "lua", "keep", x)
	end

	function action.fail()
		local to = any()
		if call(skynet.call, nil, to, "lua", "fail", token()) then
			check.ok("a failing call", false, "it returned")
		end
	end

	function action.deadline()
		local x = token()
		call(skynet.timeoutcall, x, random(1, 3), any(), "lua", "sleep", random(0, 4), x)
	end

	-- These wait for the death of the worker; the deadline is for the case that this is a long time.
	function action.never_answered()
		call(skynet.timeoutcall, nil, 20, any(), "lua", ({ "drop", "forget", "keep" })[random(3)])
	end

	function action.nested()
		local x = token()
		call(skynet.call, x, any(), "lua", "call", any(), "call", any(), "echo", x)
	end

	function action.pass()
		local x = token()
		call(skynet.call, x, any(), "lua", "pass", any(), x)
	end

	function action.forks()
		local x = token()
		call(skynet.timeoutcall, nil, 300, any(), "lua", "forks", random(5), x)
	end

	function action.select()
		local request = skynet.request()
		local n = random(5)
		for _ = 1, n do
			local x = token()
			request { any(), "lua", ({ "echo", "sleep" })[random(2)], 1, x, want = x }
		end
		begun = begun + 1
		local seen = 0
		for req, resp in request:select(random(2) == 1 and random(1, 4) or nil) do
			seen = seen + 1
			if resp and resp[resp.n] ~= req.want then
				check.ok("select", false, check.show(resp))
			end
		end
		if seen ~= n and not request.timeout or seen > n then
			check.ok("select", false, ("%d of %d"):format(seen, n))
		end
		ended = ended + 1
	end

	function action.timers()
		local ran, cancelled = 0, nil
		local timer = skynet.timer(random(0, 30), function()
			ran = ran + 1
		end)
		if random(2) == 1 then
			skynet.sleepms(random(0, 30))
			cancelled = timer:cancel()
		end
		skynet.sleep(5)
		if cancelled ~= nil and (cancelled and ran ~= 0 or not cancelled and ran ~= 1) or ran > 1 then
			check.ok("timer", false, ("ran %d times, cancelled: %s"):format(ran, cancelled))
		end
	end

	function action.wakeups()
		local token = {}
		local result
		skynet.fork(function()
			result = skynet.sleep(random(0, 2), token)
		end)
		skynet.sleep(random(0, 2))
		local woken = skynet.wakeup(token)
		skynet.yield()
		if woken and result ~= "BREAK" then
			check.ok("wakeup", false, result)
		end
	end

	function action.death()
		local i = random(#workers)
		local to = workers[i]
		launch(i)
		if random(2) == 1 then
			skynet.kill(to)
		else
			skynet.send(to, "lua", "exit")
			-- A full mailbox may have refused that.
			skynet.timeout(20, function() skynet.kill(to) end)
		end
		sent[to] = nil
	end

	function action.garbage()
		skynet.send(any(), "lua", "garbage")
	end

	local names = {}
	for name in pairs(action) do
		names[#names + 1] = name
	end
	table.sort(names)

	local function work()
		running = running + 1
		while not stop do
			action[names[random(#names)]]()
			if random(10) == 1 then
				skynet.sleep(random(0, 1))
			end
		end
		running = running - 1
	end

	check.serve {
		begin = function()
			for i = 1, WORKERS do
				launch(i)
			end
			stop = false
			for _ = 1, TASKS do
				skynet.fork(work)
			end
		end,
		-- Ends all work; the workers die only afterwards for some, before for others.
		finish = function()
			stop = true
			for i = 1, WORKERS // 2 do
				skynet.kill(workers[i])
			end
			local quiet = check.wait(function() return running == 0 end)
			for _, to in ipairs(workers) do
				skynet.kill(to)
			end
			workers, sent = {}, {}
			skynet.sleep(30)
			collectgarbage()
			return quiet, skynet.task(), { begun = begun, ended = ended, deadlines = deadlines, launched = launched }
		end,
	}
end

local function resident()
	for line in io.lines "/proc/self/status" do
		local kilobytes = line:match "^VmRSS:%s+(%d+)"
		if kilobytes then
			return tonumber(kilobytes)
		end
	end
end

-- One round: everybody works for so many seconds, then everything is counted.
local function round(drivers, seconds)
	for _, driver in ipairs(drivers) do
		skynet.call(driver, "lua", "begin")
	end
	skynet.sleep(math.floor(seconds * 100))
	for i, driver in ipairs(drivers) do
		local quiet, waiting, count = skynet.call(driver, "lua", "finish")
		check.ok("every task of driver " .. i .. " ends", quiet)
		check.eq("every call ends, driver " .. i, count.ended, count.begun)
		-- The finishing request itself may sleep or wait in no session of its own.
		check.eq("nobody waits, driver " .. i, waiting, 0)
		check.emit(("driver %d: %d calls, %d deadlines, %d workers"):format(i, count.begun, count.deadlines, count.launched))
		check.ok("there was work, driver " .. i, count.begun > 100 and count.launched > WORKERS)
	end
	collectgarbage()
	skynet.sleep(10)
	return resident()
end

-- Config: seconds, seed.
function case.random_services()
	local seconds, seed = tonumber(skynet.getenv "seconds"), tonumber(skynet.getenv "seed")
	check.emit("seed ", seed)
	local drivers = {}
	for i = 1, DRIVERS do
		drivers[i] = check.spawn("driver", seed + i)
	end
	local before = round(drivers, seconds / 3)
	local after = round(drivers, seconds * 2 / 3)
	check.emit(("resident: %d KB, then %d KB"):format(before, after))
	check.ok("the memory is back at its level", after - before < 20000, before .. " -> " .. after)
	-- Nothing was left behind by a half-finished death: all that live are the eight of a node that starts (logger,
	-- bootstrap, launcher, cdummy, harbor, datacenterd, service_mgr, this one), the drivers, and the last one.
	local alive, last = 0, check.launch "worker"
	for handle = 1, last do
		if core.send(handle, 20, 0, "are you there?") ~= nil then
			alive = alive + 1
		end
	end
	check.eq("no worker is left", alive, 8 + DRIVERS + 1)
end

return check.main(role, case, ...)
