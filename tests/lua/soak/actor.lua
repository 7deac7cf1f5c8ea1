-- An actor of the soak test: does random things with its peers, and keeps a ledger of them.
--
-- Every message between actors carries a number, counted by the sender for each receiver; the receiver insists on the
-- next number, so a lost, doubled or overtaking message shows at once. A message is `number, what, ticket, ...`, and an
-- answer begins with the ticket of its request, so that one which goes to the wrong call shows too. The last messages
-- of a pair are checked by soak/main, which compares the two ledgers when all is quiet.
--
-- Arguments: identity, seed, handle of soak/main, kind. A "leaf" only answers, or not: it may forget requests, because
-- soak/main kills it. A "veteran" lives for the whole run. A "broken" one does not even start.
local skynet = require "skynet"
require "skynet.manager"

local id, seed, boss, kind = ...
math.randomseed(tonumber(seed))
boss = tonumber(boss)

local random = math.random
local peers, leaves = {}, {}
local sent, received = {}, {}
local total = { sends = 0, calls = 0, answered = 0, failed = 0, late = 0, killed = 0, refused = 0, handled = 0, wakeups = 0, timers = 0,
	closed = 0 }
local open, drivers, tickets = 0, 0, 0
-- Calls that have not ended: ticket to description.
local asking = {}
local kept, sleepers = {}, {}
local quiet = false

local function fail(...)
	io.stdout:write("FAIL ", id, ": ", table.concat({ ... }, " "), "\n")
	io.stdout:flush()
end

-- Sending

