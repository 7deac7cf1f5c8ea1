-- docs/semantics.md: mailboxes (M), memory (G).
local skynet = require "skynet"
local core = require "skynet.core"
local check = require "check"

local role, case = {}, {}

local MEBI = 1024 * 1024

function role.server()
	local n = 0
	skynet.start(function()
		skynet.dispatch("lua", function(session, _, what, ...)
			if what == "burn" then
				local seconds, token = ...
				skynet.setenv(token, "yes")
				local ends = skynet.hpc() + seconds * 1e9
				while skynet.hpc() < ends do
				end
			elseif what == "limit" then
				skynet.mqlimit(...)
			elseif what == "count" then
				return skynet.retpack(n)
			else
				n = n + 1
			end
			if session ~= 0 then
				skynet.retpack(...)
			end
		end)
	end)
end

-- Makes the service busy, so that what is sent next waits in its mailbox.
local function occupy(to, seconds)
	local token = "busy_" .. skynet.genid()
	skynet.send(to, "lua", "burn", seconds, token)
	check.wait(function() return skynet.getenv(token) end)
end

local function flood(to, n)
	local accepted, refused = 0, 0
	for i = 1, n do
		local result = skynet.send(to, "lua", "x", i)
		if result == false then
			refused = refused + 1
		elseif result == 0 then
			accepted = accepted + 1
		end
	end
	return accepted, refused
end

function case.M1()
	local to = check.spawn "server"
	occupy(to, 0.4)
	check.returns("everything is accepted", { 6000, 0 }, flood, to, 6000)
	check.eq("and handled", skynet.call(to, "lua", "count"), 6000)
	core.error "it was empty"
	occupy(to, 0.4)
	flood(to, 3000)
	check.eq("again", skynet.call(to, "lua", "count"), 9000)
end

function case.M2()
	local to = check.spawn "server"
	skynet.call(to, "lua", "limit", 10, "warn")
	occupy(to, 0.3)
	check.returns("never refused", { 100, 0 }, flood, to, 100)
	check.eq("all handled", skynet.call(to, "lua", "count"), 100)
end

function case.M3()
	local to = check.spawn "server"
	skynet.call(to, "lua", "limit", 7, "refuse")
	occupy(to, 0.4)
	check.returns("a send returns false", { 7, 5 }, flood, to, 12)
	check.fails("a call raises", ("call failed: mailbox of %s is full (limit 7)"):format(skynet.address(to)),
		skynet.call, to, "lua", "x")
	check.ok("when there is room it accepts", check.wait(function() return (pcall(skynet.call, to, "lua", "x")) end))
	check.eq("those that were accepted were handled", skynet.call(to, "lua", "count"), 8)
end

function case.M4()
	local to = check.spawn "server"
	local answers, errors, timers = 0, 0, 0
	skynet.mqlimit(3, "refuse")
	for i = 1, 30 do
		skynet.fork(function()
			local answer = skynet.call(to, "lua", "x", i)
			answers = answers + (answer == i and 1 or 0)
		end)
		skynet.fork(function()
			local ok = pcall(skynet.rawcall, to, "lua", "\7")
			errors = errors + (ok and 0 or 1)
		end)
		skynet.timeout(1, function() timers = timers + 1 end)
	end
	skynet.yield()
	local ends = skynet.hpc() + 100000000
	while skynet.hpc() < ends do
	end
	check.ok("all come", check.wait(function() return answers + errors + timers == 90 end))
	check.eq("as they are", { answers, errors, timers }, { 30, 30, 30 })
	skynet.mqlimit(nil)
end

-- Config: mqlimit = 15, mqpolicy = "refuse".
function case.M5()
	local to, own = check.spawn "server", check.spawn "server"
	skynet.call(own, "lua", "limit", 5, "refuse")
	occupy(to, 0.3)
	check.returns("the limit of the config", { 15, 5 }, flood, to, 20)
	occupy(own, 0.3)
	check.returns("a limit of its own", { 5, 15 }, flood, own, 20)
end

function case.M6()
	skynet.dispatch("lua", function() end)
	check.eq("the one that is handled is not counted", skynet.mqlen(), 0)
	check.eq("nor its age", skynet.mqage(), 0)
	for i = 1, 3 do
		skynet.send(skynet.self(), "lua", i)
		check.eq("waiting", skynet.mqlen(), i)
	end
	local ends = skynet.hpc() + 30000000
	while skynet.hpc() < ends do
	end
	check.ok("the age of the oldest", skynet.mqage() >= 29, skynet.mqage())
	skynet.yield()
	check.eq("none", { skynet.mqlen(), skynet.mqage() }, { 0, 0 })
