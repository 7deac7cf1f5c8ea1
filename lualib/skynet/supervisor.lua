-- Supervisors: services that start other services, and start them again when they end.

local skynet = require "skynet"
local core = require "skynet.core"
local check_spec = require("skynet.supervisor.spec").tree

local supervisor = {}

local COMMANDS <const> = { add = true, remove = true, restart = true, list = true }

local tree

-- Whoever ends this service, in order, ends the children first.
local function end_children_first()
	local exit = skynet.exit
	function skynet.exit()
		if tree and not tree.ending then
			tree:stop_all()
		end
		exit()
	end
end

-- `gave_up` is for the root of the tree: it is called before the supervisor ends because of too many restarts.
function supervisor.start(spec, gave_up)
	core.check(not tree, "supervisor: this service is a supervisor already")
	local settings, children = check_spec(spec)
	tree = require("skynet.supervisor.tree").new(settings, children, gave_up)
	require("skynet.debug").reg_debugcmd("SUPERVISOR", function(command, ...)
		core.check(COMMANDS[command], "supervisor: no such command")
		if command == "list" then -- while it is busy, too
			skynet.retpack(tree:list(), tree.settings, tree.restarts)
		else
			skynet.retpack(tree:now(tree[command], ...))
		end
	end)
	local ok, why = pcall(tree.start, tree)
	if not ok then
		tree = nil
		error(why, 0)
	end
	end_children_first()
	skynet.send(".launcher", "lua", "SUPERVISOR")
end

local function ask(addr, ...)
	return skynet.call(addr, "debug", "SUPERVISOR", ...)
end

function supervisor.add(addr, spec)
	check_spec { spec }
	return ask(addr, "add", spec)
end

function supervisor.remove(addr, id)
	ask(addr, "remove", id)
end

function supervisor.restart(addr, id)
	return ask(addr, "restart", id)
end

function supervisor.children(addr)
	return (ask(addr, "list"))
end

return supervisor
