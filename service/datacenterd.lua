-- The tree behind skynet.datacenter. Known as `DATACENTER`.
--
-- Who waits for a path is kept in a second tree: a node there has `waiters` (responses) or
-- `branches` (key -> node), never both, and vanishes with its last waiter.

local skynet = require "skynet"
local shown = require("skynet.core").shown

local tree = {}
local waits = {} -- key -> node

local function lookup(node, key, ...)
	if key == nil then
		return node
	end
	if type(node) == "table" then
		return lookup(node[key], ...)
	end
end

-- Stores the last value under the keys before it; returns what was there.
local function store(node, key, ...)
	if select("#", ...) < 2 then
		local old = node[key]
		node[key] = ...
		return old
	end
	local child = node[key]
	if child == nil then
		child = {}
		node[key] = child
	end
	return store(child, ...)
end

local function release(nodes, key, ok, ...)
	local list = nodes[key].waiters
	nodes[key] = nil
	for _, response in ipairs(list) do
		response(ok, ...)
	end
end

-- A value was created under the keys: wakes who waits for it, fails who waits above it.
local function wake(nodes, key, ...)
	local node = nodes[key]
	if not node then
		return
	end
	local last = select("#", ...) == 1
	if last and node.waiters then
		release(nodes, key, true, ...)
	elseif not last and node.waiters then
		release(nodes, key, false)
	elseif not last then
		wake(node.branches, ...)
		if not next(node.branches) then
			nodes[key] = nil
		end
	end
end

-- The list of the waiters for the keys.
local function waiters(nodes, key, ...)
	local last = select("#", ...) == 0
	local node = nodes[key]
	if not node then
		node = last and { waiters = {} } or { branches = {} }
		nodes[key] = node
	end
	if last then
		return assert(node.waiters, "others wait for something below")
	end
	return waiters(assert(node.branches, "others wait for something above"), ...)
end

local command = {}

function command.QUERY(...)
	skynet.retpack(lookup(tree, ...))
end

function command.UPDATE(...)
	assert(select("#", ...) > 1, "a key and a value are needed")
	local old = store(tree, ...)
	if old == nil and select(-1, ...) ~= nil then
		wake(waits, ...)
		skynet.ret()
	else
		skynet.retpack(old)
	end
end

function command.WAIT(...)
	local value = lookup(tree, ...)
	if value ~= nil then
		skynet.retpack(value)
	else
		local list = waiters(waits, ...)
		list[#list + 1] = skynet.response()
	end
end

skynet.dispatch("lua", function(_, _, cmd, ...)
	local f = command[cmd] or error(("unknown command %s"):format(shown(cmd)))
	f(...)
end)

skynet.start(function() end)
