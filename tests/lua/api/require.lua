-- require in a service, and skynet.init.
local skynet = require "skynet"
local check = require "check"

local role, case = {}, {}

function role.echo()
	check.serve { echo = function(...) return ... end }
end

function case.in_a_coroutine()
	skynet.setenv("echo_service", check.spawn "echo")
	local module = require "modules.blocking"
	check.eq("the chunk and the init function may block", module.steps, { "chunk: 1", "init: 2" })
	check.eq("loaded once", require "modules.blocking", module)
	check.eq("in package.loaded", package.loaded["modules.blocking"], module)
end

function case.concurrently()
	skynet.setenv("echo_service", check.spawn "echo")
	local got = {}
	for i = 1, 3 do
		skynet.fork(function()
			got[i] = require "modules.blocking"
		end)
	end
	check.ok("all get it", check.wait(function() return got[1] and got[2] and got[3] end))
	check.ok("the same", got[1] == got[2] and got[2] == got[3])
	check.eq("run once", #got[1].steps, 2)
end

-- What the error of a missing or outdated module says besides the places.
function case.how_to_put_it_right()
	check.fails("a missing module", "config key lua_path", require, "no.such.module")
	check.fails("also in a service", "call failed", skynet.newservice, "no_such_service")
	local file = assert(io.open("outdated.so", "w"))
	file:write "not for this program"
	file:close()
	package.cpath = "./?.so"
	local err = check.fails("a C module", "built with the headers of Lua 5.5", require, "outdated")
	check.ok("and the reason", tostring(err):find "error loading module 'outdated' from file './outdated.so'", err)
end

-- Lua itself takes the name of whichever module it finds the function in.
function case.names_of_functions()
	for name, f in pairs { sleep = skynet.sleep, timer = skynet.timer, fork = skynet.fork, getenv = skynet.getenv } do
		check.fails(name, "to '" .. name .. "' (", f)
	end
	local function tail_call()
		return skynet.sleep {}
	end
	check.fails("a tail call", "bad argument #1 to 'sleep' (number expected, got table)", tail_call)
	local trace
	skynet.fork(function()
		xpcall(skynet.sleep, function(err) trace = debug.traceback(err) end, "1.5")
	end)
	skynet.fork(skynet.setenv, "error in a traceback", {})
	skynet.yield()
	check.ok("it ran", trace)
end

function case.failing()
	local errors = {}
	for i = 1, 2 do
		skynet.fork(function()
			errors[i] = tostring(select(2, pcall(require, "modules.failing")))
		end)
	end
	check.ok("both fail", check.wait(function() return errors[1] and errors[2] end))
	check.ok("the first with the error", errors[1]:find("module goes wrong", 1, true), errors[1])
	check.ok("the waiting one too", errors[2]:find("require modules.failing failed", 1, true), errors[2])
	check.fails("missing", "modules.nosuch", require, "modules.nosuch")
	check.fails("syntax", "", require, "modules.syntax")
end

function case.odd_results()
	check.eq("nil becomes true", require "modules.nothing", true)
	check.eq("again", require "modules.nothing", true)
	check.eq("the name is given to the chunk", require "modules.named", "modules.named")
	check.fails("circular", "circular dependency", require, "modules.circular")
	check.eq("standard modules", require "string", string)
	check.eq("native modules", type(require "skynet.core".send), "function")
end

function case.nested()
	check.eq("init functions run with their module", require "modules.outer".order,
		{ "inner chunk", "inner init", "outer chunk", "outer init" })
end

function case.init_outside()
	check.ok("not while the service runs", not pcall(skynet.init, function() end))
end

function role.main_chunk()
	local order = { "chunk" }
	skynet.init(function()
		order[#order + 1] = "first init"
		skynet.sleep(1)
	end)
	package.preload.local_module = function()
		skynet.init(function()
			order[#order + 1] = "module init"
		end)
		order[#order + 1] = "module chunk"
		return true
	end
	require "local_module"
	skynet.init(function()
		order[#order + 1] = "second init"
	end)
	skynet.start(function()
		order[#order + 1] = "start"
		skynet.dispatch("lua", function()
			skynet.retpack(order)
		end)
	end)
end

function case.init_in_the_main_chunk()
	check.eq("order", skynet.call(check.spawn "main_chunk", "lua"),
		{ "chunk", "module chunk", "first init", "module init", "second init", "start" })
end

function role.failing_init()
	skynet.init(function()
		error "init goes wrong"
	end)
	skynet.start(function() end)
end

function case.failing_init()
	check.fails("the service is not started", "call failed", check.spawn, "failing_init")
end

return check.main(role, case, ...)
