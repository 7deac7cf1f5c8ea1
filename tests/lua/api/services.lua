-- launcher, service_mgr and service_provider beyond what the library uses.
local skynet = require "skynet"
local check = require "check"

local role, case = {}, {}

function role.echo()
	check.serve { echo = function(...) return ... end }
end

function role.deaf()
	skynet.start(function()
		skynet.fork(function()
			local ends = skynet.hpc() + 3000000000 -- longer than STAT is given below
			while skynet.hpc() < ends do
			end
		end)
	end)
end

function role.slow_start()
	skynet.start(function()
		skynet.name(".slow_start", skynet.self())
		skynet.wait {}
	end)
end

local function launcher(...)
	return skynet.call(".launcher", "lua", ...)
end

-- Config: two workers or more.
function case.late_ones_are_told_apart()
	local quick, deaf = check.spawn "echo", check.spawn "deaf"
	local stat = launcher("STAT", 100)
	check.eq("late", stat[skynet.address(deaf)], "TIMEOUT")
	check.eq("in time", type(stat[skynet.address(quick)]), "table")
	local memory = launcher("MEM", 1)
	check.ok("late for MEM", tostring(memory[skynet.address(deaf)]):find("^TIMEOUT %(snlua") or
		tostring(memory[skynet.address(deaf)]):find "Kb", memory[skynet.address(deaf)])
end

function case.killed_while_it_starts()
	local result
	skynet.fork(function()
		result = table.pack(pcall(check.spawn, "slow_start"))
	end)
	check.ok("it starts", check.wait(function() return skynet.localname ".slow_start" end))
	skynet.kill(skynet.localname ".slow_start")
	check.ok("newservice ends", check.wait(function() return result end))
	check.eq("by an error", result[1], false)
end

function case.exits_while_it_starts()
	local result
	skynet.fork(function()
		result = table.pack(pcall(check.spawn, "slow_start"))
	end)
	check.ok("it starts", check.wait(function() return skynet.localname ".slow_start" end))
	pcall(skynet.call, ".slow_start", "debug", "EXIT")
	check.ok("newservice ends", check.wait(function() return result end))
	check.eq("without an error", result[1], true)
	check.eq("and without a handle", result[2], nil)
end

function case.dead_singletons_stay()
	local handle = skynet.uniqueservice "api/unique"
	skynet.kill(handle)
	check.eq("the stale handle", skynet.uniqueservice "api/unique", handle)
	check.eq("also for queries", skynet.queryservice "api/unique", handle)
end

function case.list_of_what_is_pending()
	local waiting = skynet.fork(skynet.queryservice, "api/unique")
	skynet.fork(skynet.uniqueservice, "api/forever")
	check.ok("it starts", check.wait(function() return skynet.localname ".forever" end))
	local list = skynet.call(".service", "lua", "LIST")
	local text = tostring(list["api/forever"])
	check.ok("Init as", text:find "Init as :%x+", text)
	check.ok("Launching from", text:find "Launching from :%x+", text)
	check.ok("Querying", tostring(list["api/unique"]):find "Querying:", list["api/unique"])
	check.ok("with the address", tostring(list["api/unique"]):find(skynet.address(skynet.self()), 1, true), list["api/unique"])
	skynet.killthread(waiting)
end

function case.service_functions()
	local service = require "skynet.service"
	local handle = service.new("thing", function(...)
		local skynet = require "skynet"
		local first = ...
		skynet.start(function()
			skynet.dispatch("lua", function() skynet.retpack(first) end)
		end)
	end, "one", "two")
	check.eq("it runs", skynet.call(handle, "lua"), "one")
	local provider = skynet.uniqueservice "service_provider"
	check.eq("test", skynet.call(provider, "lua", "test", "thing"), handle)
	check.eq("test of nothing", skynet.call(provider, "lua", "test", "nothing"), nil)
	local info = skynet.call(provider, "debug", "INFO")[skynet.address(handle)]
	check.eq("INFO", { info.name, info.init }, { "thing", "one,two" })
	local mute = service.new("mute", function() require "skynet".start(function() end) end)
	check.fails("without a dispatch function", "call failed", skynet.call, mute, "lua")
	check.eq("query from another service", skynet.call(check.spawn "asks", "lua", "thing"), handle)
end

function role.asks()
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, name)
			skynet.retpack(require "skynet.service".query(name))
		end)
	end)
end

return check.main(role, case, ...)
