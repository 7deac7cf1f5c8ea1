-- The debug protocol: what every Lua service answers to messages of type "debug".

local skynet = require "skynet"
local registered = require "skynet.debug"

local command = {}

function command.PING()
	skynet.ret()
end

function command.MEM()
	skynet.retpack(collectgarbage "count")
end

-- The launcher sends this to every service. It has no answer; one who calls gets an empty one.
function command.GC()
	local begun, before = skynet.hpc(), collectgarbage "count"
	collectgarbage()
	skynet.error(("GC %.2f Kb -> %.2f Kb, cost %.2f sec"):format(before, collectgarbage "count", (skynet.hpc() - begun) / 1e9))
	skynet.ret()
end

function command.STAT()
	local stat = { task = skynet.task() }
	for _, what in ipairs { "mqlen", "cpu", "message" } do
		stat[what] = skynet.stat(what)
	end
	skynet.retpack(stat)
end

function command.TASK(which)
	if which == nil then
		local all = {}
		skynet.task(all)
		return skynet.retpack(all)
	end
	skynet.retpack(skynet.task(math.tointeger(which) or which))
end

function command.UNIQTASK()
	skynet.retpack(skynet.uniqtask())
end

function command.KILLTASK(pattern)
	local thread = skynet.killthread(pattern)
	if thread then
		skynet.error(("Kill %s"):format(thread))
		return skynet.ret()
	end
	skynet.error(("Kill %s : Not found"):format(pattern))
	skynet.retpack "Not found"
end

function command.INFO(...)
	local info = registered.info
	if info then
		skynet.retpack(info(...))
	else
		skynet.retpack(nil)
	end
end

-- For skynet.db.stats; nothing in a service that has no database.
function command.DBSTATS()
	local stats = package.loaded["skynet.db.stats"]
	skynet.retpack(stats and stats.here())
end

function command.SUPPORT(protocol)
	skynet.retpack(skynet.dispatch(protocol) ~= nil)
end

function command.TRACELOG(protocol, flag)
	if type(protocol) ~= "string" then
		protocol, flag = "lua", protocol
	end
	skynet.error(("Turn trace log %s for %s"):format(flag, protocol))
	skynet.traceproto(protocol, flag)
	skynet.ret()
end

function command.RUN(source, filename, ...)
	local inject = require "skynet.inject"
	local ok, output = inject(skynet, source, filename, table.pack(...), skynet.dispatch, skynet.register_protocol)
	collectgarbage()
	skynet.retpack(ok, table.concat(output, "\n"))
end

-- Answered when the session is over.
function command.REMOTEDEBUG(out, channel)
	require("skynet.remotedebug").start(out, channel)
	skynet.ret()
end

function command.TERM(addr)
	skynet.term(addr)
end

function command.EXIT()
	skynet.exit()
end

-- What a reload of a module would do here, or did; nil if the module is not loaded.
function command.RELOAD(name, force, apply)
	local service = require "skynet.reload.service"
	skynet.retpack((apply and service.apply or service.judge)(name, force))
end

-- Another service takes the place of this one: true, or why it does not.
function command.REPLACE(...)
	local ok, why = pcall(require("skynet.replace.handover").begin, ...)
	skynet.retpack(ok or why)
end

-- What one gives whose place this service takes.
function command.TAKESTATE(...)
	skynet.retpack(require("skynet.replace.handover").take(...))
end

-- A LINK is answered by the end of this service, so its response is kept until then, or until the asker is gone.
local links = {}

function command.LINK()
	for i = #links, 1, -1 do
		if not links[i] "TEST" then
			links[i] = links[#links]
			links[#links] = nil
		end
	end
	links[#links + 1] = skynet.response()
end

return function(_, _, cmd, ...)
	local f = command[cmd] or registered.commands[cmd]
	if not f then
		error(("Invalid debug command %s"):format(cmd))
	end
	return f(...)
end
