-- snax: objects, services and their life.
local skynet = require "skynet"
local snax = require "skynet.snax"
local check = require "check"

local role, case = {}, {}

-- A role that does what it is told with snax, so that there is more than one client.
function role.client()
	check.serve {
		unique = function(...)
			local object = snax.uniqueservice(...)
			return object.handle, object.req.arguments()
		end,
		query = function(name)
			return snax.queryservice(name).handle
		end,
		query_global = function(name)
			return snax.queryglobal(name).handle
		end,
		echo = function(handle, name, ...)
			return snax.bind(handle, name).req.echo(...)
		end,
		sleep = function(handle, ...)
			return snax.bind(handle, "thing").req.sleep(...)
		end,
	}
end

-- How many services run a class, as the launcher knows.
local function running(class)
	local count = 0
	for _, line in pairs(skynet.call(".launcher", "lua", "LIST")) do
		count = count + (line == "snlua snaxd " .. class and 1 or 0)
	end
	return count
end

function case.methods()
	local thing = snax.newservice("thing", 1, nil, "x", nil)
	check.returns("init has got the arguments", { 1, nil, "x", nil, n = 4 }, thing.req.arguments)
	check.returns("results", { 1, nil, { a = { 2 } }, nil, n = 4 }, thing.req.echo, 1, nil, { a = { 2 } }, nil)
	check.returns("no result", { n = 0 }, thing.req.echo)
	check.returns("post returns nothing", { n = 0 }, thing.post.note, "a", nil, "c")
	check.eq("but arrives, in order", thing.req.noted(), { "a", nil, "c", n = 3 })
	check.eq("it can wait", thing.req.sleep(1, "slept"), "slept")
end

function case.object()
	local thing = snax.newservice "thing"
	check.eq("type", thing.type, "thing")
	check.eq("handle", math.type(thing.handle), "integer")
	check.eq("text", tostring(thing), ("[thing:%x]"):format(thing.handle))
	check.eq("one more", running "thing", 1)
	local name, path, text, same = thing.req.names()
	check.eq("SERVICE_NAME", name, "thing")
	check.eq("SERVICE_PATH", path:match "[^/]*/[^/]*/$", "classes/thing/")
	check.eq("self", text, tostring(thing))
	check.ok("self is one object", same)
end

function case.unknown_methods()
	local thing = snax.newservice "thing"
	check.fails("request", "request thing:nothing no exist", function() return thing.req.nothing end)
	check.fails("post", "post thing:nothing no exist", function() return thing.post.nothing end)
	check.fails("a post is no request", "request thing:note no exist", function() return thing.req.note end)
	check.fails("a request is no post", "post thing:echo no exist", function() return thing.post.echo end)
	check.fails("nor is a function of the system", "request thing:init no exist", function() return thing.req.init end)
	local bare = snax.newservice "bare"
	check.eq("both kinds may have a name", bare.req.same(), "response")
	check.returns("each its own", { n = 0 }, bare.post.same)
end

function case.errors()
	local thing = snax.newservice "thing"
	check.fails("a request", "call failed", thing.req.fail, "on request")
	thing.post.fail "on post"
	check.eq("it goes on", thing.req.echo "x", "x")
end

function case.bind()
	local thing, other = snax.newservice "thing", snax.newservice "thing"
	check.ok("two services, two objects", thing ~= other and thing.handle ~= other.handle)
	check.ok("one object for a handle", snax.bind(thing.handle, "thing") == thing)
	check.ok("one function for a method", thing.req.echo == thing.req.echo)
	check.ok("another type", not pcall(snax.bind, thing.handle, "bare"))
	check.ok("no such type", not pcall(snax.bind, skynet.self(), "no_such_class"))
	check.eq("in another service", skynet.call(check.spawn "client", "lua", "echo", thing.handle, "thing", "x"), "x")

	local weak, handle = setmetatable({ thing }, { __mode = "v" }), thing.handle
	local echo = thing.req.echo
	thing = nil
	collectgarbage()
	check.eq("an object that nobody uses is collected", weak[1], nil)
	check.eq("its functions work without it", echo "x", "x")
	check.eq("and it can be made again", snax.bind(handle, "thing").req.echo "y", "y")
end

function case.raw()
	local handle = snax.rawnewservice("thing", "a")
	check.eq("a handle", math.type(handle), "integer")
	check.eq("initialised", snax.bind(handle, "thing").req.arguments(), "a")
	check.eq("without init", snax.newservice("bare", "ignored").req.answer(), 42)
end

function case.failing_init()
	check.fails("an error", "call failed", snax.newservice, "thing", "fail")
	check.fails("exit", "call failed", snax.newservice, "thing", "leave")
	check.ok("none of them stays", check.wait(function() return running "thing" == 0 end))
end

