-- Answering: ret, retpack, context, ignoreret, response.
local skynet = require "skynet"
local check = require "check"

local role, case = {}, {}

local kept = {}

-- What the service under test does with a request, by its first value. Answers carry what the functions returned.
local method = {}

function method.ret_twice()
	local first = skynet.ret(skynet.pack "answer")
	skynet.error("second ret: " .. tostring(select(2, pcall(skynet.ret))))
	skynet.error("first ret: " .. tostring(first))
end

function method.context_before_and_after(_, source)
	local session, from = skynet.context()
	skynet.retpack(session, from, source)
	local after, still = skynet.context()
	skynet.error(string.format("after ret: %s %s", after, still == source))
	skynet.fork(function()
		local a, b = skynet.context()
		skynet.error(string.format("in a fork: %s %s", a, b))
	end)
end

function method.ret_on_send()
	skynet.error("ret on send: " .. tostring(skynet.ret(skynet.pack(1))))
	skynet.error("second ret on send: " .. tostring(select(2, pcall(skynet.ret))))
end

function method.ret_string()
	skynet.ret(skynet.packstring("by", "string"))
end

function method.ignore()
	skynet.ignoreret()
	skynet.error("ret after ignoreret: " .. tostring(select(2, pcall(skynet.ret))))
end

function method.ignore_and_answer_otherwise(session, source)
	skynet.ignoreret()
	skynet.redirect(source, skynet.self(), "response", session, skynet.packstring "by hand")
end

function method.keep()
	kept[#kept + 1] = skynet.response()
	skynet.error("ret after response: " .. tostring(select(2, pcall(skynet.ret))))
	skynet.error("second response: " .. tostring(select(2, pcall(skynet.response))))
end

function method.release(_, _, ...)
	local results = {}
	for i, response in ipairs(kept) do
		results[i] = response(...)
	end
	kept = {}
	skynet.retpack(results)
end

function method.test()
	local results = {}
	for i, response in ipairs(kept) do
		results[i] = response "TEST"
	end
	skynet.retpack(results)
end

function method.twice()
	local response = skynet.response()
	local before = response "TEST"
	response(true, "once")
	skynet.error("TEST before and after: " .. tostring(before) .. " " .. tostring(response "TEST"))
	skynet.error("second use: " .. tostring(select(2, pcall(response, true, "twice"))))
end

function method.own_pack()
	skynet.response(function(...)
		return skynet.packstring("packed by me", ...)
	end)(true, 1, 2)
end

function method.response_on_send()
	local response = skynet.response()
	response(true, 1)
	skynet.error "response on send: done"
end

function method.ret_in_called_function(_, _, addr)
	local x = skynet.call(addr, "lua", "ret_string")
	skynet.retpack("after a call", x)
end

function method.large()
	skynet.retpack(("x"):rep(3000000))
end

function role.replier()
	skynet.start(function()
		skynet.dispatch("lua", function(session, source, name, ...)
			method[name](session, source, ...)
		end)
	end)
end

function case.ret()
	local to = check.spawn "replier"
	check.eq("answer", skynet.call(to, "lua", "ret_twice"), "answer")
	check.returns("packed string", { "by", "string" }, skynet.call, to, "lua", "ret_string")
	check.returns("after a call of its own", { "after a call", "by" },
		skynet.call, to, "lua", "ret_in_called_function", check.spawn "replier")
	check.eq("three megabytes", #skynet.call(to, "lua", "large"), 3000000)
	skynet.send(to, "lua", "ret_on_send")
	skynet.call(to, "lua", "ret_string")
	check.fails("ret in a start function", "No session", skynet.ret)
end

function case.context()
	local to = check.spawn "replier"
	local session, from, source = skynet.call(to, "lua", "context_before_and_after")
	check.ok("session", math.type(session) == "integer" and session > 0, session)
	check.eq("source", { from, source }, { skynet.self(), skynet.self() })
	skynet.call(to, "lua", "ret_string")
	check.returns("nothing in a start function", { nil, nil, n = 2 }, skynet.context)
end

function case.ignoreret()
	local to = check.spawn "replier"
	local co = skynet.fork(pcall, skynet.call, to, "lua", "ignore")
	skynet.call(to, "lua", "ret_string")
	check.eq("the caller still waits", type(skynet.task(co)), "number")
	check.eq("answered by other means", skynet.call(to, "lua", "ignore_and_answer_otherwise"), "by hand")
end

function case.response()
	local to = check.spawn "replier"
	local got = {}
	for i = 1, 3 do
		skynet.fork(function()
			got[i] = table.pack(skynet.call(to, "lua", "keep"))
		end)
	end
	skynet.yield()
	check.eq("TEST while open", skynet.call(to, "lua", "test"), { true, true, true })
	check.eq("all sent", skynet.call(to, "lua", "release", true, "a", nil, "b"), { true, true, true })
	check.eq("answers", { got[1], got[2], got[3] }, {
		{ "a", nil, "b", n = 3 }, { "a", nil, "b", n = 3 }, { "a", nil, "b", n = 3 },
	})
	check.returns("used twice", { "once" }, skynet.call, to, "lua", "twice")
	check.returns("own pack", { "packed by me", 1, 2 }, skynet.call, to, "lua", "own_pack")
	skynet.send(to, "lua", "response_on_send")
	skynet.call(to, "lua", "ret_string")
	check.fails("no session to take", "no session", skynet.response)
end

function case.response_false()
	local to = check.spawn "replier"
	local result
	skynet.fork(function()
		result = table.pack(pcall(skynet.call, to, "lua", "keep"))
	end)
	skynet.yield()
	check.eq("sent", skynet.call(to, "lua", "release", false), { true })
	check.eq("the caller fails", result[1], false)
	check.ok("with call failed", tostring(result[2]):find("call failed", 1, true), result[2])
end

-- Calls, and exits or is killed before it is answered.
function role.impatient(to, how)
	skynet.start(function()
		skynet.fork(function()
			skynet.call(tonumber(to), "lua", "keep")
		end)
		skynet.dispatch("lua", function()
			skynet.exit()
		end)
	end)
end

function case.response_to_the_dead()
	local to = check.spawn "replier"
	local caller = check.spawn("impatient", to)
	check.ok("kept", check.wait(function()
		return #skynet.call(to, "lua", "test") == 1
	end))
	pcall(skynet.call, caller, "lua", "exit")
	check.ok("TEST becomes false", check.wait(function()
		return check.same(skynet.call(to, "lua", "test"), { false })
	end))
	check.eq("used", skynet.call(to, "lua", "release", true, 1), { false })
end

-- Sends its request in its own name, and is gone when the answer comes.
function role.vanishing(to)
	skynet.start(function()
		skynet.fork(pcall, skynet.call, tonumber(to), "lua", "later")
	end)
end

-- Takes its time for `later`, so that the requester can die meanwhile; tells what retpack returned.
function role.slow()
	local state = "idle"
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, name)
			if name == "later" then
				state = "asked"
				skynet.wait(state)
				state = tostring(skynet.retpack(1))
			elseif name == "go on" then
				skynet.wakeup(state)
				skynet.retpack()
			else
				skynet.retpack(state)
			end
		end)
	end)
end

function case.ret_to_the_dead()
	local slow = check.spawn "slow"
	local caller = check.spawn("vanishing", slow)
	check.ok("asked", check.wait(function()
		return skynet.call(slow, "lua", "state") == "asked"
	end))
	skynet.kill(caller)
	skynet.call(slow, "lua", "go on")
	check.eq("ret returned false", skynet.call(slow, "lua", "state"), "false")
end

return check.main(role, case, ...)
