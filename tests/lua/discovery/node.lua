-- A node whose test drives it: each line of its input is Lua code that runs in a coroutine of its own. The cluster name
-- `echo` answers with the node's name.
local skynet = require "skynet"
local cluster = require "skynet.cluster"
local discovery = require "skynet.discovery"
local socket = require "skynet.socket"

local env = setmetatable({ skynet = skynet, cluster = cluster, discovery = discovery }, { __index = _G })

-- Whole lines, since several may be printed at once.
function env.say(...)
	local words = table.pack(...)
	for i = 1, words.n do
		words[i] = tostring(words[i])
	end
	print(table.concat(words, " "))
end

function env.names(filter)
	local list = {}
	for i, node in ipairs(discovery.nodes(filter)) do
		list[i] = node.name
	end
	return "[" .. table.concat(list, " ") .. "]"
end

-- Says what happens to nodes.
function env.watch(filter)
	return discovery.watch(function(event, node)
		env.say("EVENT", event, node.name, node.address)
	end, filter)
end

local function obey(line)
	local f = assert(load(line, "=line", "t", env))
	local ok, err = pcall(f)
	if not ok then
		env.say("ERROR", tostring(err))
	end
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, ...)
		skynet.retpack(skynet.getenv "nodename", ...)
	end)
	cluster.register("echo", skynet.self())
	local input = socket.stdin()
	skynet.fork(function()
		local line = socket.readline(input)
		while line do
			skynet.fork(obey, line)
			line = socket.readline(input)
		end
	end)
	env.say "READY"
end)
