-- Coroutines of the dispatcher that the application resumes, closes and kills by itself: Lua's idea of their state
-- counts.
local skynet = require "skynet"
require "skynet.manager"
local check = require "check"

local role, case = {}, {}

local function deep(n) if n == 0 then return 0 end return 1 + deep(n - 1) end

-- Runs f in a task of which the coroutine is given back, up to its first wait.
local function task(f, ...)
	local co = skynet.fork(f, ...)
	skynet.yield()
	return co
end

-- Memory that a coroutine has given back by mistake is used by others then.
local function churn()
	local t = {}
	for i = 1, 200 do t[i] = coroutine.create(function() end) end
	for i = 1, 200 do t[i] = { i, t } end
	collectgarbage()
end

function case.kill_below()
	local said, closed, after = {}, 0, nil
	for round = 1, 20 do
		local a
		a = task(function()
			local kept = { {}, {}, {} }
			local _ <close> = setmetatable({}, { __close = function() closed = closed + 1 end })
			deep(100)
			skynet.sleep(100000)
			said[round] = { pcall(coroutine.wrap(function() return skynet.killthread(a) end)) }
			churn()
			return deep(50) + #kept
		end)
		after = table.pack(coroutine.resume(a, true))
		churn()
	end
	check.ok("it is not closed", tostring(said[20][2]):find("cannot close a normal coroutine", 1, true), said[20][2])
	check.eq("it ends as it likes", after, { true, 53, n = 2 })
	check.eq("once", closed, 20)
	check.eq("and waits for nothing any more", skynet.task(), 0)
end

function case.kill_itself()
	local a, reached
	a = task(function()
		local _ <close> = setmetatable({}, { __close = function() reached = "closed" end })
		skynet.sleep(100000)
		skynet.killthread(a)
		reached = "went on"
	end)
	check.eq("it has ended for who has resumed it", { coroutine.resume(a, true) }, { true })
	check.eq("closed", reached, "closed")
	check.eq("status", coroutine.status(a), "dead")
	check.eq("it waits for nothing", skynet.task(), 0)
	check.returns("the running task does not kill itself", {}, skynet.killthread, (coroutine.running()))
end

function role.patient(how)
	local method = {}
	skynet.dispatch("lua", function(_, _, name, ...) method[name](...) end)
	local held
	function method.hold()
		held = coroutine.running()
		skynet.wait "for ever"
		if how == "answers" then skynet.retpack "late" end
		if how == "fails" then error "by hand" end
		if how == "closes_itself" then coroutine.close(held) end
	end
	function method.go()
		if how == "is_closed" then
			skynet.retpack(coroutine.close(held))
		else
			local ok, err = coroutine.resume(held, true)
			-- What it does belongs to this request, and this one is to be answered still.
			skynet.retpack(ok, err and tostring(err):match "by hand")
		end
	end
	skynet.start(function() end)
end

-- Requests whose handler ends by hand are answered one way or the other, and so is that of the one who did it.
function case.requests()
	for how, expected in pairs {
		answers = { "call", "late" }, fails = { "failed" }, closes_itself = { "failed" }, is_closed = { "failed" },
		forgets = {},
	} do
		local s = check.spawn("patient", how)
		local first
		skynet.fork(function()
			local ok, result = pcall(skynet.call, s, "lua", "hold")
			first = ok and { "call", result } or { tostring(result):match "call (failed)" }
		end)
		skynet.yield()
		local second = { pcall(skynet.call, s, "lua", "go") }
		if how == "answers" then
			-- `ret` answers the request that the dispatcher runs: it was that of `go`.
			check.eq(how .. ": who resumes", second, { true, "late" })
			skynet.kill(s)
		elseif how == "fails" then
			check.eq(how .. ": who resumes", second, { true, false, "by hand" })
		else
			check.eq(how .. ": who resumes", second, { true, true })
			if how == "forgets" then skynet.kill(s) end
		end
		check.ok(how .. ": the other hears of it", check.wait(function() return first end))
		check.eq(how .. ": and what", first, how == "answers" and { "failed" } or how == "forgets" and { "failed" } or expected)
	end
end

