-- What must not stay behind: of errors at an awkward moment, of given-up calls, of closed coroutines.
local skynet = require "skynet"
local core = require "skynet.core"
local check = require "check"

local role, case = {}, {}

local MEBI = 1024 * 1024

-- Resident memory of the process, in MiB.
local function resident()
	local file <close> = assert(io.open "/proc/self/statm")
	local _, pages = file:read("n", "n")
	return pages * 4096 // MEBI
end

-- Asks for texts that its memory has no room for, again and again.
function role.small(limit)
	skynet.memlimit(tonumber(limit) * MEBI)
	local name = "." .. ("n"):rep(MEBI)
	local attempts = {
		getenv = function() return skynet.getenv "big" end,
		command = function() return core.command("GETENV", "big") end,
		address = function() return skynet.call(name, "lua") end,
	}
	check.serve {
		attempt = function(what, times)
			local failed = 0
			for _ = 1, times do
				local ok, err = pcall(attempts[what])
				failed = failed + ((ok or err ~= "not enough memory") and 0 or 1)
			end
			return failed
		end,
	}
end

function case.texts_that_do_not_fit()
	skynet.setenv("big", ("x"):rep(4 * MEBI))
	for _, what in ipairs { "getenv", "command", "address" } do
		local to = check.spawn("small", 3)
		skynet.call(to, "lua", "attempt", what, 3)
		local before = resident()
		check.eq(what .. " fails each time", skynet.call(to, "lua", "attempt", what, 300), 300)
		check.ok(what .. " leaves nothing behind", resident() - before < 600, resident() - before)
	end
end

function role.server()
	check.serve {
		late = function(cs)
			skynet.sleep(cs)
		end,
		tag = function()
			return skynet.tracetag()
		end,
	}
end

-- The tag goes ahead of a request that is refused; the next one has none.
function case.tag_of_a_refused_request()
	local to = check.spawn "server"
	skynet.register_protocol { name = "strange", id = 200, pack = skynet.pack, unpack = skynet.unpack }
	skynet.fork(function()
		skynet.trace "refused"
		check.fails("a type that it does not know", "call failed", skynet.call, to, "strange")
	end)
	skynet.sleep(3)
	check.eq("an ordinary call", skynet.call(to, "lua", "tag"), nil)
end

local function burn(ns)
	local to = skynet.hpc() + ns
	repeat until skynet.hpc() > to
end

-- Calls by name, given up in three ways.
function case.calls_by_name()
	local to = check.spawn "server"
	skynet.name(".server", to)
	local in_time = skynet.fork(skynet.call, ".server", "lua", "late", 10)
	local due = skynet.fork(skynet.timeoutcall, 1, ".server", "lua", "late", 12)
	skynet.yield()
	-- The deadline passes while nobody looks.
	burn(30000000)
	check.eq("one that waits", skynet.killthread(in_time), in_time)
	check.eq("one whose deadline is on its way", skynet.killthread(due), due)
	skynet.term ".server"
	skynet.fork(function()
		check.fails("one that is terminated", "call failed", skynet.call, ".server", "lua", "late", 14)
	end)
	skynet.yield()
	skynet.term ".server"
	skynet.sleep(30)
	check.eq("nothing is waited for", skynet.task(), 0)
end

local function collected(weak)
	return check.wait(function()
		collectgarbage()
		return next(weak) == nil
	end)
end

function case.sleepers_that_the_application_closes()
	local weak = setmetatable({}, { __mode = "k" })
	do
		local token = {}
		weak[token] = true
		local task = skynet.fork(function(t) skynet.sleep(3, t) end, token)
		local inner = coroutine.create(function() skynet.sleep(3) end)
		weak[inner] = true
		local resumed
		skynet.fork(function(co) resumed = table.pack(coroutine.resume(co)) end, inner)
		skynet.yield()
		check.eq("it sleeps in a coroutine of its own", skynet.wakeup(inner) and resumed, nil)
		coroutine.close(task)
		coroutine.close(inner)
		token, task, inner = nil, nil, nil
	end
	check.ok("their tokens are let go of", collected(weak), check.show(weak))
	check.eq("nobody sleeps", skynet.wakeup {}, nil)
end

