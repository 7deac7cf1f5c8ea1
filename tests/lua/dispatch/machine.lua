-- The dispatcher's state machine: every kind of message, everything a coroutine can do when it stops.
local skynet = require "skynet"
local core = require "skynet.core"
local check = require "check"

local role, case = {}, {}

-- Sends a request to this service itself, in its own name, so that the answer comes back here.
local function call_self(...)
	return skynet.call(skynet.self(), "lua", ...)
end

local handlers = {}

local function serve()
	skynet.dispatch("lua", function(session, source, name, ...)
		handlers[name](session, source, ...)
	end)
end

function role.server()
	skynet.start(serve)
end

function handlers.echo(_, _, ...)
	skynet.retpack(...)
end

function handlers.raise(_, _, value)
	error(value)
end

function handlers.raw_yield(_, _, ...)
	coroutine.yield(...)
end

function handlers.user_yield()
	require "skynet.coroutine".yield "outside"
end

function handlers.unread()
	skynet.wait "unread"
	skynet.retpack()
end

function case.response_resumes()
	serve()
	check.returns("its coroutine with its values", { 1, "x", nil, n = 3 }, call_self, "echo", 1, "x", nil)
end

function case.break_placeholder()
	local co = skynet.fork(function()
		skynet.sleep(2)
	end)
	skynet.yield()
	local session = skynet.task(co)
	skynet.wakeup(co)
	skynet.yield()
	local list = {}
	skynet.task(list)
	check.eq("a placeholder keeps the session", next(list) ~= nil, true)
	check.ok("the timer removes it", check.wait(function()
		list = {}
		skynet.task(list)
		return next(list) == nil or skynet.task(session) == "No session"
	end))
	check.eq("quietly", skynet.task(), 0)
end

function case.unknown_response()
	serve()
	core.redirect(skynet.self(), 0x555, skynet.PTYPE_RESPONSE, 99999, "lost")
	check.eq("the service goes on", call_self("echo", 1), 1)
end

function case.error_with_session()
	local to, result = check.spawn "server", nil
	local co = skynet.fork(function()
		result = table.pack(pcall(skynet.call, to, "lua", "unread"))
	end)
	skynet.yield()
	core.redirect(skynet.self(), 0x1, skynet.PTYPE_ERROR, 123456, "")
	skynet.yield()
	check.eq("an error for an unknown session is ignored", result, nil)
	core.redirect(skynet.self(), 0x1, skynet.PTYPE_ERROR, skynet.task(co), "")
	skynet.yield()
	check.eq("the call fails", result and result[1], false)
	check.ok("call failed", tostring(result[2]):find("call failed", 1, true), result[2])
end

function case.error_of_a_dead_service()
	local a, b = check.spawn "server", check.spawn "server"
	local results = {}
	for i, address in ipairs { a, a, skynet.address(a), b } do
		skynet.fork(function()
			results[i] = table.pack(pcall(skynet.call, address, "lua", "unread"))
		end)
	end
	skynet.yield()
	core.redirect(skynet.self(), a, skynet.PTYPE_ERROR, 0, "")
	skynet.yield()
	check.eq("both calls by number fail", { results[1] and results[1][1], results[2] and results[2][1] }, { false, false })
	check.eq("not those to others", results[4], nil)
end

function case.error_closes_responses()
	local response
	skynet.dispatch("lua", function()
		response = skynet.response()
	end)
	local b = check.spawn "caller"
	skynet.send(b, "lua", skynet.self())
	check.ok("asked", check.wait(function() return response end))
	check.eq("open", response "TEST", true)
	core.redirect(skynet.self(), b, skynet.PTYPE_ERROR, 0, "")
	skynet.yield()
	check.eq("forgotten", response "TEST", false)
	check.eq("and silent", response(true, 1), false)
end

function role.caller()
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, to)
			pcall(skynet.call, to, "lua")
		end)
	end)
end

