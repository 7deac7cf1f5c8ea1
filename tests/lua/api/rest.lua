-- What programs seldom use directly: the parts that libraries are made of, and services asked by message.
local skynet = require "skynet"
require "skynet.manager"
local core = require "skynet.core"
local check = require "check"

local role, case = {}, {}

function role.echo()
	check.serve {
		echo = function(...)
			return ...
		end,
		fail = function()
			error "as told"
		end,
	}
end

function case.requests_with_a_function_for_the_answer()
	local echo = check.spawn "echo"
	local got = {}
	local session = core.request_send(echo, "lua", "echo", 1, "two")
	core.on_answer(session, function(ok, msg, sz)
		got[1] = { ok, core.unpack_as("lua", msg, sz) }
	end)
	core.on_answer(core.request_send(echo, "lua", "fail"), function(ok)
		got[2] = { ok }
	end)
	check.wait(function()
		return #got == 2
	end)
	check.eq("answered", got, { { true, 1, "two" }, { false } })
	check.eq("nobody there", core.request_send(0xfffff0, "lua"), nil)
end

-- An own form of start: the functions of init run, then this one, and the launcher is told.
function role.own_start()
	local order = {}
	skynet.init(function()
		order[#order + 1] = "init"
	end)
	skynet.start(function() end)
	skynet.dispatch("lua", function()
		skynet.retpack(order)
	end)
	skynet.timeout(0, function()
		skynet.init_service(function()
			order[#order + 1] = "start"
		end)
	end)
end

function case.init_service()
	local other = check.spawn "own_start"
	check.ok("both have run", check.wait(function()
		return #skynet.call(other, "lua") == 2
	end))
	check.eq("in order", skynet.call(other, "lua"), { "init", "start" })
end

function case.tracelog()
	skynet.tracelog("tag", "plain")
	core.trace("tag", "with a place", 1)
	check.ok("logged", true) -- the log is looked at from outside
end

function case.debug_commands()
	local debugcmd = require "skynet.debug"
	debugcmd.reg_debugcmd("OWN", function(x)
		skynet.ret(skynet.pack(x, "answered"))
	end)
	check.eq("kept by name", type(debugcmd.commands.OWN), "function")
	check.returns("called", { 5, "answered" }, skynet.call, skynet.self(), "debug", "OWN", 5)
end

local outside = 1

function case.injectcode()
	local injectcode = require "skynet.injectcode"
	local function caller(a)
		local b = a + outside
		local ok, x, y = injectcode "b = b * 10 outside = outside + 1 GLOBAL = 'g' return a, b"
		return ok, x, y, b
	end
	check.returns("locals, upvalues and globals", { true, 1, 20, 20 }, caller, 1)
	check.eq("assigned", { outside, GLOBAL }, { 2, "g" })
	local function further()
		local secret = 5
		local function inner()
			local ok, value = injectcode("secret = secret + n return secret", nil, 1, { n = 2, secret = "hidden" })
			return ok, value
		end
		local ok, value = inner()
		return ok, value, secret
	end
	check.returns("a function further up, and names from outside", { true, 7, 7 }, further)
	local co = coroutine.create(function(x)
		local kept = x
		coroutine.yield()
		return kept
	end)
	coroutine.resume(co, "before")
	check.returns("a coroutine that waits", { true, "before" }, injectcode, "local old = kept kept = 'after' return old", co, 1)
	check.returns("it goes on with that", { true, "after" }, coroutine.resume, co)
	check.returns("an error", { false, "(inject):1: oops" }, injectcode, "error 'oops'")
	check.eq("no Lua", (injectcode "not Lua"), false)
	check.returns("no such level", { false, "Invalid level" }, injectcode, "return 1", nil, 1000)
end

function case.inject()
	local inject = require "skynet.inject"
	local settings = { limit = 1 }
	local function f()
		return settings
	end
	local ok, lines = inject(skynet, "print(...) _U.settings.limit = 2", "patch", table.pack("a", 1), f)
	check.eq("it ran", { ok, lines }, { true, { "a\t1" } })
	check.eq("the local table has changed", f().limit, 2)
	ok, lines = inject(skynet, "print 'before' error 'within'", "patch", {}, f)
	check.eq("an error", { ok, lines[1] }, { false, "before" })
	check.ok("and its text", lines[2]:find("patch:1: within", 1, true))
	check.eq("no Lua", (inject(skynet, "not Lua", "patch", {}, f)), false)
end

function case.harbor_of_a_single_node()
	local harbor = require "skynet.harbor"
	check.fails("there is no master", "call failed", harbor.linkmaster)
	harbor.link(3) -- nobody is connected, so it returns at once
	skynet.fork(harbor.connect, 3)
	local ended
	skynet.fork(function()
		skynet.call(".cslave", "lua", "CONNECT", 3)
		ended = true
	end)
	skynet.sleep(2)
	check.eq("connect never ends", ended, nil)
	check.eq("LINK by message", (pcall(skynet.call, ".cslave", "lua", "LINK", 3)), true)
end

function case.datacenter_by_message()
	local set = { ".service", "lua" }
	check.ok("its address is a name", set)
	check.eq("UPDATE", skynet.call("DATACENTER", "lua", "UPDATE", "a", "b", 1), nil)
	check.eq("UPDATE again", skynet.call("DATACENTER", "lua", "UPDATE", "a", "b", 2), 1)
	check.eq("QUERY", skynet.call("DATACENTER", "lua", "QUERY", "a", "b"), 2)
	check.eq("WAIT", skynet.call("DATACENTER", "lua", "WAIT", "a", "b"), 2)
end

function role.unique()
	check.serve {
		name = function()
			return SERVICE_NAME
		end,
	}
end

function case.service_manager_by_message()
	local name = SERVICE_NAME
	local one = skynet.call(".service", "lua", "LAUNCH", name, "unique")
	check.eq("QUERY", skynet.call(".service", "lua", "QUERY", name), one)
	local global = skynet.call("SERVICE", "lua", "GLAUNCH", name, "unique")
	check.eq("GQUERY", skynet.call("SERVICE", "lua", "GQUERY", name), global)
	check.ok("another one", one ~= global)
	local list = skynet.call("SERVICE", "lua", "LIST")
	check.eq("LIST", { list[name], list["@" .. name] }, { skynet.address(one), skynet.address(global) })
	check.eq("anything else", { skynet.call(".service", "lua", "NONSENSE") }, { nil, "Invalid command NONSENSE" })
end

function case.launcher_by_message()
	local echo = check.spawn "echo"
	local key = skynet.address(echo)
	check.ok("listed", skynet.call(".launcher", "lua", "LIST")[key])
	skynet.send(".launcher", "lua", "REMOVE", echo, false)
	check.eq("forgotten, though it lives", skynet.call(".launcher", "lua", "LIST")[key], nil)
	check.eq("it lives", skynet.call(echo, "lua", "echo", 1), 1)
	-- What a service says at the end of its start function; here nobody waits for it.
	skynet.send(".launcher", "lua", "LAUNCHOK")
	check.ok("still there", skynet.call(".launcher", "lua", "LIST"))
end

function role.reads_document()
	local corelib = require "skynet.sharedata.corelib"
	local proxy
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, cmd, pointer)
			if cmd == "box" then
				proxy = corelib.box(pointer)
			elseif cmd == "update" then
				corelib.update(proxy, pointer)
			end
			skynet.retpack(proxy.a.b, corelib.copy(proxy))
		end)
	end)
