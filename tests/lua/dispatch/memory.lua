-- Running out of memory, at every point.
local skynet = require "skynet"
local check = require "check"

local role, case = {}, {}

local MEBI = 1024 * 1024

function role.limited(megabytes)
	skynet.memlimit(tonumber(megabytes) * MEBI)
	check.serve {
		eat = function(megabytes)
			local list = {}
			for i = 1, megabytes do
				list[i] = ("x"):rep(MEBI - 64) .. i
			end
			return #list
		end,
		eat_caught = function(megabytes)
			local ok, err = pcall(function()
				local list = {}
				for i = 1, megabytes do
					list[i] = ("x"):rep(MEBI - 64) .. i
				end
			end)
			collectgarbage()
			return ok, tostring(err)
		end,
		-- A buffer of the string library is not tried again after a collection, unlike what the VM itself allocates.
		collect = function()
			collectgarbage()
		end,
		echo = function(...)
			return ...
		end,
	}
end

function case.limit()
	local to = check.spawn("limited", 8)
	check.eq("below the limit", skynet.call(to, "lua", "eat", 2), 2)
	local ok, err = skynet.call(to, "lua", "eat_caught", 64)
	check.eq("above it: an error that can be caught", ok, false)
	check.ok("not enough memory", err:find("not enough memory", 1, true), err)
	check.fails("not caught: the request fails", "call failed", skynet.call, to, "lua", "eat", 64)
	check.eq("the service goes on", skynet.call(to, "lua", "echo", "well"), "well")
	skynet.call(to, "lua", "collect")
	check.eq("and can allocate again", skynet.call(to, "lua", "eat", 2), 2)
end

function case.large_messages()
	local to = check.spawn("limited", 4)
	local big = ("x"):rep(6 * MEBI)
	check.fails("a message that does not fit", "call failed", skynet.call, to, "lua", "echo", big)
	check.eq("the service goes on", skynet.call(to, "lua", "echo", "well"), "well")
end

function case.warnings()
	local list = {}
	for i = 1, 70 do
		list[i] = ("x"):rep(MEBI + i)
		skynet.yield()
	end
	check.eq("used", #list, 70)
end

function case.warnings_of_one_message()
	local list = {}
	for i = 1, 70 do
		list[i] = ("x"):rep(MEBI + i)
	end
	check.eq("used", #list, 70)
end

-- A service that does a bit of everything, under a limit that grows from start to start by little steps: so every
-- allocation of the program is the one that fails, some time. The service may fail; the node must not.
function role.everything(bytes)
	skynet.memlimit(tonumber(bytes))
	skynet.dispatch("lua", function(_, source, depth)
		local response = depth > 2 and skynet.response() or nil
		local _ <close> = setmetatable({}, { __close = function() return { depth } end })
		local text = skynet.packstring({ depth, text = ("y"):rep(depth * 50) }, source)
		skynet.fork(function(...)
			skynet.sleep(0)
			if depth > 1 then
				skynet.send(skynet.self(), "lua", 1, ...)
			end
		end, text)
		if depth > 0 then
			local ok = pcall(skynet.call, skynet.self(), "lua", depth - 1)
			skynet.timeout(0, function() return { ok } end)
		end
		local co = coroutine.wrap(function(x) coroutine.yield { x } end)
		co(depth)
		skynet.wakeup(co)
		if response then
			response(true, text)
		elseif skynet.context() ~= 0 then
			skynet.retpack(text)
		end
	end)
	skynet.start(function() end)
end

-- How much such a service uses when nothing limits it: at rest, and for the work of one request.
local function need()
	local service = check.launch("everything", 64 * MEBI)
	local before = skynet.call(service, "debug", "MEM") * 1024
	skynet.call(service, "lua", 5)
	local after = skynet.call(service, "debug", "MEM") * 1024
	skynet.kill(service)
	return math.floor(before), math.floor(after - before)
end

local function try(limit)
	local handle = check.launch("everything", limit)
	local done, result = false, nil
	skynet.fork(function()
		result = pcall(skynet.call, handle, "lua", 5)
		done = true
	end)
	-- A service without memory may be unable even to fail; its death answers then.
	for _ = 1, 10 do
		if done then
			break
		end
		skynet.sleep(1)
	end
	skynet.kill(handle)
	check.ok("the call ends, limit " .. limit, check.wait(function() return done end))
	return result
end

function case.every_allocation()
	local base, extra = need()
	local failed, well = 0, 0
	local low, high = base // 2, base + extra * 3
	for limit = low, high, math.max(16, (high - low) // 300) do
		if try(limit) then
			well = well + 1
		else
			failed = failed + 1
		end
	end
	check.emit(string.format("limits %d to %d: %d failed, %d were well", low, high, failed, well))
	check.ok("the smallest limits do not suffice", failed > 0)
	check.ok("the largest do", well > 0)
	check.eq("the node is well", skynet.call(check.spawn("limited", 8), "lua", "echo", 1), 1)
end

-- The same for the middle of a running service: the limit is set by hand to just above what is used.
function role.squeezed()
	local held
	local function fill()
		held = {}
		local size = 1 << 16
		while size > 8 do
			local ok, text = pcall(string.rep, "z", size)
			if ok then
				held[#held + 1] = text
			else
				size = size // 2
			end
		end
	end
	skynet.memlimit(2 * MEBI)
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, what, n)
			if what == "squeeze" then
				pcall(fill)
			end
			skynet.retpack(what, n)
		end)
	end)
end

function case.squeezed()
	local to = check.spawn "squeezed"
	for i = 1, 20 do
		pcall(skynet.call, to, "lua", "squeeze", i)
		for j = 1, 20 do
			skynet.send(to, "lua", "echo", j)
		end
	end
	skynet.kill(to)
	check.ok("it can be killed", check.dead(to))
	check.eq("the node is well", skynet.call(check.spawn("limited", 8), "lua", "echo", 1), 1)
end

return check.main(role, case, ...)
