-- The monitor of endless loops, signals, overload.
local skynet = require "skynet"
local core = require "skynet.core"
local check = require "check"

local role, case = {}, {}

local function burn(seconds)
	local ends = skynet.hpc() + seconds * 1e9
	local n = 0
	while skynet.hpc() < ends do
		n = n + 1
	end
	return n
end

local function the_loop_that_never_ends()
	while true do
		for _ = 1, 1000 do
		end
	end
end

function role.busy()
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, what, ...)
			if what == "burn" then
				burn(...)
				skynet.retpack(skynet.stat "time")
			elseif what == "forever" then
				the_loop_that_never_ends()
			elseif what == "endless" then
				local before = skynet.stat "endless"
				skynet.retpack(before, skynet.endless())
			else
				skynet.retpack(what, ...)
			end
		end)
	end)
end

-- Config: a monitor that looks every 200 ms.
function case.endless()
	local to = check.spawn "busy"
	check.returns("not yet", { 0, false }, skynet.call, to, "lua", "endless")
	check.ok("it goes on, and its time grew", skynet.call(to, "lua", "burn", 0.8) > 0.3)
	check.returns("noticed, told once", { 1, false }, skynet.call, to, "lua", "endless")
	check.returns("cleared", { 0, false }, skynet.call, to, "lua", "endless")
end

function case.signal_while_running()
	local to = check.spawn "busy"
	local result
	skynet.fork(function()
		result = table.pack(pcall(skynet.call, to, "lua", "forever"))
	end)
	skynet.sleep(5)
	check.eq("it runs", result, nil)
	core.command("SIGNAL", skynet.address(to) .. " 0")
	check.ok("it is interrupted", check.wait(function() return result end))
	check.eq("the request fails", result[1], false)
	check.eq("and the service goes on", skynet.call(to, "lua", 1), 1)
	check.eq("once only", skynet.call(to, "lua", 2), 2)
end

function case.signal_while_idle()
	local to = check.spawn "busy"
	core.command("SIGNAL", skynet.address(to))
	check.fails("the next message is hit", "call failed", skynet.call, to, "lua", 1)
	check.eq("the one after that is not", skynet.call(to, "lua", 2), 2)
end

function case.signal_memory()
	local to = check.spawn "busy"
	core.command("SIGNAL", skynet.address(to) .. " 1")
	core.command("SIGNAL", skynet.address(to) .. " 0x7")
	check.eq("the service goes on", skynet.call(to, "lua", 1), 1)
end

local function flood(to, n)
	for i = 1, n do
		skynet.send(to, "lua", "count", i)
	end
end

function case.overload()
	local to = check.spawn "counter"
	skynet.send(to, "lua", "burn")
	flood(to, 5000)
	check.eq("all are handled", skynet.call(to, "lua", "total"), 5000)
	skynet.send(to, "lua", "burn")
	flood(to, 3000)
	check.eq("again", skynet.call(to, "lua", "total"), 8000)
	flood(to, 900)
	check.eq("no warning for few", skynet.call(to, "lua", "total"), 8900)
end

function role.counter()
	local n = 0
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, what)
			if what == "burn" then
				burn(0.5)
			elseif what == "count" then
				n = n + 1
			else
				skynet.retpack(n)
			end
		end)
	end)
end

return check.main(role, case, ...)
