-- Tasks that are killed, listed or left behind at an awkward moment, and what must not get lost with them.
local skynet = require "skynet"
local core = require "skynet.core"
local check = require "check"

local role, case = {}, {}

function role.server()
	check.serve {
		echo = function(...)
			skynet.sleep(3)
			skynet.retpack(...)
		end,
		late = function()
			skynet.sleep(15)
			skynet.retpack()
		end,
		bad_answer = function()
			skynet.ret {}
		end,
	}
end

-- Both have no coroutine until somebody looks.
function case.listing_what_has_not_begun()
	local ran = 0
	local function count()
		ran = ran + 1
	end
	for _ = 1, 20 do
		skynet.fork(count)
		skynet.timeout(0, count)
		skynet.task {}
		skynet.killthread "no such thread"
	end
	skynet.sleep(2)
	check.eq("all run", ran, 40)
end

-- What waits in a coroutine below a C function can't be resumed through it: it must not wait at all.
function case.blocking_below_a_c_function()
	local to = check.spawn "server"
	local function blocked(f)
		local ok, err
		table.sort({ 1, 2 }, function()
			ok, err = pcall(coroutine.wrap(f))
			return false
		end)
		check.eq("it fails", ok, false)
		check.ok("and tells why", tostring(err):find "attempt to yield across", err)
	end
	for i = 1, 5 do
		blocked(function() skynet.sleep(1) end)
		blocked(function() skynet.call(to, "lua", "echo") end)
		check.eq("the task's own call gets its own answer", skynet.call(to, "lua", "echo", i), i)
	end
	blocked(function() skynet.sleep(1) end)
	local seen = {}
	for i = 1, 2 do
		skynet.fork(function(n)
			skynet.sleep(n)
			seen[n] = coroutine.running()
		end, i)
	end
	skynet.sleep(5)
	check.ok("two tasks, two coroutines", seen[1] and seen[2] and seen[1] ~= seen[2])
end

function case.bad_answer()
	check.fails("it fails at once", "call failed", skynet.timeoutcall, 500, check.spawn "server", "lua", "bad_answer")
end

function role.dying()
	local failing = setmetatable({}, { __close = function() error "from close" end })
	local function wait_with_it()
		local _ <close> = failing
		skynet.wait()
	end
	skynet.start(function()
		skynet.dispatch("lua", function()
			KEPT = setmetatable({}, { __gc = function() error "from a last finalizer" end })
			setmetatable({}, { __gc = function() error "from a finalizer" end })
			collectgarbage()
			local victim = skynet.fork(wait_with_it)
			skynet.fork(wait_with_it)
			skynet.yield()
			skynet.killthread(victim)
			local _ <close> = failing
			skynet.exit()
		end)
	end)
end

function case.errors_of_the_dying()
	local to = check.spawn "dying"
	skynet.send(to, "lua")
	check.ok("it dies", check.wait(function() return check.dead(to) end))
	skynet.sleep(5)
end

function case.close_gets_the_error()
	local got
	skynet.fork(function()
		local _ <close> = setmetatable({}, { __close = function(_, err) got = err end })
		error { "the error" }
	end)
	skynet.yield()
	check.eq("what was raised", got, { "the error" })
end

function case.closing_kills_itself()
	local closed, again = 0, "not asked"
	local co
	co = skynet.fork(function()
		local _ <close> = setmetatable({}, { __close = function()
			again = skynet.killthread(co)
			closed = closed + 1
		end })
		skynet.wait()
	end)
	skynet.yield()
	check.eq("it is killed", skynet.killthread(co), co)
	check.eq("closed once", closed, 1)
	check.eq("not killed twice", again, nil)
end

function case.trace_of_the_killed()
	local co = skynet.fork(function()
		skynet.trace "killed"
		skynet.wait()
	end)
	skynet.yield()
	skynet.killthread(co)
	local tag = "not asked"
	skynet.fork(function()
		tag = skynet.tracetag()
	end)
	skynet.yield()
	check.eq("the next task has no tag", tag, nil)
end

function case.token_of_the_killed()
	local tokens = setmetatable({}, { __mode = "k" })
	local co
	do
		local token = {}
		tokens[token] = true
		co = skynet.fork(function(t) skynet.wait(t) end, token)
	end
	skynet.yield()
	skynet.killthread(co)
	co = nil
	collectgarbage()
	collectgarbage()
	check.eq("it is let go of", next(tokens), nil)
end

function role.passes_on()
	skynet.start(function()
		skynet.dispatch("lua", function(session, source, to)
			local limit = skynet.hpc() + 10 * 1000000000
			repeat until skynet.mqlen() > 0 or skynet.hpc() > limit
			skynet.redirect(to, source, "lua", session, skynet.packstring "hold")
			skynet.ignoreret()
			skynet.exit()
		end)
	end)
end

function role.holds()
	local open
	check.serve {
		hold = function()
			open = skynet.response()
		end,
		answer = function()
			skynet.retpack(open(true))
		end,
	}
end

-- The first one dies with a send of ours in its mailbox, so its requests fail; the second one answers all the same.
function case.late_answer_to_select()
	local first, second = check.spawn "passes_on", check.spawn "holds"
	skynet.fork(skynet.send, first, "lua")
	for _, answer in skynet.request { first, "lua", second }:select() do
		check.eq("it has failed", answer, false)
	end
	check.eq("the answer comes", skynet.call(second, "lua", "answer"), true)
end

-- The answer tells which tag came with the request.
function role.traced()
	check.serve {
		tag = function()
			skynet.retpack(skynet.tracetag())
		end,
	}
end

function case.tracecall_in_a_traced_task()
	local to = check.spawn "traced"
	local function ask()
		return skynet.unpack(skynet.tracecall("FORCED", to, "lua", skynet.packstring "tag"))
	end
	check.eq("in a task without one", ask(), "FORCED")
	skynet.trace()
	check.eq("in a task with its own", ask(), "FORCED")
	check.eq("an ordinary call", skynet.call(to, "lua", "tag"), skynet.tracetag())
end

function case.messages_of_impossible_size()
	local msg, sz = skynet.pack "x"
	check.fails("a negative size", "invalid size", skynet.dispatch_message, 10, msg, -1, 0, skynet.self())
	skynet.trash(msg, sz)
	local got
	skynet.dispatch("lua", function(_, _, ...) got = select("#", ...) end)
	skynet.dispatch_message(10, nil, 100, 0, skynet.self())
	check.eq("no pointer, no values", got, 0)
end

function role.starts_and_fails()
	skynet.start(function()
		skynet.error "started all the same"
	end)
	error "after start"
end

function role.small_messages()
	core.callback(function(_, msg, sz)
		local text = core.tostring(msg, sz)
		collectgarbage()
		skynet.error("small", text, core.tostring(msg, sz) == text)
	end)
end

function case.small_messages_to_a_callback()
	local to = check.launch "small_messages"
	for i = 1, 16 do
		skynet.rawsend(to, "lua", ("x"):rep(i))
	end
	check.eq("the last one is sent", skynet.rawsend(to, "lua", "end of it"), 0)
	skynet.sleep(5)
end

function case.start_before_a_failing_chunk()
	check.fails("newservice", "call failed", check.spawn, "starts_and_fails")
	skynet.sleep(5)
end

return check.main(role, case, ...)