function case.profiles_without_an_end()
	local profile = require "skynet.profile"
	for _ = 1, 3 do
		skynet.fork(profile.start)
		skynet.yield()
	end
	for i = 1, 3000 do
		local co = coroutine.create(function() end)
		profile.start(co)
		if i % 3 == 0 then
			check.fails("twice", "start profile more than once", profile.start, co)
			profile.stop(co)
		end
		co = nil
		if i % 100 == 0 then
			collectgarbage()
		end
	end
	profile.start()
	check.ok("it still works", profile.stop() >= 0)
end

function case.timer_of_a_killed_thread()
	local ran = false
	local timer = skynet.timer(50, function() ran = true end)
	local tasks = {}
	skynet.task(tasks)
	local thread = next(tasks):match "^thread: %w+"
	check.ok("it is killed", skynet.killthread(thread))
	check.eq("it never will run", timer:cancel(), true)
	check.eq("told once", timer:cancel(), false)
	skynet.sleep(10)
	check.eq("it did not run", ran, false)
	check.fails("a timer of nothing", "function expected", skynet.timer, 1)
end

function role.exits_below_c()
	skynet.start(function()
		skynet.dispatch("lua", function()
			local _ <close> = setmetatable({}, { __close = function() skynet.error "closed" end })
			table.sort({ 1, 2 }, function()
				skynet.error("exit", pcall(skynet.exit))
				return false
			end)
			skynet.error("to nobody", (skynet.send(skynet.self(), "lua")))
			skynet.sleep(0)
			skynet.error "comes back"
		end)
	end)
end

function case.exit_where_it_cannot_wait()
	local to = check.spawn "exits_below_c"
	check.fails("its request fails", "call failed", skynet.call, to, "lua")
	check.ok("it is gone", check.wait(function() return check.dead(to) end))
end

function role.hooked()
	local hooks = 0
	skynet.start(function()
		debug.sethook(function() hooks = hooks + 1 end, "", 1000)
		local mine = debug.gethook()
		local ok, err = pcall(function()
			skynet.setenv("hook_ready", "yes")
			while true do end
		end)
		skynet.setenv("hook_error", tostring(not ok and err))
		local before = hooks
		for i = 1, 100000 do local _ = i end
		local hook, mask, count = debug.gethook()
		skynet.setenv("hook_kept", tostring(hook == mine and mask == "" and count == 1000 and hooks - before >= 50))
		skynet.setenv("hook_done", "yes")
		skynet.wait()
	end)
end

function case.hook_of_the_application()
	local to = check.launch "hooked"
	check.ok("it runs", check.wait(function() return skynet.getenv "hook_ready" end))
	core.command("SIGNAL", skynet.address(to) .. " 0")
	check.ok("it is interrupted", check.wait(function() return skynet.getenv "hook_done" end))
	check.ok("with that error", skynet.getenv "hook_error":find "signal 0", skynet.getenv "hook_error")
	check.eq("and its hook works on", skynet.getenv "hook_kept", "true")
end

function role.leaves()
	skynet.dispatch("lua", function() skynet.exit() end)
	skynet.start(function() end)
end

-- Counts what its victim's end means to it.
function role.counts(victim)
	local sent, failed = 0, 0
	victim = tonumber(victim)
	core.callback(function(kind, _, _, session, source)
		if kind == skynet.PTYPE_TEXT then
			for _ = 1, 50 do
				sent = sent + (core.send(victim, skynet.PTYPE_LUA, 0, "") and 1 or 0)
			end
		elseif kind == skynet.PTYPE_ERROR then
			failed = failed + (source == victim and session == 0 and 1 or 0)
		else
			core.send(source, skynet.PTYPE_RESPONSE, session, skynet.packstring(sent, failed))
		end
	end)
end

-- The sender is told once that sends were accepted and not handled, whether they were still in the mailbox or taken
-- already. The first is handled.
function case.sends_to_one_that_leaves()
	for _ = 1, 20 do
		local victim = check.spawn "leaves"
		local to = check.launch("counts", victim)
		core.send(to, skynet.PTYPE_TEXT, 0, "go")
		check.ok("it is gone", check.wait(function() return check.dead(victim) end))
		local sent, failed
		local all = check.wait(function()
			sent, failed = skynet.call(to, "lua")
			return sent > 0 and failed == math.min(sent - 1, 1)
		end)
		check.ok("told once", all, sent .. " " .. failed)
		skynet.kill(to)
	end
end

return check.main(role, case, ...)