end

function case.shared_documents_by_parts()
	local corelib = require "skynet.sharedata.corelib"
	local host = corelib.host
	local first = host.new { a = { b = 1 }, list = { 1, 2 } }
	local proxy = corelib.box(first)
	local child = proxy.a
	check.eq("read", { child.b, #proxy.list }, { 1, 2 })
	check.eq("copied", { corelib.copy(proxy, "a"), corelib.copy(proxy, "list", 2), corelib.copy(proxy, "none") }, { { b = 1 }, 2 })
	local other = check.spawn "reads_document"
	check.returns("by another service", { 1, { a = { b = 1 }, list = { 1, 2 } } }, skynet.call, other, "lua", "box", first)
	local second = host.new { a = { b = 2 } }
	host.markdirty(first)
	corelib.update(proxy, second)
	check.eq("the new version", { proxy.a.b, child.b, proxy.list }, { 2, 2 })
	corelib.flush(proxy)
	check.returns("there, too", { 2, { a = { b = 2 } } }, skynet.call, other, "lua", "update", second)
	check.eq("a pointer tells which", first == second, false)
	check.eq("counted", { host.getref(second), host.incref(second), host.incref(second), host.getref(second), host.decref(second) },
		{ 0, 1, 2, 2, 1 })
	host.delete(first)
	host.delete(second)
	collectgarbage()
	check.eq("kept by a reference", corelib.box(second).a.b, 2)
	check.eq("the last one", { host.decref(second), host.decref(second), host.getref(second) }, { 0, 0, 0 })
	collectgarbage()
	check.eq("proxies stay", { proxy.a.b, (skynet.call(other, "lua")) }, { 2, 2 })
end

function case.sharedatad_by_message()
	local sharedata = require "skynet.sharedata"
	sharedata.new("x", { 1 })
	local daemon = skynet.uniqueservice "sharedatad"
	local pointer = skynet.call(daemon, "lua", "query", "x")
	check.eq("a pointer", type(pointer), "userdata")
	skynet.send(daemon, "lua", "confirm", pointer)
	check.fails("an unknown name", "call failed", skynet.call, daemon, "lua", "query", "y")
end

function case.sheets_as_bytes()
	local dump = require "skynet.datasheet.dump"
	local old = dump.dump { a = { 1 }, b = { 2 } }
	local new = dump.diff(old, dump.dump { b = { 3 }, c = { 4 } })
	check.eq("the same content", dump.undump(new), { b = { 3 }, c = { 4 } })
end

function case.schemas_by_parts()
	local sproto = require "sproto"
	local core = require "sproto.core"
	local text = [[
		.Point { x 0 : integer }
		move 1 {
			request Point
			response { ok 0 : boolean }
		}
	]]
	local schema = core.newproto(require("sprotoparser").parse(text))
	local point = core.querytype(schema, "Point")
	check.eq("a type", core.decode(point, core.encode(point, { x = 5 })), { x = 5 })
	check.eq("no such type", core.querytype(schema, "Line"), nil)
	core.saveproto(schema, 3)
	local object = sproto.sharenew(core.loadproto(3))
	check.returns("a request", { { x = 7 }, "move" }, object.request_decode, object, "move", (object:request_encode("move", { x = 7 })))
	check.eq("a response", object:response_decode("move", object:response_encode("move", { ok = true })), { ok = true })
end

function case.packages()
	local multicast = require "skynet.multicast.core"
	local mine = {}
	skynet.register_protocol {
		name = "multicast",
		id = skynet.PTYPE_MULTICAST,
		unpack = function(msg, sz)
			return table.pack(multicast.values(msg, sz))
		end,
		dispatch = function(channel, source, values)
			mine[#mine + 1] = { channel, source, values }
			skynet.ignoreret()
		end,
	}
	local group = { [skynet.self()] = true, [0xfffff0] = true }
	multicast.deliver(multicast.pack(skynet.pack("news", 1)), 77, 256, group)
	check.ok("delivered", check.wait(function()
		return #mine == 1
	end))
	check.eq("what and whose", mine[1], { 256, 77, { n = 2, "news", 1 } })
	check.eq("who is gone is left out", group, { [skynet.self()] = true })
end

function case.abort_by_command()
	skynet.timeout(100, function()
		check.ok("never comes here", false)
	end)
	check.ok("before", true)
	print("DONE", 1)
	core.command "ABORT"
end

return check.main(role, case, ...)