function role.leaver(how)
	skynet.start(function()
		local a = skynet.fork(function()
			local _ <close> = setmetatable({}, { __close = function() skynet.error("leaver closed: resumed") end })
			skynet.sleep(100000)
			skynet.exit()
			skynet.error "leaver went on"
		end)
		local other = skynet.fork(function()
			local _ <close> = setmetatable({}, { __close = function() skynet.error("leaver closed: other") end })
			skynet.sleep(100000)
		end)
		skynet.timeout(1, function()
			local _ <close> = setmetatable({}, { __close = function() skynet.error("leaver closed: resumer") end })
			if how == "plain" then
				coroutine.resume(a, true)
			else
				coroutine.wrap(function() coroutine.resume(a, true) end)()
			end
			skynet.error "leaver went on"
		end)
	end)
end

-- `exit` in such a coroutine ends the service.
function case.exit()
	for _, how in ipairs { "plain", "wrapped" } do
		local s = check.spawn("leaver", how)
		check.ok(how .. ": the service has gone", check.wait(function() return check.dead(s) end))
	end
end

-- A coroutine that has not begun is begun by hand with the arguments that it got, and the dispatcher does not begin it
-- again.
function case.begin()
	local log = {}
	local a = skynet.fork(function(...)
		log[#log + 1] = { ... }
		log[#log + 1] = { coroutine.yield "yielded" }
		log[#log + 1] = "end"
	end, 1, 2, 3)
	check.eq("begun", { coroutine.resume(a, 4) }, { true, "yielded" })
	skynet.yield()
	check.eq("it went on, when its turn came, with nothing", log, { { 1, 2, 3, 4 }, {}, "end" })
	local ran = 0
	a = skynet.fork(function() ran = ran + 1 end, 1, 2, 3)
	check.eq("done", { coroutine.resume(a) }, { true })
	skynet.yield()
	check.eq("once", ran, 1)
	a = skynet.timeout(1, function(...) ran = select("#", ...) end)
	check.eq("a timer", { coroutine.resume(a, "x") }, { true })
	skynet.sleep(3)
	check.eq("with what it was given", ran, 1)
	local values = {}
	a = skynet.timeout(1, function() values[1] = table.pack(coroutine.yield()) end)
	coroutine.resume(a)
	skynet.sleep(3)
	check.eq("a timer that was begun goes on", #values, 1)
	a = skynet.fork(function() ran = "never" end, 1, 2)
	check.eq("closed", { coroutine.close(a) }, { true })
	skynet.yield()
	check.eq("it did not run", ran, 1)
end

-- Sleeping, waking and tokens of a coroutine that another task has resumed are that task's.
function case.sleeping()
	local log = {}
	local a
	a = task(function()
		log[#log + 1] = skynet.sleep(100000) or "no word"
		log[#log + 1] = skynet.sleep(1) or "expired"
		log[#log + 1] = skynet.sleep(100000) or "expired"
	end)
	local r = skynet.fork(function() coroutine.resume(a) log[#log + 1] = "after" end)
	skynet.sleep(5)
	check.eq("it went on, and the one who resumed it waits", log, { "no word", "expired" })
	check.eq("its name is free for the third sleep", skynet.wakeup(a), true)
	skynet.yield()
	check.eq("woken", log, { "no word", "expired", "BREAK", "after" })
	check.returns("nobody sleeps under it", {}, skynet.wakeup, a)
	check.returns("nor under the other's", {}, skynet.wakeup, r)
end

-- Wakeups, kills and closings in any order leave nobody running twice.
function case.woken()
	local runs = 0
	local a = task(function() skynet.wait "token" runs = runs + 1 end)
	skynet.wakeup "token"
	coroutine.resume(a)
	skynet.yield()
	check.eq("woken and resumed", runs, 1)
	a = task(function() skynet.sleep(100000) runs = runs + 1 end)
	skynet.wakeup(a)
	check.eq("closed", { coroutine.close(a) }, { true })
	check.returns("then killed", {}, skynet.killthread, a)
	skynet.yield()
	check.eq("woken and closed", runs, 1)
	a = task(function() skynet.sleep(100000) runs = runs + 1 end)
	skynet.wakeup(a)
	check.returns("killed", { a }, skynet.killthread, a)
	check.eq("closed after it was killed", { coroutine.close(a) }, { true })
	check.eq("resumed after it was killed", { coroutine.resume(a) }, { false, "cannot resume dead coroutine" })
	for _ = 1, 10 do skynet.fork(function() skynet.sleep(1) end) end
	skynet.sleep(3)
	check.eq("woken and killed", runs, 1)
	check.eq("nothing is left", skynet.task(), 0)
end

-- What a killed coroutine closes may kill, close and list as well.
function case.while_closing()
	local a, said
	a = task(function()
		local _ <close> = setmetatable({}, { __close = function()
			said = {
				pcall(skynet.killthread, a), pcall(coroutine.close, a), (pcall(coroutine.resume, a)), skynet.killthread "thread: 0xnone",
			}
			skynet.task {}
			skynet.fork(function() end)
			churn()
		end })
		skynet.sleep(100000)
	end)
	check.returns("killed", { a }, skynet.killthread, a)
	check.ok("closing was refused meanwhile", said and said[1])
	skynet.yield()
	check.eq("nothing is left", skynet.task(), 0)
	-- A thread's name may be made by the application, who kills it while its name is compared.
	local victims = {}
	for i = 1, 5 do victims[i] = task(function() skynet.sleep(100000) end) end
	local busy
	debug.setmetatable(victims[1], { __tostring = function(co)
		if not busy then
			busy = true
			for i = 1, 5 do skynet.killthread(victims[i]) end
			busy = false
		end
		return "some thread"
	end })
	skynet.killthread "some thread"
	debug.setmetatable(victims[1], nil)
	for _ = 1, 20 do skynet.fork(function() skynet.sleep(1) churn() end) end
	skynet.sleep(5)
	check.eq("all were killed", skynet.task(), 0)
end

-- A coroutine may close itself, but not what is below a function that waits for it to return.
function case.close_running()
	local before = collectgarbage "count"
	local ended
	skynet.fork(function()
		local _ <close> = setmetatable({}, { __close = function() ended = "closed" end })
		coroutine.close()
		ended = "went on"
	end)
	skynet.yield()
	check.eq("the running task", ended, "closed")
	local function refused(name, f)
		local said
		skynet.fork(function() said = { pcall(f) } end)
		skynet.yield()
		check.ok(name, said and said[1] == false and tostring(said[2]):find "boundary", said and said[2])
	end
	local function close() coroutine.close(coroutine.running()) end
	refused("while packing", function()
		skynet.pack(setmetatable({}, { __pairs = function() close() end }))
	end)
	check.eq("packing goes on", (skynet.unpack(skynet.packstring "x")), "x")
	refused("in a comparison of the library", function() table.sort({ 1, 2, 3 }, function() close() end) end)
	refused("in a closing variable", function()
		coroutine.close(coroutine.create(function() end))
		local _ <close> = setmetatable({}, { __close = function() end })
		local co = coroutine.create(function()
			local _ <close> = setmetatable({}, { __close = function() close() end })
			coroutine.yield()
		end)
		coroutine.resume(co)
		local ok, err = coroutine.close(co)
		if not ok then error(err) end
	end)
	skynet.dispatch_unknown_request(function() close() end)
	refused("in a dispatcher's function", function()
		skynet.dispatch_message(99, nil, 0, 0, skynet.self())
	end)
	check.fails("arguments", "bad argument #1 to 'coroutine.close' (coroutine expected", coroutine.close, 1)
	check.ok("memory", collectgarbage "count" < before + 1000)
	-- Whoever waits for an answer of it hears of its end.
	local s = check.spawn "closer"
	check.fails("its request", "call failed", skynet.call, s, "lua")
end

function role.closer()
	skynet.start(function()
		skynet.dispatch("lua", function() coroutine.close((coroutine.running())) end)
	end)
end

-- Messages that the application dispatches from inside a task, while coroutines of the dispatcher are on the way to it.
function case.dispatched_inside()
	local a, log = nil, {}
	a = task(function()
		skynet.sleep(100000)
		local session = skynet.task(a)
		log[#log + 1] = tostring(select(2, pcall(skynet.dispatch_message, skynet.PTYPE_RESPONSE, nil, 0, session, 0)))
		deep(100)
		churn()
		log[#log + 1] = skynet.sleep(1) or "slept"
	end)
	check.eq("resumed", { coroutine.resume(a) }, { true })
	check.ok("it is not resumed again", log[1]:find("cannot resume non-suspended coroutine", 1, true), log[1])
	check.eq("and goes on", log[2], "slept")
	local b
	b = task(function()
		skynet.sleep(100000)
		skynet.dispatch_message(skynet.PTYPE_LUA, skynet.pack "kill")
		skynet.sleep(1)
		log[#log + 1] = "unharmed"
	end)
	skynet.dispatch("lua", function(_, _, what)
		log[#log + 1] = tostring(select(2, pcall(skynet.killthread, b)))
	end)
	coroutine.resume(b)
	check.ok("nor killed", log[3]:find("cannot close a normal coroutine", 1, true), log[3])
	check.eq("it goes on", log[4], "unharmed")
end

-- Anything in any order, in services of which everything may be killed, and that may leave: what counts is that the
-- node lives.
function case.hammer()
	local seeds = tonumber(skynet.getenv "seeds" or 12)
	for seed = 1, seeds do
		local s = check.launch("hammered", seed)
		check.ok("seed " .. seed, check.wait(function()
			if check.dead(s) then return true end
			local ok, rounds = pcall(skynet.call, s, "debug", "INFO")
			return ok and rounds == 60
		end))
		skynet.kill(s)
	end
end

function role.hammered(seed)
	local random = math.random
	math.randomseed(tonumber(seed), 1)
	local known, budget = { coroutine.create(function() end) }, 0
	local act
	local function any() return known[random(#known)] end
	local function note(co) known[random(#known < 40 and #known + 1 or 40)] = co end
	local function acts(n)
		for _ = 1, random(n) do
			if budget > 0 then
				budget = budget - 1
				act()
			end
		end
	end
	local function body(...)
		local _ <close> = setmetatable({}, { __close = function() if random(4) == 1 then acts(3) end end })
		if random(5) == 1 then error "a failure" end
		acts(6)
		deep(random(60))
		return ...
	end
	local ways = {
		function() note(skynet.fork(body, 1, 2, nil)) end,
		function() skynet.fork(body) end,
		function() note(skynet.timeout(random(0, 2), body)) end,
		function() note((coroutine.running())) end,
		function() note(coroutine.create(body)) end,
		function() coroutine.wrap(body)() end,
		function() coroutine.resume(any(), random(9)) end,
		function() coroutine.resume(any()) end,
		function() skynet.killthread(any()) end,
		function() coroutine.wrap(function() skynet.killthread(any()) end)() end,
		function() coroutine.close(any()) end,
		function() if random(6) == 1 then coroutine.close() end end,
		function() skynet.wakeup(any()) end,
		function() skynet.wakeup(random(3)) end,
		function() skynet.sleep(random(0, 2)) end,
		function() skynet.sleep(random(0, 2), any()) end,
		function() skynet.wait(random(3)) end,
		function() skynet.wait(any()) end,
		function() skynet.yield() end,
		function() coroutine.yield "SUSPEND" end,
		function() coroutine.yield(random(2) == 1 and "USER" or nil) end,
		function() skynet.call(skynet.self(), "lua", random(9)) end,
		function() skynet.timeoutcall(random(0, 1), skynet.self(), "lua", random(9)) end,
		function() skynet.send(skynet.self(), "lua", random(9)) end,
		function() skynet.retpack(random(9)) end,
		function() skynet.response() end,
		function() skynet.term(skynet.self()) end,
		function() skynet.task {} end,
		function() skynet.killthread(tostring(any()):sub(1, -2)) end,
		function() table.sort({ 3, 1, 2 }, function() acts(2) return false end) end,
		function() string.gsub("abc", ".", function() acts(1) end) end,
		function() setmetatable({}, { __gc = function() acts(3) end }) end,
		function() skynet.dispatch_message(skynet.PTYPE_LUA, skynet.pack(1)) end,
		function() skynet.dispatch_message(skynet.PTYPE_RESPONSE, nil, 0, skynet.task(any()) or 1, 0) end,
		function() skynet.packstring(setmetatable({}, { __pairs = function() acts(2) return next, {} end })) end,
		function() collectgarbage(random(2) == 1 and "step" or "collect") end,
		function() if random(400) == 1 then skynet.exit() end end,
		churn,
	}
	act = function() pcall(ways[random(#ways)]) end
	skynet.dispatch("lua", function(_, _, ...)
		acts(4)
		if random(2) == 1 then skynet.retpack(...) end
	end)
	local rounds = 0
	skynet.info_func(function() return rounds end)
	-- Started by messages, which nobody can kill.
	skynet.register_protocol { name = "round", id = 100, unpack = function() end, dispatch = function()
		if rounds == 60 then return end
		rounds, budget = rounds + 1, 200
		skynet.send(skynet.self(), "round", "", 0)
		for _ = 1, 8 do skynet.send(skynet.self(), "lua", rounds) end
		acts(20)
	end, pack = function(...) return ... end }
	skynet.start(function() skynet.send(skynet.self(), "round", "", 0) end)
end

return check.main(role, case, ...)
