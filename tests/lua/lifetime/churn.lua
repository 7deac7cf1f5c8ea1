-- Many services that come and go while others talk to them: every call ends, whatever happens.
local skynet = require "skynet"
local check = require "check"

local role, case = {}, {}

function role.worker()
	local kept = {}
	skynet.dispatch("lua", function(_, _, what, x)
		if what == "echo" then
			skynet.retpack(x)
		elseif what == "wait" then
			skynet.wait {}
		elseif what == "sleep" then
			skynet.sleep(1)
			skynet.retpack(x)
		elseif what == "keep" then
			kept[#kept + 1] = skynet.response()
		elseif what == "error" then
			error "as told"
		elseif what == "exit" then
			skynet.exit()
		end
	end)
	skynet.start(function() end)
end

function case.calls_while_killing()
	local kinds = { "echo", "wait", "sleep", "keep", "error", "forget" }
	local ended, wrong = 0, 0
	local total = 0
	for round = 1, 60 do
		local to = check.launch "worker"
		for i = 1, 20 do
			total = total + 1
			skynet.fork(function()
				local ok, x = pcall(skynet.call, to, "lua", kinds[(i + round) % #kinds + 1], i)
				if ok and x ~= i then
					wrong = wrong + 1
				end
				ended = ended + 1
			end)
		end
		if round % 3 == 0 then
			skynet.yield()
		elseif round % 3 == 1 then
			skynet.sleep(1)
		end
		if round % 2 == 0 then
			skynet.kill(to)
		else
			skynet.send(to, "lua", "exit")
		end
	end
	check.ok("every call ends", check.wait(function() return ended == total end))
	check.eq("with its own answer or an error", wrong, 0)
	check.eq("nobody waits", skynet.task(), 0)
end

function role.killer()
	check.serve {
		kill = function(handle)
			skynet.kill(handle)
		end,
	}
end

-- Services that send to each other while they are killed by others.
function case.killed_by_others()
	local killer = check.spawn "killer"
	local list = {}
	for i = 1, 100 do
		list[i] = check.launch "worker"
	end
	local ended = 0
	for i = 1, 100 do
		skynet.fork(function()
			pcall(skynet.call, list[i], "lua", "sleep", i)
			pcall(skynet.call, list[i], "lua", "wait")
			ended = ended + 1
		end)
	end
	for i = 1, 100 do
		skynet.send(killer, "lua", "kill", list[i])
	end
	check.ok("every call ends", check.wait(function() return ended == 100 end))
end

local function resident()
	for line in io.lines "/proc/self/status" do
		local kilobytes = line:match "^VmRSS:%s+(%d+)"
		if kilobytes then
			return tonumber(kilobytes)
		end
	end
end

local function launch_and_kill(n)
	for _ = 1, n do
		local to = check.launch "worker"
		skynet.call(to, "lua", "echo", 1)
		skynet.kill(to)
	end
	skynet.sleep(5)
end

function case.memory_goes_back()
	launch_and_kill(300)
	local before = resident()
	launch_and_kill(1000)
	local after = resident()
	-- A thousand states that were not freed would be some 30 MB.
	check.ok("the node does not grow", after - before < 15000, before .. " -> " .. after .. " KB")
end

return check.main(role, case, ...)
