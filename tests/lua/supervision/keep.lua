-- Children that are started anew in place: same handle, names and mailbox.
local skynet = require "skynet"
local supervisor = require "skynet.supervisor"
local check = require "check"

local role, case = {}, {}

-- A child counts what it has handled. `how`: "slow" takes its time to start, "once" starts only once.
function role.child(id, how)
	local generation = 1
	while skynet.getenv(("%s %d"):format(id, generation)) do
		generation = generation + 1
	end
	skynet.setenv(("%s %d"):format(id, generation), "was there")
	local n, method = 0, {}
	function method.add()
		n = n + 1
		skynet.retpack(n, generation, skynet.self())
	end
	function method.slow(cs)
		skynet.sleep(tonumber(cs))
		skynet.retpack "done"
	end
	function method.late(name)
		-- The answer comes when the caller has fallen.
		skynet.retpack(skynet.call(name, "lua", "slow", 30))
	end
	function method.busy(ms)
		local stop = skynet.hpc() + ms * 1000000
		while skynet.hpc() < stop do
		end
		skynet.retpack()
	end
	function method.fail()
		error "a handler fails"
	end
	function method.exit()
		skynet.exit()
	end
	function method.lock()
		require("skynet.core").callback(function() end)
		skynet.retpack()
	end
	skynet.start(function()
		if how == "slow" then
			skynet.sleep(20)
		elseif how == "once" and generation > 1 then
			error "it does not start again"
		end
		skynet.dispatch("lua", function(_, _, name, ...)
			method[name](...)
		end)
	end)
end

function role.supervisor(strategy, intensity, backoff, ...)
	local spec = { strategy = strategy, intensity = tonumber(intensity), period = 100, backoff = { tonumber(backoff) } }
	for n, child in ipairs { ... } do
		local id, how = child:match "^(%a+):?(%a*)$"
		spec[n] = { id = id, service = SERVICE_NAME, args = { "child", id, how }, name = "." .. id, keep = true, fatal = true,
			restart = how == "transient" and "transient" or "permanent" }
	end
	skynet.start(function()
		supervisor.start(spec)
	end)
end

local function child(sup, id)
	for _, one in ipairs(supervisor.children(sup)) do
		if one.id == id then
			return one
		end
	end
end

local function state_is(sup, id, state)
	return check.wait(function()
		return child(sup, id).state == state
	end)
end

-- Each way to end: the next one has the same handle, and nothing of the state of the one before.
function case.same_place()
	local sup = check.spawn("supervisor", "one_for_one", 100, 0, "a")
	local handle = skynet.localname ".a"
	local ends = 0
	skynet.watch(handle, function()
		ends = ends + 1
	end)
	local ways = {
		function() skynet.kill(handle) end,
		function() skynet.send(handle, "lua", "exit") end,
		function() skynet.send(handle, "lua", "fail") end,
		function() supervisor.restart(sup, "a") end,
	}
	for n, way in ipairs(ways) do
		check.eq("before", { skynet.call(handle, "lua", "add") }, { 1, n, handle })
		check.eq("it counts", { skynet.call(handle, "lua", "add") }, { 2, n, handle })
		way()
		check.ok("again", check.wait(function()
			return child(sup, "a").restarts >= n - 1 and child(sup, "a").state == "running"
				and skynet.getenv("a " .. n + 1)
		end))
		check.eq("its name", skynet.localname ".a", handle)
	end
	check.eq("nobody hears of an end", ends, 0)
	local known = skynet.call(".launcher", "lua", "LIST")[skynet.address(handle)]
	check.ok("the launcher knows it", known and known:find "child a", known)
end

-- What had begun fails; what waits is answered by the next one, while that one starts, too.
function case.begun_and_waiting()
	local sup = check.spawn("supervisor", "one_for_one", 100, 50, "a:slow")
	local begun, waiting = {}, {}
	for n = 1, 5 do
		skynet.fork(function()
			begun[n] = pcall(skynet.call, ".a", "lua", "slow", 10000)
		end)
	end
	skynet.sleep(1)
	skynet.kill ".a"
	for n = 1, 5 do
		skynet.fork(function()
			waiting[n] = table.pack(pcall(skynet.call, ".a", "lua", "add"))
		end)
	end
	check.ok("all have an answer", check.wait(function()
		return #begun == 5 and #waiting == 5
	end))
	check.eq("those begun fail", begun, { false, false, false, false, false })
	for n = 1, 5 do
		check.eq("in their order, by the next one", { table.unpack(waiting[n], 1, 3) }, { true, n, 2 })
	end
	skynet.kill(sup)
end

-- Answers to the one that has fallen do not confuse the next one.
function case.old_answers()
	check.spawn("supervisor", "one_for_one", 100, 0, "a", "b")
	for _ = 1, 3 do
		local ok
		skynet.fork(function()
			ok = pcall(skynet.call, ".a", "lua", "late", ".b")
		end)
		skynet.sleep(5)
		skynet.kill ".a"
		check.eq("a call of the next one", skynet.call(".a", "lua", "late", ".b"), "done")
		check.eq("the one before has failed", ok, false)
	end
end

-- Those whom the strategy concerns fall, too.
function case.strategy()
	local sup = check.spawn("supervisor", "one_for_all", 100, 0, "a", "b")
	local a, b = skynet.localname ".a", skynet.localname ".b"
	skynet.call(b, "lua", "add")
	skynet.kill(a)
	check.ok("both are started again", check.wait(function()
		return child(sup, "a").restarts == 1 and child(sup, "b").restarts == 1
	end))
	check.eq("b is a new one, in its place", { skynet.call(".b", "lua", "add") }, { 1, 2, b })
	check.eq("a as well", { skynet.call(".a", "lua", "add") }, { 1, 2, a })