function case.no_such_class()
	check.fails("newservice", "no_such_class.lua", snax.newservice, "no_such_class")
	check.fails("raw", "no_such_class.lua", snax.rawnewservice, "no_such_class")
	check.fails("interface", "no_such_class.lua", snax.interface, "no_such_class")
	check.fails("unique", "no_such_class.lua", snax.uniqueservice, "no_such_class")
	check.fails("the service itself", "failed", skynet.newservice, "snaxd", "no_such_class")
	check.eq("nothing was started", running "no_such_class", 0)
end

function case.no_config()
	check.fails("interface", "please set snax in config file", snax.interface, "thing")
	check.fails("newservice", "please set snax in config file", snax.newservice, "thing")
end

-- Methods are refused until init has ended, and init runs once.
function case.before_init()
	local class = snax.interface "thing"
	local handle = skynet.newservice("snaxd", "thing")
	check.eq("INFO", skynet.call(handle, "debug", "INFO"), nil)
	check.fails("a method", "failed", skynet.call, handle, "snax", class.response.echo, 1)
	check.fails("exit", "failed", skynet.call, handle, "snax", class.system.exit)
	local request = skynet.request { handle, "snax", class.system.init, "slow" }
	request:add { handle, "snax", class.response.echo, 1 }
	request:add { handle, "snax", class.system.init, "second" }
	local failed = 0
	for req, answer in request:select() do
		if req[4] == "slow" then
			check.ok("init", answer)
		else
			failed = failed + (answer and 0 or 1)
		end
	end
	check.eq("what came meanwhile", failed, 2)
	check.returns("the first init counts", { "slow" }, skynet.call, handle, "snax", class.response.arguments)
	check.fails("again", "failed", skynet.call, handle, "snax", class.system.init)
	check.eq("INFO", skynet.call(handle, "debug", "INFO"), { arguments = { count = 1, time = skynet.call(handle, "debug", "INFO").arguments.time } })

	local bare = skynet.newservice("snaxd", "bare")
	check.eq("ready without init", skynet.call(bare, "snax", snax.interface "bare".response.answer), 42)
	check.returns("init may be sent nevertheless", { n = 0 }, skynet.call, bare, "snax", 1)
	check.fails("once", "failed", skynet.call, bare, "snax", 1)
end

-- What the messages carry.
function case.protocol()
	local handle = snax.rawnewservice "bare"
	check.returns("numbers follow the order of definition", { 42 }, skynet.call, handle, "snax", 7)
	check.returns("the one before", { "response" }, skynet.call, handle, "snax", 6)
	check.fails("a number of no method", "failed", skynet.call, handle, "snax", 8)
	check.fails("no number", "failed", skynet.call, handle, "snax")
	check.eq("profile", skynet.call(handle, "snax", 4).answer.count, 1)
	check.returns("hotfix", { true, "x" }, skynet.call, handle, "snax", 3, "function hotfix(x) return x end", "x")
	check.fails("only snax messages", "failed", skynet.call, handle, "lua", 7)
	check.eq("a post is not answered", skynet.send(handle, "snax", 5), 0)
	check.returns("exit", { n = 0 }, skynet.call, handle, "snax", 2)
	check.ok("and it is gone", check.dead(handle))
end

-- A call of a post is not answered either, which is logged.
function case.called_post()
	local handle = snax.rawnewservice "bare"
	check.fails("no answer", "call timeout", skynet.timeoutcall, 20, handle, "snax", 5)
end

function case.enablecluster()
	local thing = snax.newservice "thing"
	local echo = snax.interface "thing".response.echo
	check.eq("only in a snax service", snax.enablecluster, nil)
	check.fails("before", "failed", skynet.call, thing.handle, "lua", echo, "x")
	thing.post.enable_cluster()
	check.returns("the lua protocol", { "x", 2 }, skynet.call, thing.handle, "lua", echo, "x", 2)
	check.eq("and the other still", thing.req.echo "y", "y")
end

function case.kill()
	local thing = snax.newservice "thing"
	check.returns("kill", { n = 0 }, snax.kill, thing, "a", 1)
	check.ok("gone", check.dead(thing.handle))
	check.fails("calls fail", "call to invalid address", thing.req.echo)
	check.returns("posts do not", { n = 0 }, thing.post.note)
	local bare = snax.newservice "bare"
	snax.kill(bare)
	check.ok("without an exit function", check.dead(bare.handle))
end

-- While the exit function waits the service works on; what it has not answered at its end fails.
function case.kill_with_requests()
	local thing = snax.newservice "thing"
	local client = check.spawn "client"
	local requests = skynet.request { client, "lua", "sleep", thing.handle, 1, "short" }
	requests:add { client, "lua", "sleep", thing.handle, 100000, "long" }
	skynet.fork(snax.kill, thing)
	for req, answer in requests:select() do
		check.eq(req[6], answer and answer[1], req[6] == "short" and "short" or false)
	end
	check.ok("gone", check.dead(thing.handle))
