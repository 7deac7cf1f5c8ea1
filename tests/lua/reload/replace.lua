-- A new service in the place of one that runs.
local skynet = require "skynet"
local replace = require "skynet.replace"
local check = require "check"
require "skynet.manager"

local role, case = {}, {}

-- Counts, and answers with its version. `how` is what is wrong with it.
function role.counter(version, how)
	local count = 0
	local method = {}
	function method.add(n)
		count = count + n
		return version, count
	end
	function method.slow(cs)
		skynet.sleep(cs)
		return version
	end
	function method.never()
		skynet.wait {}
	end
	function method.later()
		local answer = skynet.response()
		skynet.timeout(10, function()
			answer(true, version)
		end)
	end
	function method.read_wait_write(cs)
		local before = count
		skynet.sleep(cs)
		count = before + 1
		return version, count
	end
	if how ~= "stateless" then
		replace.state(function()
			if how == "does_not_give" then
				error "no state"
			elseif how == "waits" then
				skynet.sleep(1)
			end
			return count, version
		end, function(n)
			if how == "does_not_take" then
				error "not such a state"
			end
			count = n
		end)
	end
	if how == "fails" then
		error "it does not start"
	end
	skynet.dispatch("lua", function(_, _, name, ...)
		if name == "later" then
			return method.later()
		end
		skynet.retpack(method[name](...))
	end)
	skynet.start(function() end)
end

local function start(...)
	return check.spawn("counter", ...)
end

local function new(version, how, more)
	local options = { args = { "counter", version, how }, state = true, drain = 30 }
	for key, value in pairs(more or {}) do
		options[key] = value
	end
	return options
end

function case.names_and_state()
	local old = start "one"
	skynet.name(".counter", old)
	skynet.name(".other", old)
	skynet.call(".counter", "lua", "add", 5)
	local told = {}
	skynet.watch(old, function(_, reason, text)
		table.insert(told, { reason, text })
	end)
	local handle = skynet.replace(".counter", SERVICE_NAME, new "two")
	check.eq("names", { skynet.localname ".counter", skynet.localname ".other" }, { handle, handle })
	check.returns("the state", { "two", 6 }, skynet.call, ".counter", "lua", "add", 1)
	check.returns("who has the old handle", { "two", 7 }, skynet.call, old, "lua", "add", 1)
	check.ok("the old one ends", check.wait(function()
		return #told > 0
	end))
	check.eq("with the reason", told, { { "restart", skynet.address(handle) } })
	check.ok("and is gone", check.dead(old))
	local second = skynet.replace(handle, SERVICE_NAME, new("three", nil, { state = false, drain = 1 }))
	check.returns("without the state", { "three", 1 }, skynet.call, ".counter", "lua", "add", 1)
	check.ok("again", second ~= handle)
end

-- What was begun is answered by the old one, what waited by the new one.
function case.requests_under_way()
	local old = start "one"
	local answers = {}
	local function ask(key, ...)
		local args = table.pack(...)
		skynet.fork(function()
			answers[key] = table.pack(pcall(skynet.call, old, "lua", table.unpack(args, 1, args.n)))
		end)
	end
	ask("slow", "slow", 10)
	ask("later", "later")
	ask("never", "never")
	skynet.sleep(2)
	skynet.fork(function()
		skynet.replace(old, SERVICE_NAME, new("two", nil, { drain = 50 }))
	end)
	skynet.sleep(5)
	ask("after", "add", 1)
	check.ok("all are answered", check.wait(function()
		return answers.slow and answers.later and answers.never and answers.after
	end))
	check.eq("begun", { answers.slow[2], answers.later[2] }, { "one", "one" })
	check.eq("waited", { answers.after[2], answers.after[3] }, { "two", 1 })
	check.eq("open at the end", { answers.never[1], answers.never[2] }, { false, "call failed" })
end

function case.unique_services()
	local old = skynet.uniqueservice("api/unique", "first")
	local handle = skynet.replace(old, "api/unique", { args = { "second" }, drain = 1 })
	check.eq("the new one", skynet.uniqueservice "api/unique", handle)
	check.eq("is asked", skynet.call(skynet.queryservice "api/unique", "lua", "argument"), "second")
end

-- It fails, and nothing has changed.
function case.failures()
	local old = start "one"
	skynet.name(".counter", old)
	skynet.call(old, "lua", "add", 5)
	local before = skynet.call(".launcher", "lua", "LIST")
	local function fails(text, to, ...)
		check.fails(text, text, skynet.replace, to, ...)
		check.eq("the name", skynet.localname ".counter", old)
		local _, count = skynet.call(".counter", "lua", "add", 0)
		check.eq("the state", count, 5)
	end
	fails("call failed", old, SERVICE_NAME, new("two", "fails"))
	fails("not such a state", old, SERVICE_NAME, new("two", "does_not_take"))
	fails("the new service takes no state", old, SERVICE_NAME, new("two", "stateless"))
	fails("there is no service .nobody", ".nobody", SERVICE_NAME)
	fails("there is no option 'stat'", old, SERVICE_NAME, { stat = true })
	fails("drain: a number expected", old, SERVICE_NAME, { drain = "x" })
	fails("the name of a service expected", old)
	local other = start("one", "does_not_give")
	fails("no state", other, SERVICE_NAME, new "two")
	other = start("one", "waits")
	fails("it waits for something", other, SERVICE_NAME, new "two")
	other = start("one", "stateless")
	fails("this service gives no state", other, SERVICE_NAME, new "two")
	check.returns("they go on", { "one", 1 }, skynet.call, other, "lua", "add", 1)
	skynet.sleep(5)
	local more = 0
	for address in pairs(skynet.call(".launcher", "lua", "LIST")) do
		more = more + (before[address] and 0 or 1)
	end
	check.eq("no new service is left", more, 3)
	skynet.replace(old, SERVICE_NAME, new "two")
	check.returns("then it can", { "two", 5 }, skynet.call, ".counter", "lua", "add", 0)
