-- The soak test: rounds of random traffic between random services (soak/actor), each followed by a check of the books.
--
-- In a round, services of three kinds talk: veterans, which live for the whole run; actors, which come, leave and are
-- killed; leaves, which only answer, forget requests, and are killed all the time. Then they are told to be quiet, and:
--   * every call has ended, nothing waits, no mailbox holds anything;
--   * for each pair the receiver has got as many messages as the sender has sent (and always the next number, see
--     there);
--   * the exit monitor, which is this service, has heard of each death once;
--   * when all but the veterans are gone, the memory of the process and of the Lua states is back at its level.
-- Config: seed, seconds.
local skynet = require "skynet"
local core = require "skynet.core"
local check = require "check"

local seed = math.tointeger(skynet.getenv "seed")
local seconds = tonumber(skynet.getenv "seconds")
local rounds = math.max(3, seconds // 15)
math.randomseed(seed)

local kinds = {}
for kind, n in pairs { veteran = 2, actor = 8, leaf = 4 } do
	for _ = 1, n do
		kinds[#kinds + 1] = kind
	end
end
table.sort(kinds)

local running = false
-- An address that is never used here.
local NOBODY = 0xfffff0
-- By slot; the others by handle.
local slots, launched, deaths, byes = {}, {}, {}, {}
local grand = { launched = 0, killed_services = 0, broken = 0 }
local generation = 0
local changed = false

local function add(total)
	for k, n in pairs(total) do
		grand[k] = (grand[k] or 0) + n
	end
end

-- Launching and dying

local fill

local function died(_, who)
	deaths[who] = (deaths[who] or 0) + 1
	for slot, handle in pairs(slots) do
		if handle == who then
			slots[slot] = nil
			changed = true
			if running then
				skynet.fork(fill, slot)
			end
		end
	end
end

skynet.register_protocol { id = skynet.PTYPE_CLIENT, name = "client", dispatch = died, unpack = function() end }

-- What tells an actor something, even if its mailbox is full at the moment; false if it is dead.
local function order(handle, what, ...)
	while true do
		local sent = skynet.send(handle, "lua", what, ...)
		if sent ~= false then
			return sent ~= nil
		end
		skynet.sleep(1)
	end
end

local function ask(handle, what)
	local answer
	repeat
		if answer then
			skynet.sleep(1)
		end
		answer = table.pack(pcall(skynet.call, handle, "lua", what))
	until answer[1] or not tostring(answer[2]):find("is full", 1, true)
	return table.unpack(answer, 1, answer.n)
end

function fill(slot)
	generation = generation + 1
	local kind = kinds[slot]
	local args = { kind .. generation, seed + generation, skynet.self(), kind }
	if math.random(20) == 1 then
		args[4] = "broken"
		if pcall(skynet.newservice, "soak/actor", table.unpack(args)) then
			check.ok("a service that fails does not start", false)
		end
		grand.broken = grand.broken + 1
		args[4] = kind
	end
	local handle
	if math.random(2) == 1 then
		handle = skynet.newservice("soak/actor", table.unpack(args))
	else
		handle = skynet.launch("snlua", "soak/actor", table.unpack(args))
	end
	grand.launched = grand.launched + 1
	launched[handle] = kind
	if deaths[handle] then
		return skynet.fork(fill, slot)
	end
	slots[slot] = handle
	changed = true
	if running and kind ~= "leaf" then
		order(handle, "peers", { handle }, { NOBODY })
		order(handle, "go", 4)
	end
end

local function introduce()
	local peers, leaves = {}, {}
	for slot, handle in pairs(slots) do
		local list = kinds[slot] == "leaf" and leaves or peers
		list[#list + 1] = handle
	end
	for _, handle in ipairs(peers) do
		if #leaves > 0 then
			skynet.send(handle, "lua", "peers", peers, leaves)
		end
	end
	changed = false
end

-- The phases of a round

local function traffic(cs)
	running = true
	for slot in ipairs(kinds) do
		if slots[slot] then
			order(slots[slot], "go", 4)
		else
			fill(slot)
		end
	end
	introduce()
	local ends = skynet.now() + cs
	while skynet.now() < ends do
		skynet.sleep(math.random(1, 4))
		local victim = math.random(#kinds)
		if kinds[victim] ~= "veteran" and slots[victim] then
			skynet.kill(slots[victim])
			grand.killed_services = grand.killed_services + 1
		end
		if changed then
			introduce()
		end
	end
	running = false
end

local function living()
	local list = {}
	for _, handle in pairs(slots) do
		list[#list + 1] = handle
	end
	table.sort(list)
	return list
end

local function not_quiet()
	local noise
	for _, handle in ipairs(living()) do
		local ok, s = ask(handle, "status")
		if not ok or s.open > 0 or s.drivers > 0 or s.tasks > 0 or s.queue > 0 then
			noise = skynet.address(handle) .. " " .. check.show(s)
		end
	end
	return noise
end

local function calm_down()
	for _, handle in ipairs(living()) do
		ask(handle, "quiet")
	end
	for slot, handle in pairs(slots) do
		if kinds[slot] == "leaf" then
			skynet.kill(handle)
		end
	end
	local noise, passes = nil, 0
	for _ = 1, 3000 do
		noise = not_quiet()
		passes = noise and 0 or passes + 1
		if passes == 3 then
			return true
		end
		skynet.sleep(1)
	end
	for _, handle in ipairs(living()) do
		local _, status = ask(handle, "status")
		local _, tasks = pcall(skynet.call, handle, "debug", "TASK")
		check.emit("hangs: ", skynet.address(handle), " ", check.show(status), " ", check.show(tasks))
	end
	return false, noise
end

local function compare_books()
	local sent, received = {}, {}
	for _, handle in ipairs(living()) do
		local ok, id, out, into, total = ask(handle, "ledger")
		check.ok("the living answer", ok, id)
		sent[handle], received[handle] = out, into
		add(total)
	end
	for handle, bye in pairs(byes) do
		sent[handle] = bye
	end
	local pairs_compared, messages = 0, 0
	for to, into in pairs(received) do
		for from, out in pairs(sent) do
			local n = out[to] or 0
			if n ~= (into[from] or 0) then
				check.ok("nothing is lost", false, ("from :%08x to :%08x: sent %d, received %d"):format(from, to, n, into[from] or 0))
			end
			pairs_compared, messages = pairs_compared + 1, messages + n
		end
	end
	return pairs_compared, messages
end

local function disband()
	for slot, handle in pairs(slots) do
		if kinds[slot] == "actor" and math.random(2) == 1 then
			order(handle, "leave")
		elseif kinds[slot] ~= "veteran" then
			skynet.kill(handle)
		end
	end
	check.ok("all who shall die do", check.wait(function()
		for handle, kind in pairs(launched) do
			if kind ~= "veteran" and not deaths[handle] then
				return false
			end
		end
		return true
	end))
	skynet.sleep(5)
	for handle, n in pairs(deaths) do
		if n ~= 1 then
			check.ok("a death is told once", false, skynet.address(handle) .. " " .. n)
		end
	end
	launched, deaths, byes = {}, {}, {}
end

local function memory()
	local lua = 0
	for _, handle in pairs(slots) do
		lua = math.max(lua, (select(2, ask(handle, "again"))))
	end
	collectgarbage()
	collectgarbage()
	lua = math.max(lua, collectgarbage "count")
	for line in io.lines "/proc/self/status" do
		local kilobytes = line:match "^VmRSS:%s+(%d+)"
		if kilobytes then
			return tonumber(kilobytes), lua // 1 | 0
		end
	end
end

-- The last round's level is that of the first ones, give or take what allocators keep.
local function back_at_its_level(name, levels, slack)
	local high = 0
	for i = 1, math.min(4, #levels - 1) do
		high = math.max(high, levels[i])
	end
	check.ok(name .. " is back at its level", levels[#levels] <= high * 1.25 + slack, table.concat(levels, " ") .. " KB")
	check.emit(name, " KB after each round: ", table.concat(levels, " "))
end

local case = {}

function case.soak()
	check.emit("seed = ", seed, ", ", rounds, " rounds")
	skynet.dispatch("lua", function(_, source, _, _, out, total)
		byes[source] = out
		add(total)
	end)
	core.command("MONITOR", skynet.address(skynet.self()))
	local rss, lua = {}, {}
	for round = 1, rounds do
		traffic(seconds * 100 // rounds)
		if not check.ok("every call ends", calm_down()) then
			return
		end
		local n, messages = compare_books()
		check.ok("some pairs had messages", n > 0 and messages > 0)
		grand.pairs, grand.compared = (grand.pairs or 0) + n, (grand.compared or 0) + messages
		disband()
		rss[round], lua[round] = memory()
	end
	back_at_its_level("process", rss, 16384)
	back_at_its_level("Lua", lua, 512)
	grand.logged = skynet.call(".logger", "lua")
	for _, what in ipairs { "sends", "answered", "failed", "late", "killed", "refused", "wakeups", "timers", "launched", "logged" } do
		check.ok("some were " .. what, (grand[what] or 0) > 0)
	end
	check.eq("calls that ended", grand.answered + grand.failed + grand.late + grand.killed, grand.calls)
	local names = {}
	for name, n in pairs(grand) do
		names[#names + 1] = name .. " " .. (n // 1 | 0)
	end
	table.sort(names)
	check.emit("TOTAL ", table.concat(names, ", "))
end

return check.main({}, case, ...)