function case.trace_message()
	serve()
	core.send(skynet.self(), skynet.PTYPE_TRACE, 0, "given-tag")
	local tag
	handlers.tag = function()
		tag = skynet.tracetag()
		skynet.retpack()
	end
	core.send(skynet.self(), skynet.PTYPE_LUA, 0, skynet.pack "tag")
	skynet.yield()
	check.eq("the next request of that source has the tag", tag, "given-tag")
	core.send(skynet.self(), skynet.PTYPE_LUA, 0, skynet.pack "tag")
	skynet.yield()
	check.eq("only that one", tag, nil)
end

function case.unregistered_type()
	local seen
	skynet.dispatch_unknown_request(function(session, _, msg, size, prototype)
		seen = { session, skynet.tostring(msg, size), prototype }
	end)
	core.send(skynet.self(), 77, 0, "one way")
	skynet.yield()
	check.eq("a send goes to the handler of unknown requests", seen, { 0, "one way", 77 })
	seen = nil
	local to = check.spawn "server"
	skynet.register_protocol { name = "late", id = 77, pack = skynet.pack, unpack = skynet.unpack }
	check.fails("a request is answered by an error", "call failed", skynet.call, to, "late")
end

function case.registered_without_handler()
	local to = check.spawn "server"
	skynet.register_protocol { name = "late", id = 78, pack = skynet.pack, unpack = skynet.unpack }
	skynet.call(to, "debug", "RUN", [[
		require "skynet".register_protocol { name = "late", id = 78, pack = function() end, unpack = function() end }
	]], "x")
	check.fails("a request is answered by an error", "call failed", skynet.call, to, "late")
end

-- Broken bytes never reach the handler.
function case.unpack_error()
	local ran
	skynet.dispatch("lua", function()
		ran = true
		skynet.retpack()
	end)
	check.fails("the requester gets an error", "call failed", function()
		skynet.rawcall(skynet.self(), "lua", "\7broken")
	end)
	check.eq("the handler did not run", ran, nil)
	core.send(skynet.self(), skynet.PTYPE_LUA, 0, "\7broken")
	skynet.yield()
	check.eq("nor for a send", ran, nil)
	call_self()
	check.eq("the next one is handled", ran, true)
end

