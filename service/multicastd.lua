-- Who subscribes to which channel (see skynet.multicast). A channel belongs to the node that its low 8 bits name; that
-- node's daemon passes what is published to its own subscribers and to the daemons of the nodes that have some.

local skynet = require "skynet"
local core = require "skynet.multicast.core"
local shown = require("skynet.core").shown
local datacenter = require "skynet.datacenter"

local here = skynet.harbor(skynet.self())
local groups = {} -- channel -> set of local subscribers; of other nodes' channels, those with subscribers here
local watched = {} -- set of the nodes that have had some
local nodes = {} -- own channel -> set of the nodes that have subscribers
local daemons = setmetatable({}, {
	__index = function(self, node)
		local handle = datacenter.get("multicast", node)
		self[node] = handle
		return assert(handle, "the node has no multicastd")
	end,
})
local next_id = here

local function owner(c)
	return c % 256
end

local command = {}

function command.NEW()
	while groups[next_id] do
		next_id = core.nextid(next_id)
	end
	local c = next_id
	next_id = core.nextid(c)
	groups[c] = {}
	return c
end

function command.DEL(_, c)
	if owner(c) ~= here then
		skynet.send(daemons[owner(c)], "lua", "DEL", c)
		return
	end
	local remote = nodes[c]
	groups[c], nodes[c] = nil, nil
	for node in pairs(remote or {}) do
		skynet.send(daemons[node], "lua", "DELR", c)
	end
end

-- From the owner of a channel: the channel is deleted.
function command.DELR(_, c)
	groups[c] = nil
end

-- Nothing is sent any more to a node that has gone. If only the master has lost it, its daemon still answers.
local function watch(node, daemon)
	skynet.call(".cslave", "lua", "LINK", node)
	if pcall(skynet.call, daemon, "debug", "PING") then
		return
	end
	for _, remote in pairs(nodes) do
		remote[node] = nil
	end
	watched[node] = nil
end

-- From a node that has its first subscriber. True if there is no such channel.
function command.SUBR(source, c)
	if not groups[c] then
		return true
	end
	local remote = nodes[c] or {}
	nodes[c] = remote
	local node = skynet.harbor(source)
	remote[node] = true
	if not watched[node] then
		watched[node] = true
		skynet.fork(watch, node, source)
	end
end

-- From a node whose last subscriber has left.
function command.USUBR(source, c)
	local remote = nodes[c]
	if remote then
		remote[skynet.harbor(source)] = nil
	end
end

function command.SUB(source, c)
	if owner(c) ~= here and not groups[c] then
		if skynet.call(daemons[owner(c)], "lua", "SUBR", c) then
			return
		end
		groups[c] = groups[c] or {}
	end
	local group = groups[c]
	if group then
		group[source] = true
	end
end

function command.USUB(source, c)
	local group = groups[c]
	if not group then
		return
	end
	group[source] = nil
	if owner(c) ~= here and not next(group) then
		groups[c] = nil
		skynet.send(daemons[owner(c)], "lua", "USUBR", c)
	end
end

local function publish(source, c, cell, size)
	local remote = nodes[c]
	if remote and next(remote) then
		local _, msg, sz = core.unpack(cell, size)
		local bytes = skynet.tostring(msg, sz)
		for node in pairs(remote) do
			skynet.redirect(daemons[node], source, "multicast", c, bytes)
		end
	end
	core.deliver(cell, source, c, groups[c] or {})
end

function command.PUB(source, c, cell, size)
	assert(skynet.harbor(source) == here, "a package does not leave its node")
	if owner(c) ~= here then
		skynet.redirect(daemons[owner(c)], source, "multicast", c, core.remote(cell))
	else
		publish(source, c, cell, size)
	end
end

skynet.register_protocol {
	name = "multicast",
	id = skynet.PTYPE_MULTICAST,
	unpack = core.packremote,
	dispatch = function(c, source, ...)
		publish(source, c, ...)
	end,
}

skynet.dispatch("lua", function(session, source, cmd, ...)
	local f = command[cmd] or error(("unknown command %s"):format(shown(cmd)))
	local result = f(source, ...)
	if session ~= 0 then
		skynet.retpack(result)
	end
end)

skynet.start(function()
	datacenter.set("multicast", here, skynet.self())
end)