end

function case.G1()
	local list = {}
	for i = 1, 70 do
		list[i] = ("x"):rep(MEBI + i)
		skynet.yield()
	end
	check.eq("used", #list, 70)
end

function role.limited()
	skynet.memlimit(8 * MEBI)
	check.serve {
		caught = function()
			local ok, err = pcall(string.rep, "x", 32 * MEBI)
			return ok, tostring(err)
		end,
		uncaught = function()
			local list = {}
			while true do
				list[#list + 1] = ("x"):rep(MEBI)
			end
		end,
		small = function()
			collectgarbage()
			return #("x"):rep(MEBI)
		end,
	}
end

function case.G2()
	local to = check.spawn "limited"
	for _ = 1, 5 do
		local ok, err = skynet.call(to, "lua", "caught")
		check.eq("an error", ok, false)
		check.ok("not enough memory", err:find("not enough memory", 1, true), err)
		check.fails("not caught", "call failed", skynet.call, to, "lua", "uncaught")
		check.eq("it goes on", skynet.call(to, "lua", "small"), MEBI)
	end
end

function role.tight(bytes)
	skynet.memlimit(tonumber(bytes))
	skynet.dispatch("lua", function(_, _, n)
		local t = {}
		for i = 1, n do
			t[i] = { tostring(i), function() return i end, coroutine.create(print) }
		end
		skynet.fork(function() skynet.sleep(0) end)
		skynet.retpack(t[1][1], skynet.packstring(n))
	end)
	skynet.start(function() end)
end

function case.G3()
	local free = check.launch("tight", 64 * MEBI)
	local base = skynet.call(free, "debug", "MEM") * 1024 // 1 | 0
	local well, failed = 0, 0
	for extra = -base // 2, 60000, 400 do
		local to = check.launch("tight", base + extra)
		local done
		skynet.fork(function()
			done = pcall(skynet.call, to, "lua", 20) and "well" or "failed"
		end)
		for _ = 1, 10 do
			if done then
				break
			end
			skynet.sleep(1)
		end
		skynet.kill(to)
		if not check.wait(function() return done end) then
			check.ok("the call ends", false, base + extra)
		end
		well = well + (done == "well" and 1 or 0)
		failed = failed + (done == "failed" and 1 or 0)
	end
	check.emit(("base %d: %d well, %d failed"):format(base, well, failed))
	check.ok("some fail, some are well", well > 0 and failed > 0)
	check.returns("others are not harmed", { "1", skynet.packstring(1) }, skynet.call, free, "lua", 1)
end

local function resident()
	for line in io.lines "/proc/self/status" do
		local kilobytes = line:match "^VmRSS:%s+(%d+)"
		if kilobytes then
			return tonumber(kilobytes)
		end
	end
end

-- 64 KB each: what is not freed shows.
function case.G4()
	local text = ("x"):rep(65536)
	local to, dead = check.spawn "server", check.spawn "server"
	skynet.kill(dead)
	local full = check.spawn "server"
	skynet.call(full, "lua", "limit", 2, "refuse")
	local function round()
		for i = 1, 30 do
			for _ = 1, 10 do
				skynet.send(to, "lua", "x", text)
				skynet.send(full, "lua", "x", text)
				skynet.send(dead, "lua", "x", text)
				skynet.send(".nobody", "lua", "x", text)
				skynet.rawsend(to, "lua", skynet.pack("x", text))
				core.send(dead, 20, 0, core.pack(text))
			end
			skynet.call(to, "lua", "x")
			local dying = check.launch "server"
			for _ = 1, 10 do
				skynet.send(dying, "lua", "x", text)
			end
			skynet.kill(dying)
		end
		collectgarbage()
		skynet.sleep(2)
	end
	round()
	round()
	local before = resident()
	for _ = 1, 4 do
		round()
	end
	local after = resident()
	-- Any one of these ways would leak 75 MB or more.
	check.ok("nothing stays", after - before < 40000, before .. " -> " .. after .. " KB")
end

function case.G5()
	local function churn(n)
		for _ = 1, n do
			local to = check.spawn "server"
			skynet.send(to, "lua", "x")
			skynet.kill(to)
		end
		skynet.sleep(3)
	end
	churn(300)
	local before = resident()
	churn(700)
	local after = resident()
	check.ok("nothing stays", after - before < 12000, before .. " -> " .. after .. " KB")
end

return check.main(role, case, ...)
