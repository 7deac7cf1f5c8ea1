-- The side of a service that another one takes the place of: what it knows goes to the other, then what comes.

local skynet = require "skynet"
local core = require "skynet.core"
local at_once = require "skynet.reload.at_once"

local handover = {}

local export, import -- of this service, for either side

-- Messages of these types are for the old one itself: answers, its own sockets and channels, and the debug protocol.
local OWN <const> = {
	[skynet.PTYPE_RESPONSE] = true,
	[skynet.PTYPE_ERROR] = true,
	[skynet.PTYPE_SOCKET] = true,
	[skynet.PTYPE_MULTICAST] = true,
	[skynet.PTYPE_SYSTEM] = true,
	[skynet.PTYPE_DEBUG] = true,
}

function handover.state(give, take)
	core.check(type(give) == "function" and type(take) == "function", "replace: two functions expected")
	export, import = give, take
end

function handover.take(...)
	if not import then
		return false, "the new service takes no state (skynet.replace.state)"
	end
	return at_once(import, debug.traceback, ...)
end

-- From the first step on, what comes is kept; then it is passed on, or handled here after all.
local kept -- { kind, msg, sz, session, source, … }
local successor

local function pass_on(kind, msg, sz, session, source)
	core.redirect(successor, source, kind, session, msg, sz)
end

local function dispatch(kind, msg, sz, session, source)
	local ok, err = pcall(skynet.dispatch_message, kind, msg, sz, session, source)
	core.trash(msg, sz)
	if not ok then
		error(err, 0)
	end
end

-- The runtime frees nothing of what comes here.
local function on_message(kind, msg, sz, session, source)
	if OWN[kind] then
		dispatch(kind, msg, sz, session, source)
	elseif successor then
		pass_on(kind, msg, sz, session, source)
	elseif kept then
		table.move({ kind, msg, sz, session, source }, 1, 5, #kept + 1, kept)
	else
		dispatch(kind, msg, sz, session, source)
	end
end

local function each_kept(f)
	local list = kept
	kept = nil
	for at = 1, #list, 5 do
		f(table.unpack(list, at, at + 4))
	end
end

-- Requests that were begun and have no answer. What is kept is not among them.
local function begun()
	local waiting = 0
	for at = 1, #kept, 5 do
		waiting = waiting + (kept[at + 3] > 0 and 1 or 0)
	end
	return core.owing() - waiting
end

-- Waits until what was begun has been answered, so that the state has what came of it.
local function settle(cs)
	local deadline = skynet.now() + cs
	while skynet.now() < deadline and begun() > 0 do
		skynet.sleep(1)
	end
end

-- Keeps what comes while the successor takes the state; raises an error, and goes on as before, if it does not.
local function give_state(to, patience)
	core.check(export, "replace: this service gives no state (skynet.replace.state)")
	settle(patience)
	local result = table.pack(at_once(export, debug.traceback))
	core.check(result[1], ("replace: the state cannot be given: %s"):format(result[2]))
	local ok, taken, why = pcall(skynet.call, to, "debug", "TAKESTATE", table.unpack(result, 2, result.n))
	if not ok or not taken then
		core.raise(("replace: the new service does not take the state: %s"):format(ok and why or taken))
	end
end

local function wait_for_answers(cs)
	skynet.sleep(cs)
	local open = core.owing()
	if open > 0 then
		local tasks = {}
		skynet.task(tasks)
		skynet.error(("warning: replace: %d requests are open after %d centiseconds, and fail; the tasks are:"):format(open, cs))
		for title, stack in pairs(tasks) do
			skynet.error(("%s %s"):format(title, stack))
		end
	end
end

function handover.begin(to, with_state, drain, patience)
	core.check(not successor and not kept, "replace: this service is being replaced already")
	local _, by_application = core.owing()
	core.check(not by_application, "replace: this service has a message function of its own")
	kept = {}
	core.callback(on_message, true)
	local ok, why = pcall(function()
		if with_state then
			give_state(to, patience)
		end
		core.check(core.hand_over(to), "replace: the new service has ended")
	end)
	if not ok then
		each_kept(dispatch)
		core.callback(skynet.dispatch_message)
		error(why, 0)
	end
	successor = to
	each_kept(pass_on)
	core.end_because(skynet.self(), "restart", skynet.address(to))
	skynet.fork(function()
		wait_for_answers(drain)
		skynet.exit()
	end)
end

return handover