function case.unpack_runs_before_the_handler()
	local order = {}
	skynet.register_protocol {
		name = "ordered", id = 80,
		pack = function(x) return x end,
		unpack = function(msg, size)
			order[#order + 1] = "unpack"
			return skynet.tostring(msg, size), size
		end,
		dispatch = function(_, _, text, size)
			order[#order + 1] = text .. size
		end,
	}
	skynet.send(skynet.self(), "ordered", "abc")
	skynet.yield()
	check.eq("order", order, { "unpack", "abc3" })
	skynet.register_protocol {
		name = "failing", id = 81,
		pack = function(x) return x end,
		unpack = function() error "unpack function fails" end,
		dispatch = function() order = "must not run" end,
	}
	check.fails("an error in it is an error for the requester", "call failed", skynet.call, skynet.self(), "failing", "x")
	check.eq("the handler did not run", #order, 2)
end

function case.raised_error()
	local to = check.spawn "server"
	for name, value in pairs { text = "a text", table = { 1 }, boolean = false, number = 5 } do
		check.fails(name, "call failed", skynet.call, to, "lua", "raise", value)
	end
	check.fails("nil", "call failed", skynet.call, to, "lua", "raise")
	skynet.send(to, "lua", "raise", "error of a send")
	check.eq("it goes on", skynet.call(to, "lua", "echo", 1), 1)
end

function case.error_after_the_answer()
	serve()
	handlers.both = function()
		skynet.retpack "answer"
		error "after the answer"
	end
	check.eq("the answer counts", call_self "both", "answer")
	check.eq("and it goes on", call_self("echo", 1), 1)
end

-- Wakeups made by a coroutine that then fails still happen.
function case.wakeup_then_error()
	serve()
	local woken
	skynet.fork(function()
		skynet.wait "sleeper"
		woken = true
	end)
	skynet.yield()
	handlers.wake_and_fail = function()
		skynet.wakeup "sleeper"
		error "fails after a wakeup"
	end
	check.fails("it fails", "call failed", call_self, "wake_and_fail")
	check.ok("the sleeper is woken", check.wait(function() return woken end))
end

function case.close_on_error()
	serve()
	local closed
	handlers.closing = function()
		local _ <close> = setmetatable({}, { __close = function(_, err) closed = tostring(err) end })
		skynet.sleep(1)
		error "with a variable to close"
	end
	check.fails("it fails", "call failed", call_self, "closing")
	check.ok("the variable was closed with the error", closed and closed:find "with a variable to close", closed)
end

function case.raw_yields()
	local to = check.spawn "server"
	for _, value in ipairs { "ODD", 7, {}, true } do
		skynet.send(to, "lua", "raw_yield", value)
		check.eq("it goes on after a " .. type(value), skynet.call(to, "lua", "echo", 1), 1)
	end
	skynet.send(to, "lua", "user_yield")
	check.eq("it goes on after a user yield", skynet.call(to, "lua", "echo", 1), 1)
end

-- A yield of nothing is what a debugger's hook does: the coroutine just stays.
function case.raw_yield_of_nothing()
	serve()
	skynet.send(skynet.self(), "lua", "raw_yield")
	skynet.yield()
	check.eq("the service goes on", call_self("echo", 1), 1)
end

function case.wakeups_before_errors()
	serve()
	local to = check.spawn "server"
	local order = {}
	skynet.fork(function()
		pcall(skynet.call, to, "lua", "unread")
		order[#order + 1] = "error"
	end)
	skynet.fork(function()
		skynet.wait "w"
		order[#order + 1] = "wakeup"
	end)
	skynet.yield()
	skynet.term(to)
	skynet.wakeup "w"
	skynet.yield()
	check.eq("order", order, { "wakeup", "error" })
end

-- What one message causes all happens before the next message.
function case.before_the_next_message()
	local order = {}
	skynet.dispatch("lua", function(_, _, name)
		order[#order + 1] = "message " .. name
		if name == "one" then
			skynet.wakeup "w"
			skynet.fork(function()
				order[#order + 1] = "fork"
				skynet.fork(function()
					order[#order + 1] = "fork of the fork"
					skynet.wakeup "v"
				end)
			end)
			order[#order + 1] = "end of the handler"
		end
	end)
	for _, token in ipairs { "w", "v" } do
		skynet.fork(function()
			skynet.wait(token)
			order[#order + 1] = "woken " .. token
		end)
	end
	skynet.yield()
	skynet.send(skynet.self(), "lua", "one")
	skynet.send(skynet.self(), "lua", "two")
	skynet.yield()
	check.eq("order", order, {
		"message one", "end of the handler", "woken w", "fork", "fork of the fork", "woken v", "message two",
	})
end

function case.wakeup_chains()
	local n = 5000
	local count = 0
	for i = 1, n do
		skynet.fork(function()
			skynet.wait(i)
			count = count + 1
			skynet.wakeup(i + 1)
		end)
	end
	skynet.yield()
	skynet.wakeup(1)
	skynet.yield()
	check.eq("each wakes the next", count, n)
end

function case.errors_of_one_message()
	serve()
	handlers.several = function()
		skynet.fork(error, "error of fork one")
		skynet.fork(error, "error of fork two")
		error "error of the handler"
	end
	check.fails("it fails", "call failed", call_self, "several")
	check.eq("it goes on", call_self("echo", 1), 1)
end

-- A finished coroutine is used again; its leftovers must not be seen.
function case.coroutines_are_reused()
	serve()
	local seen = {}
	handlers.identity = function()
		seen[coroutine.running()] = (seen[coroutine.running()] or 0) + 1
		skynet.retpack(skynet.context())
	end
	for _ = 1, 100 do
		call_self "identity"
	end
	local n = 0
	for _ in pairs(seen) do
		n = n + 1
	end
	check.ok("far fewer than requests", n < 50, n)
	handlers.fail = function()
		error "fails"
	end
	for _ = 1, 100 do
		pcall(call_self, "fail")
	end
	check.eq("after errors too", call_self("echo", 1), 1)
end

-- A running coroutine is never taken for a finished one, whatever collects garbage meanwhile.
function case.waiting_coroutines_survive_gc()
	serve()
	local done = 0
	for i = 1, 200 do
		skynet.fork(function()
			local x = { i }
			skynet.sleep(1)
			done = done + (x[1] == i and 1 or 0)
		end)
	end
	skynet.yield()
	for _ = 1, 5 do
		collectgarbage()
	end
	check.ok("all went on", check.wait(function() return done == 200 end))
end

function case.yield_across_pcall()
	serve()
	local order = {}
	local ok, err = pcall(function()
		local ok2 = pcall(function()
			skynet.sleep(1)
			order[1] = call_self("echo", "inside two pcalls")
			error "inner"
		end)
		order[2] = ok2
		skynet.yield()
		local t = setmetatable({}, { __index = function(_, k)
			return call_self("echo", k)
		end })
		order[3] = t.through_a_metamethod
		for k in coroutine.wrap(function() coroutine.yield "iterator" end) do
			order[4] = k
		end
		error({ "outer" })
	end)
	check.eq("order", order, { "inside two pcalls", false, "through_a_metamethod", "iterator" })
	check.eq("outer", { ok, err }, { false, { "outer" } })
	check.eq("it goes on", call_self("echo", 1), 1)
end

-- An attempt to wait inside a C function fails, and leaves nothing behind that could resume the coroutine later.
function case.waiting_where_that_is_impossible()
	serve()
	local to = check.spawn "server"
	for name, f in pairs {
		sleep = function() skynet.sleep(1) end,
		yield = skynet.yield,
		wait = function() skynet.wait "impossible" end,
		call = function() skynet.call(to, "lua", "echo", 1) end,
	} do
		local ok, err = pcall(table.sort, { 3, 1, 2 }, f)
		check.eq(name .. " fails", ok, false)
		check.ok(name .. " tells why", tostring(err):find "attempt to yield", err)
	end
	check.eq("nobody waits", skynet.wakeup "impossible", nil)
	for i = 1, 20 do
		check.eq("it goes on " .. i, call_self("echo", i), i)
		check.returns("and sleeps " .. i, { n = 0 }, skynet.sleep, 1)
	end
end

-- A coroutine that is closed behind the dispatcher's back does not harm it.
function case.dead_coroutines()
	serve()
	handlers.close_self = function()
		coroutine.close(coroutine.running())
	end
	skynet.send(skynet.self(), "lua", "close_self")
	skynet.yield()
	check.eq("a handler that closes itself", call_self("echo", 1), 1)
	local co = skynet.fork(function()
		skynet.wait "closed from outside"
	end)
	skynet.yield()
	coroutine.close(co)
	skynet.wakeup "closed from outside"
	skynet.yield()
	check.eq("one that waited", call_self("echo", 2), 2)
	co = skynet.fork(print, "never printed")
	coroutine.close(co)
	skynet.yield()
	check.eq("one that had not begun", call_self("echo", 3), 3)
end

function case.resume_by_hand()
	serve()
	local co = skynet.fork(function()
		skynet.wait "mine"
	end)
	skynet.yield()
	-- Whatever this does to the coroutine, the service must survive it.
	pcall(coroutine.resume, co)
	skynet.wakeup "mine"
	skynet.yield()
	check.eq("it goes on", call_self("echo", 1), 1)
end

return check.main(role, case, ...)