local function one_of(list)
	return list[random(#list)]
end

local function number(to)
	local n = (sent[to] or 0) + 1
	sent[to] = n
	return n
end

-- A refused message did not go out: its number is free again. Nothing ran in between.
local function refused(to)
	sent[to] = sent[to] - 1
	total.refused = total.refused + 1
end

local function ticket()
	tickets = tickets + 1
	return id .. "/" .. tickets
end

local function tell(to, ...)
	local result = skynet.send(to, "lua", number(to), ...)
	if result then
		total.sends = total.sends + 1
	else
		refused(to)
	end
end

-- Calls whose coroutine is killed end as well: `left` runs then.
local function entered(mine, to, what)
	asking[mine] = what .. " to " .. skynet.address(to)
	open = open + 1
	total.calls = total.calls + 1
	local ended = false
	local left = setmetatable({}, { __close = function()
		asking[mine] = nil
		open = open - 1
		if not ended then
			total.killed = total.killed + 1
		end
	end })
	return left, function() ended = true end
end

local function outcome(mine, ok, got, ...)
	if ok then
		total.answered = total.answered + 1
		if got ~= mine then
			fail("the answer to", mine, "is", tostring(got))
		end
		return ...
	end
	got = tostring(got)
	if got:find("call timeout", 1, true) then
		total.late = total.late + 1
	elseif got:find("call failed", 1, true) or got:find("call to invalid address", 1, true) then
		total.failed = total.failed + 1
	else
		fail("call", mine, "ended with", got)
	end
end

-- cs: deadline or false
local function ask(to, cs, what, ...)
	local mine = ticket()
	local left <close>, ended = entered(mine, to, what)
	local n = number(to)
	local ok, got, extra
	if cs then
		ok, got, extra = pcall(skynet.timeoutcall, cs, to, "lua", n, what, mine, ...)
	else
		ok, got, extra = pcall(skynet.call, to, "lua", n, what, mine, ...)
	end
	ended()
	if not ok and (tostring(got):find("is full (limit", 1, true) or tostring(got):find("invalid address", 1, true)) then
		refused(to)
	end
	return outcome(mine, ok, got, extra)
end

-- A table of some size, and what its numbers add up to.
local function big(depth)
	local t, sum = {}, 0
	for i = 1, random(30) do
		t[i] = i * depth
		sum = sum + t[i]
	end
	t.text = ("x"):rep(random(0, 2000))
	if depth > 1 then
		for i = 1, random(3) do
			local inner, n = big(depth - 1)
			t["inner" .. i] = inner
			sum = sum + n
		end
	end
	return t, sum
end

local function add_up(t)
	local sum = 0
	for _, v in pairs(t) do
		if type(v) == "number" then
			sum = sum + v
		elseif type(v) == "table" then
			sum = sum + add_up(v)
		end
	end
	return sum
end

-- Receiving

local handle = {}

function handle.note() end

function handle.echo(mine, ...)
	skynet.retpack(mine, ...)
end

function handle.big(mine, t, sum)
	if add_up(t) ~= sum then
		fail("a table arrived changed")
	end
	skynet.retpack(mine, t)
end

function handle.later(mine, cs)
	skynet.sleep(cs)
	skynet.retpack(mine)
end

function handle.keep(mine)
	kept[#kept + 1] = { skynet.response(), mine }
end

function handle.respond(mine)
	local respond = skynet.response()
	skynet.fork(function()
		skynet.sleep(random(0, 2))
		respond(true, mine)
	end)
end

function handle.deny()
	skynet.response()(false)
end

function handle.drop()
	skynet.response()
end

function handle.raise()
	error "as told"
end

function handle.raise_table()
	local closed <close> = setmetatable({}, { __close = function() total.closed = total.closed + 1 end })
	skynet.yield()
	error(setmetatable({}, { __tostring = function() return "as told, a table" end }))
end

function handle.forget() end

function handle.pass(mine, to)
	local session, source = skynet.context()
	if random(2) == 1 then
		skynet.ignoreret()
		skynet.redirect(to, source, "lua", session, skynet.packstring(false, "echo", mine))
	else
		skynet.redirect(to, source, "lua", session, skynet.packstring(false, "echo", mine))
		skynet.ignoreret()
	end
end

function handle.through(mine, to)
	ask(to, false, "later", 1)
	skynet.retpack(mine)
end

local function settle()
	local list = kept
	kept = {}
	for _, k in ipairs(list) do
		if k[1] "TEST" then
			k[1](random(5) > 1, k[2])
		end
	end
end

-- The orders of soak/main, which have no number.
local order = {}

function order.peers(p, l)
	peers, leaves = p, l
end

function order.quiet()
	quiet = true
	skynet.retpack()
end

function order.status()
	settle()
	collectgarbage()
	collectgarbage()
	skynet.retpack { open = open, drivers = drivers, tasks = skynet.task(), queue = skynet.mqlen(), asking = asking }
end

function order.ledger()
	skynet.retpack(id, sent, received, total)
end

-- A veteran begins a new round.
function order.again()
	sent, received = {}, {}
	for k in pairs(total) do
		total[k] = 0
	end
	collectgarbage()
	collectgarbage()
	skynet.retpack(collectgarbage "count")
end

local function leave()
	-- The calls that are under way end with the service.
	total.calls = total.calls - open
	skynet.send(boss, "lua", "bye", id, sent, total)
	skynet.exit()
end

function order.leave()
	leave()
end

function handle.leave(mine)
	if kind == "actor" and not quiet then
		leave()
	end
	skynet.retpack(mine)
end

skynet.dispatch("lua", function(_, source, n, what, ...)
	if not n then
		return handle[what](...)
	elseif math.type(n) ~= "integer" then
		return order[n](what, ...)
	end
	total.handled = total.handled + 1
	local last = received[source] or 0
	if n ~= last + 1 then
		fail(("message %d of :%08x came after %d"):format(n, source, last))
	end
	received[source] = n
	return handle[what](...)
end)

-- Acting

local function some_request()
	local r = random(100)
	if r <= 40 then
		return "echo", random(1000), "some text"
	elseif r <= 50 then
		return "big", big(3)
	elseif r <= 60 then
		return "later", random(0, 3)
	elseif r <= 70 then
		return "respond"
	elseif r <= 78 then
		return "keep"
	elseif r <= 84 then
		return "pass", one_of(peers)
	elseif r <= 90 then
		return "through", one_of(peers)
	elseif r <= 93 then
		return "deny"
	elseif r <= 95 then
		return "drop"
	elseif r <= 97 then
		return "raise"
	elseif r <= 98 then
		return "raise_table"
	end
	return "leave"
end

local act = {}

function act.burst()
	for _ = 1, random(20) do
		tell(one_of(peers), "note", random(100))
	end
end

function act.big_send()
	tell(one_of(peers), "note", big(4))
end

function act.call()
	ask(one_of(peers), false, some_request())
end

function act.call_leaf()
	if random(20) == 1 then
		ask(one_of(leaves), false, "forget")
	else
		ask(one_of(leaves), false, some_request())
	end
end

function act.call_with_deadline()
	local to = one_of(peers)
	if random(3) == 1 then
		ask(to, random(0, 2), "forget")
	elseif random(2) == 1 then
		ask(to, random(0, 4), "later", random(0, 4))
	else
		ask(to, random(0, 4), some_request())
	end
end

function act.calls_at_once()
	for _ = 1, random(10) do
		skynet.fork(function()
			ask(one_of(peers), false, some_request())
		end)
	end
end

function act.select()
	local requests = skynet.request()
	local n = random(5)
	for i = 1, n do
		requests { one_of(leaves), "lua", false, "echo", i, number = i }
	end
	local seen = {}
	for request, answer in requests:select(random(2) == 1 and random(0, 2) or nil) do
		if seen[request.number] or answer and answer[1] ~= request.number then
			fail("select handed out a wrong answer")
		end
		seen[request.number] = true
	end
end

function act.kill_caller()
	local over
	local co = skynet.fork(function()
		ask(one_of(peers), false, "later", 1)
		skynet.sleep(1)
		over = true
	end)
	skynet.sleep(random(0, 1))
	-- The coroutine of one that is over may do something else by now.
	if not over then
		skynet.killthread(co)
	end
end

function act.wait()
	local token = {}
	local woken = false
	skynet.fork(function()
		skynet.sleep(random(0, 1))
		woken = true
		total.wakeups = total.wakeups + 1
		skynet.wakeup(token)
	end)
	skynet.wait(token)
	if not woken then
		fail "a wait ended by itself"
	end
end

function act.sleep()
	local token = {}
	sleepers[#sleepers + 1] = token
	local begin, cs = skynet.now(), random(0, 3)
	local result = skynet.sleep(cs, token)
	if result == nil and skynet.now() - begin < cs or result ~= nil and result ~= "BREAK" then
		fail("a sleep of", cs, "ended with", tostring(result))
	end
end

function act.wake_sleepers()
	for _, token in ipairs(sleepers) do
		skynet.wakeup(token)
	end
	sleepers = {}
end

function act.timer()
	local ran = false
	local timer = skynet.timer(random(0, 20), function()
		ran = true
	end)
	skynet.timeout(random(0, 2), function()
		total.timers = total.timers + 1
	end)
	skynet.sleepms(random(0, 20))
	local before = ran
	if timer:cancel() == before then
		fail "a timer was cancelled after it ran, or neither"
	end
	skynet.sleep(1)
	if ran ~= before then
		fail "a cancelled timer ran"
	end
end

function act.raise_in_fork()
	skynet.fork(error, "as told")
end

function act.collect()
	if random(2) == 1 then
		collectgarbage "step"
	else
		collectgarbage()
	end
end

function act.settle()
	settle()
end

function act.kill()
	skynet.kill(one_of(leaves))
end

local weights = { burst = 30, big_send = 2, call = 30, call_leaf = 8, call_with_deadline = 6, calls_at_once = 4, select = 3, kill_caller = 3,
	wait = 4, sleep = 4, wake_sleepers = 3, timer = 2, raise_in_fork = 1, collect = 1, settle = 6, kill = 1 }
local actions = {}
for name, weight in pairs(weights) do
	for _ = 1, weight do
		actions[#actions + 1] = name
	end
end
table.sort(actions)

local function drive()
	while not quiet do
		act[actions[random(#actions)]]()
		if random(4) == 1 then
			skynet.sleep(random(0, 2))
		else
			skynet.yield()
		end
	end
	drivers = drivers - 1
end

function order.go(n)
	quiet = false
	drivers = drivers + n
	for _ = 1, n do
		skynet.fork(drive)
	end
end

if kind == "broken" then
	error "as told"
end
if kind ~= "veteran" and random(3) == 1 then
	skynet.mqlimit(50, "refuse")
end

skynet.start(function()
	skynet.fork(collectgarbage)
end)