end

-- A place that nobody takes again is given up, and who waits there hears of it.
function case.given_up()
	local sup = check.spawn("supervisor", "one_for_one", 2, 20, "a:once")
	local handle = skynet.localname ".a"
	skynet.kill(handle)
	check.fails("who waits", "call failed", skynet.call, handle, "lua", "add")
	check.ok("the supervisor ends", check.dead(sup))
	check.ok("and the child", check.dead(handle))

	sup = check.spawn("supervisor", "one_for_one", 2, 0, "b:transient")
	handle = skynet.localname ".b"
	skynet.send(handle, "lua", "exit")
	check.ok("a transient one that exits goes", check.dead(handle))
	check.eq("and is not started again", child(sup, "b").state, "ended")

	-- It lies while its supervisor ends.
	sup = check.spawn("supervisor", "one_for_one", 2, 100000, "c")
	handle = skynet.localname ".c"
	skynet.kill(handle)
	state_is(sup, "c", "waiting")
	skynet.kill(sup)
	check.fails("who waits", "call failed", skynet.call, handle, "lua", "add")
	check.ok("no orphan", check.dead(handle))

	sup = check.spawn("supervisor", "one_for_one", 2, 100000, "d", "e")
	local d, e = skynet.localname ".d", skynet.localname ".e"
	skynet.kill(d)
	state_is(sup, "d", "waiting")
	supervisor.remove(sup, "d")
	supervisor.remove(sup, "e")
	check.ok("removed while it lies", check.dead(d))
	check.ok("removed while it runs", check.dead(e))
end

-- A service with a message function of its own goes, and another one takes its place.
function case.callback()
	local sup = check.spawn("supervisor", "one_for_one", 100, 0, "a")
	local handle = skynet.localname ".a"
	pcall(skynet.timeoutcall, 10, handle, "lua", "lock")
	skynet.kill(handle)
	check.ok("it goes", check.dead(handle))
	check.ok("another one", check.wait(function()
		local now = child(sup, "a").handle
		return now and now ~= handle
	end))
end

-- Callers that never wait for long, while the child falls again and again. Each request is answered once or fails once;
-- those that fail are not more than had begun.
function case.under_load()
	local sup = check.spawn("supervisor", "one_for_one", 1000, 0, "a")
	local handle = skynet.localname ".a"
	local CALLERS <const>, FALLS <const> = 50, 30
	local answered, failed, sent, running, stop = 0, 0, 0, CALLERS, false
	local seen = {} -- generation -> n -> true
	local doubled
	for _ = 1, CALLERS do
		skynet.fork(function()
			while not stop do
				sent = sent + 1
				local ok, n, generation = pcall(skynet.call, handle, "lua", "add")
				if ok then
					answered = answered + 1
					local numbers = seen[generation] or {}
					seen[generation] = numbers
					doubled = doubled or numbers[n]
					numbers[n] = true
				else
					failed = failed + 1
				end
			end
			running = running - 1
		end)
	end
	local slow_failed, slow = 0, 0
	for _ = 1, FALLS do
		skynet.sleep(2)
		for _ = 1, 3 do
			slow = slow + 1
			skynet.fork(function()
				local ok = pcall(skynet.call, handle, "lua", "slow", 100000)
				slow_failed = slow_failed + (ok and 0 or 1)
			end)
		end
		skynet.yield()
		skynet.call(handle, "lua", "add")
		skynet.kill(handle)
		skynet.call(handle, "lua", "add") -- the next one is there
	end
	stop = true
	check.ok("every caller goes on to its end", check.wait(function()
		return running == 0 and slow_failed == slow
	end))
	check.eq("each has one result", answered + failed, sent)
	check.eq("what waits is never lost", failed, 0)
	check.eq("those begun fail, once each", slow_failed, slow)
	check.eq("none is handled twice", doubled, nil)
	check.eq("as many as it has fallen", child(sup, "a").restarts, FALLS)
	check.ok("under load", answered > 1000, answered)
	print(("%d requests answered, %d falls"):format(answered, FALLS))
end

-- What supervisors are made of.
function case.kept_by_hand()
	local core = require "skynet.core"
	local told = {}
	local session = core.notices(function(handle, msg, sz)
		table.insert(told, { handle, core.tostring(msg, sz):match "^%S+" })
	end)
	local handle = check.spawn("child", "h")
	local function after(n)
		check.wait(function()
			return told[n]
		end)
		return told[n]
	end
	core.keep(handle, session)
	skynet.kill(handle)
	check.eq("it has fallen", after(1), { handle, "kill" })
	core.revive(handle)
	check.eq("it is up", after(2), { handle, "up" })
	check.eq("a new one", { skynet.call(handle, "lua", "add") }, { 1, 2, handle })
	core.keep(handle, 0)
	skynet.kill(handle)
	check.ok("it ends as others do", check.dead(handle))
	check.eq("nobody is told", #told, 2)
end

function case.keep_specs()
	for _, what in ipairs { "module", "supervisor" } do
		check.fails(what, "keep is for services, not for a " .. what, supervisor.start, { { id = "a", [what] = "x", keep = true } })
	end
	check.fails("a boolean", "child 'a': keep = 1: expected is true or false", supervisor.start,
		{ { id = "a", service = "x", keep = 1 } })
end

return check.main(role, case, ...)