end

-- While it is asked all the time, again and again. Each request is answered once, and counted once.
function case.under_load()
	skynet.name(".counter", start(1))
	local asked, answered, wrong, stop, running = 0, 0, {}, false, 0
	for _ = 1, 20 do
		running = running + 1
		skynet.fork(function()
			while not stop do
				asked = asked + 1
				local ok, why = pcall(skynet.call, ".counter", "lua", "add", 1)
				if ok then
					answered = answered + 1
				else
					wrong[#wrong + 1] = tostring(why)
				end
				if asked % 100 == 0 then
					skynet.sleep(0)
				end
			end
			running = running - 1
		end)
	end
	for version = 2, 11 do
		skynet.sleep(2)
		skynet.replace(".counter", SERVICE_NAME, new(version))
	end
	stop = true
	check.ok("all come back", check.wait(function()
		return running == 0
	end))
	check.eq("none has failed", wrong, {})
	check.ok("many", answered > 1000, answered)
	local version, count = skynet.call(".counter", "lua", "add", 0)
	check.eq("each was counted once, by the last one", { version, count }, { "11", asked })
end

-- A supervisor goes on with the new one.
function case.under_a_supervisor()
	local supervisor = require "skynet.supervisor"
	supervisor.start { backoff = { 0 }, { id = "c", service = SERVICE_NAME, args = { "counter", "one" }, name = ".counter" } }
	local function child()
		return supervisor.children(skynet.self())[1]
	end
	local first = child().handle
	local handle = skynet.replace(first, SERVICE_NAME, new("two", nil, { drain = 5 }))
	check.ok("it is the child", check.wait(function()
		return child().handle == handle
	end))
	check.eq("no restart", child().restarts, 0)
	skynet.kill(handle)
	check.ok("it is started again", check.wait(function()
		local now = child()
		return now.state == "running" and now.handle ~= handle
	end))
	check.returns("as the spec says", { "one", 1 }, skynet.call, ".counter", "lua", "add", 1)
end

-- Has a message function of its own, which answers.
function role.forwarder()
	local core = require "skynet.core"
	skynet.dispatch("lua", function()
		skynet.retpack "by the dispatcher"
	end)
	skynet.start(function()
		core.callback(function(...)
			return skynet.dispatch_message(...)
		end)
	end)
end

function case.other_names()
	local cluster = require "skynet.cluster"
	local old = start "one"
	skynet.name("COUNTER", old)
	cluster.register("counter", old)
	local clusterd = skynet.queryservice "clusterd"
	local function owner()
		return skynet.call(clusterd, "lua", "queryname", "counter")
	end
	check.eq("before", owner(), old)
	local handle = skynet.replace(old, SERVICE_NAME, new("two", nil, { drain = 1 }))
	check.eq("in the cluster", owner(), handle)
	check.ok("the old one ends", check.wait(function()
		return check.dead(old)
	end))
	check.returns("the global name", { "two", 1 }, skynet.call, "COUNTER", "lua", "add", 1)
	check.eq("one without a name", skynet.call(clusterd, "lua", "handover", old, handle), false)
	check.fails("two handles", "call failed", skynet.call, clusterd, "lua", "handover", old)
end

-- The state has what came of the requests that were begun.
function case.settled()
	local old = start "one"
	local answers = 0
	for _ = 1, 3 do
		skynet.fork(function()
			local version = skynet.call(old, "lua", "read_wait_write", 5)
			answers = answers + (version == "one" and 1 or 0)
		end)
	end
	skynet.sleep(1)
	local waited
	skynet.fork(function()
		skynet.sleep(1)
		waited = skynet.call(old, "lua", "add", 10)
	end)
	local handle = skynet.replace(old, SERVICE_NAME, new("two", nil, { settle = 1000 }))
	check.ok("all were answered first", check.wait(function()
		return answers == 3 and waited
	end))
	check.eq("what came meanwhile has waited", waited, "two")
	check.returns("nothing is missing", { "two", 11 }, skynet.call, handle, "lua", "add", 0)
	-- The time is over: it goes on without.
	skynet.fork(pcall, skynet.call, handle, "lua", "never")
	skynet.sleep(1)
	local third = skynet.replace(handle, SERVICE_NAME, new("three", nil, { settle = 2, drain = 1 }))
	check.returns("it does not wait for ever", { "three", 11 }, skynet.call, third, "lua", "add", 0)
end

function case.own_message_function()
	local own = check.spawn "forwarder"
	check.fails("it cannot be replaced", "a message function of its own", skynet.replace, own, SERVICE_NAME, new "two")
	check.eq("it goes on", skynet.call(own, "lua"), "by the dispatcher")
	-- One whose replacement has failed handles its messages as before.
	local old = start("one", "does_not_give")
	check.fails("the first time", "no state", skynet.replace, old, SERVICE_NAME, new "two")
	check.fails("the second time", "no state", skynet.replace, old, SERVICE_NAME, new "two")
	check.returns("it goes on as well", { "one", 1 }, skynet.call, old, "lua", "add", 1)
	check.ok("and can be replaced", skynet.replace(old, SERVICE_NAME, new("two", nil, { state = false, drain = 1 })))
end

return check.main(role, case, ...)