end

function case.exit_in_a_post()
	local thing = snax.newservice "thing"
	thing.post.leave("x", "y")
	check.ok("gone", check.wait(function() return check.dead(thing.handle) end))
end

function case.printf()
	local thing = snax.newservice "thing"
	thing.post.say("text", 42)
	check.eq("it goes on", thing.req.echo(1), 1)
	check.fails("a bad format", "bad argument", snax.printf, "%d", "x")
end

function case.profile()
	local thing = snax.newservice "thing"
	check.eq("nothing yet", snax.profile_info(thing), {})
	thing.req.echo()
	thing.req.echo()
	thing.post.note()
	check.fails("an error", "call failed", thing.req.fail, "counted")
	local client = check.spawn "client"
	skynet.send(client, "lua", "sleep", thing.handle, 100000)
	thing.req.sleep(3)
	local info = snax.profile_info(thing)
	for name, count in pairs { echo = 2, note = 1, fail = 1, sleep = 1 } do
		check.eq(name, info[name].count, count)
		check.ok("time of " .. name, math.type(info[name].time) == "float" and info[name].time >= 0)
		info[name] = nil
	end
	check.eq("nothing else", info, {})
	local now = skynet.call(thing.handle, "debug", "INFO")
	check.eq("INFO has the same", { now.echo.count, now.fail.count }, { 2, 1 })
end

function case.critical_section()
	local thing = snax.newservice "thing"
	local requests = skynet.request()
	for _, name in ipairs { "a", "b", "c" } do
		requests:add { thing.handle, "snax", snax.interface "thing".response.critical, name }
	end
	for _, answer in requests:select() do
		check.ok("done", answer)
	end
	local want = {}
	for _, name in ipairs { "a", "b", "c" } do
		for _, step in ipairs { "begin", "nested", "end" } do
			want[#want + 1] = step .. " " .. name
		end
	end
	check.eq("first come, first served", thing.req.order(), want)
end

-- All at once from several clients, some of which only ask.
function case.unique()
	local requests = skynet.request()
	for i = 1, 3 do
		requests:add { check.spawn "client", "lua", "query", "thing" }
		requests:add { check.spawn "client", "lua", "unique", "thing", "slow", i }
	end
	local handles, arguments = {}, {}
	for req, answer in requests:select() do
		handles[answer and answer[1] or "failed"] = true
		if req[3] == "unique" then
			arguments[("%s %s"):format(answer[2], answer[3])] = true
		end
	end
	local thing = snax.uniqueservice("thing", "ignored")
	check.eq("one for all", handles, { [thing.handle] = true })
	check.eq("started once", running "thing", 1)
	check.ok("with the arguments of one", next(arguments) and next(arguments, next(arguments)) == nil, check.show(arguments))
	check.ok("one object", snax.queryservice "thing" == thing)
	check.ok("the name of the class is a part of the key", snax.uniqueservice "bare" ~= thing)
	local list = skynet.call(".service", "lua", "LIST")
	check.eq("in the list", list["snaxd.thing"], skynet.address(thing.handle))
	check.eq("both", list["snaxd.bare"], skynet.address(snax.queryservice "bare".handle))
	check.eq("the same from skynet", skynet.uniqueservice("snaxd", "thing"), thing.handle)
end

function case.unique_fails()
	local client = check.spawn "client"
	local query = skynet.request { client, "lua", "query", "thing" }
	skynet.fork(function()
		skynet.sleep(2)
		check.fails("unique", "failed", snax.uniqueservice, "thing", "fail")
		check.fails("for ever", "failed", snax.uniqueservice, "thing", "now it would work")
		check.fails("query", "failed", snax.queryservice, "thing")
	end)
	for _, answer in query:select() do
		check.eq("who waited", answer, false)
	end
	skynet.sleep(2)
	check.ok("none stays", check.wait(function() return running "thing" == 0 end))
end

function case.global()
	local client = check.spawn "client"
	local waiting = skynet.request { client, "lua", "query_global", "thing" }
	local thing
	skynet.fork(function()
		thing = snax.globalservice("thing", "g")
	end)
	for _, answer in waiting:select() do
		check.ok("who waited", check.wait(function() return thing end) and answer and answer[1] == thing.handle)
	end
	check.eq("argument", thing.req.arguments(), "g")
	check.ok("asked again", snax.queryglobal "thing" == thing and snax.globalservice "thing" == thing)
	check.ok("is not the node's", snax.uniqueservice "thing" ~= thing)
	local list = skynet.call("SERVICE", "lua", "LIST")
	check.eq("in the list", list["@snaxd.thing"], skynet.address(thing.handle))
end

function case.compat()
	check.eq("old name", require "compat10.snax", snax)
end

return check.main(role, case, ...)
