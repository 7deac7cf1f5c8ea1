-- Text commands, and the system services that answer to messages.
local skynet = require "skynet"
local core = require "skynet.core"
local check = require "check"

local role, case = {}, {}

local command = core.command

function role.echo()
	check.serve { echo = function(...) return ... end }
end

function role.in_registry()
	local context = debug.getregistry().skynet_context
	check.serve { kind = function() return type(context) end }
end

local function hex(handle)
	return (":%x"):format(handle)
end

function case.names()
	local own, echo = skynet.self(), check.spawn "echo"
	check.eq("REG without argument", command "REG", hex(own))
	check.eq("REG with an empty one", command("REG", ""), hex(own))
	check.eq("REG of nothing but a dot", command("REG", "."), nil)
	check.eq("NAME of nothing but a dot", command("NAME", ". " .. hex(own)), nil)
	check.eq("REG of a name", command("REG", ".first"), "first")
	check.eq("the same again", command("REG", ".first"), nil)
	check.eq("a second name", command("REG", ".second"), "second")
	check.eq("a global name", command("REG", "global"), nil)
	check.eq("QUERY", command("QUERY", ".second"), hex(own))
	check.eq("QUERY of nobody", command("QUERY", ".nobody"), nil)
	check.eq("QUERY of another form", command("QUERY", "global"), nil)
	check.eq("QUERY of a handle", command("QUERY", hex(own)), nil)
	check.eq("NAME", command("NAME", ".third " .. hex(echo)), "third")
	check.eq("NAME of a taken one", command("NAME", ".first " .. hex(echo)), nil)
	check.eq("NAME without a handle", command("NAME", ".fourth"), nil)
	check.eq("NAME of handle 0", command("NAME", ".fourth :0"), nil)
	check.eq("NAME without the colon", command("NAME", ".fourth 8"), nil)
	check.eq("NAME of a global name", command("NAME", "global " .. hex(echo)), nil)
	check.eq("found", command("QUERY", ".third"), hex(echo))
	check.eq("not made", command("QUERY", ".fourth"), nil)
end

function case.lifetime()
	local text = command("LAUNCH", "snlua " .. SERVICE_NAME .. " echo")
	check.ok("LAUNCH", text:find "^:%x%x%x%x%x%x%x%x$" and text == text:upper(), text)
	check.eq("it answers", skynet.call(text, "lua", "echo", 1), 1)
	check.eq("LAUNCH of an unknown module", command("LAUNCH", "nosuch x"), nil)
	check.eq("KILL", command("KILL", text), nil)
	check.ok("dead", check.dead(text))
	check.eq("KILL by name", command("KILL", ".nobody"), nil)
	check.eq("KILL of garbage", command("KILL", "garbage"), nil)
	check.eq("MONITOR not set", command "MONITOR", nil)
	check.eq("set", command("MONITOR", hex(check.spawn "echo")), nil)
	check.ok("now it is", command("MONITOR", ""):find "^:%x+$")
end

function case.environment()
	check.eq("GETENV", command("GETENV", "harbor"), "0")
	check.eq("GETENV of nothing", command("GETENV", "no_such_key"), nil)
	check.eq("SETENV", command("SETENV", "new some  text "), nil)
	check.eq("everything after the blank", command("GETENV", "new"), "some  text ")
	check.eq("SETENV without a value", command("SETENV", "nothing"), nil)
	check.eq("is ignored", command("GETENV", "nothing"), nil)
	check.eq("STARTTIME", math.tointeger(command "STARTTIME"), skynet.starttime())
end

function case.stat()
	check.ok("mqlen", command("STAT", "mqlen"):find "^%d+$")
	check.ok("message", tonumber(command("STAT", "message")) > 0)
	check.eq("endless", command("STAT", "endless"), "0")
	check.ok("cpu", command("STAT", "cpu"):find "^%d+%.%d+$", command("STAT", "cpu"))
	check.ok("time", tonumber(command("STAT", "time")) >= 0)
	check.eq("unknown", command("STAT", "nosuch"), "")
end

function case.signals()
	local to = check.spawn "echo"
	check.eq("by name without number", command("SIGNAL", hex(to) .. " 1"), nil)
	check.eq("nobody", command("SIGNAL", ":123456 1"), nil)
	check.eq("it answers", skynet.call(to, "lua", "echo", 1), 1)
end

function case.registry()
	check.eq("skynet_context", skynet.call(check.spawn "in_registry", "lua", "kind"), "userdata")
end

function case.second_service_mgr()
	check.eq("it exits", skynet.newservice "service_mgr", nil)
	check.eq("the first one is still there", skynet.localname ".service", 7)
end

function case.launcher_texts()
	core.send(".launcher", skynet.PTYPE_TEXT, 0, "nonsense")
	check.eq("the launcher goes on", type(skynet.call(".launcher", "lua", "LIST")), "table")
end

-- Config: logpath = "./".
function case.loglaunch()
	local to = skynet.call(".launcher", "lua", "LOGLAUNCH", "snlua", SERVICE_NAME, "echo")
	skynet.call(to, "lua", "echo", 1)
	local file = io.open(("%08x.log"):format(to))
	check.ok("its log file is there", file)
	local text = file and file:read "a" or ""
	check.ok("with the request", text:find((":%08x 10 "):format(skynet.self()), 1, true), text)
end

function case.harbor_in_a_single_node()
	local harbor = require "skynet.harbor"
	harbor.link(5)
	check.ok("link returns at once", true)
	local returned
	skynet.fork(function()
		harbor.connect(5)
		returned = true
	end)
	skynet.sleep(5)
	check.eq("connect never does", returned, nil)
end

return check.main(role, case, ...)
