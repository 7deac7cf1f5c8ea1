-- Which nodes there are, and services of which there is one among all nodes.
--
-- A service that asks has a copy of the list, which the service `.discovery` keeps true: it answers a request when
-- something has changed. So `nodes` and `pick` wait once, the first time.

local skynet = require "skynet"
local patient = require "skynet.patient"
local core = require "skynet.core"
local crypt = require "skynet.crypt"

local check, raise = core.check, core.raise

local discovery = {}

local daemon
local known -- name -> node, once it has been asked for
local watches = {} -- { f, filter, names = {}, queue, first, last }
local sorted = {} -- by name; nil after a change
local turns = {} -- filter as text -> how many have been picked

local function get_daemon()
	daemon = daemon or skynet.localname ".discovery"
	return daemon or raise "this node has no discovery: set the config key `discovery`"
end

-- These may wait for long.
local function ask(...)
	return patient(get_daemon(), "lua", ...)
end

-- What not every source can do.
local function ask_if_possible(...)
	local ok, a, b = ask(...)
	check(ok, a)
	return a, b
end

-- Filters

local function matches(node, filter)
	for label, value in pairs(filter or {}) do
		if node.labels[label] ~= tostring(value) then
			return false
		end
	end
	return true
end

local function check_filter(filter)
	check(filter == nil or type(filter) == "table", "a filter is a table of labels")
end

-- Following the list

local function run_watch(watch)
	watch.running = true
	while watch.first <= watch.last and not watch.ended do
		local item = watch.queue[watch.first]
		watch.queue[watch.first] = nil
		watch.first = watch.first + 1
		local ok, err = pcall(watch.f, item[1], item[2])
		if not ok then
			skynet.error(err)
		end
	end
	watch.running = false
end

local function push(watch, event, node)
	watch.last = watch.last + 1
	watch.queue[watch.last] = { event, node }
	if not watch.running then
		watch.running = true
		skynet.fork(run_watch, watch)
	end
end

-- What an event means for one who looks at some nodes only.
local function seen(watch, event, node)
	local names, here = watch.names, event ~= "down" and matches(node, watch.filter)
	if here and not names[node.name] then
		names[node.name] = true
		push(watch, "up", node)
	elseif here and event ~= "up" then
		push(watch, event, node)
	elseif not here and names[node.name] then
		names[node.name] = nil
		push(watch, "down", node)
	end
end

local function apply(event, node)
	sorted = nil
	known[node.name] = event ~= "down" and node or nil
	for _, watch in pairs(watches) do
		seen(watch, event, node)
	end
end

-- The whole list, where some nodes may be missing that were known.
local function apply_all(events)
	local there = {}
	for _, item in ipairs(events) do
		there[item[2].name] = item[2]
	end
	for name, node in pairs(known) do
		if not there[name] then
			apply("down", node)
		end
	end
	for name, node in pairs(there) do
		local old = known[name]
		apply(old and "change" or "up", node)
	end
end

local function take(events, whole)
	if whole then
		return apply_all(events)
	end
	for _, item in ipairs(events) do
		apply(item[1], item[2])
	end
end

local function follow()
	while true do
		local ok, events, whole = pcall(ask, "CHANGES", true)
		if not ok then
			return -- the daemon has gone: the node stops
		end
		take(events, whole)
	end
end

local asking -- coroutines that wait for the first list

local function list_of_nodes()
	if known then
		return known
	elseif asking then
		local place = {}
		asking[#asking + 1] = place
		skynet.wait(place)
		return list_of_nodes()
	end
	asking = {}
	local ok, events = pcall(ask, "CHANGES")
	local waiting = asking
	asking = nil
	if ok then
		known = {}
		take(events, true)
		skynet.fork(follow)
	end
	for _, place in ipairs(waiting) do
		skynet.wakeup(place)
	end
	return ok and known or error(events, 0)
end

-- All nodes that match, in order of their names.
function discovery.nodes(filter)
	check_filter(filter)
	list_of_nodes()
	if not sorted then
		sorted = {}
		for _, node in pairs(known) do
			sorted[#sorted + 1] = node
		end
		table.sort(sorted, function(a, b)
			return a.name < b.name
		end)
	end
	local list = {}
	for _, node in ipairs(sorted) do
		if matches(node, filter) then
			list[#list + 1] = node
		end
	end
	return list
end

-- Picking

-- Nodes that drain count only if there are no others.
local function candidates(filter)
	local all, good = discovery.nodes(filter), {}
	for _, node in ipairs(all) do
		if not node.draining then
			good[#good + 1] = node
		end
	end
	return good[1] and good or all
end

-- The node with the largest hash of key and name: when one comes or goes, only its own keys move.
local function rendezvous(list, key)
	local best, largest
	for _, node in ipairs(list) do
		local weight = string.unpack("<I8", crypt.sha1(key .. "\0" .. node.name))
		if not best or math.ult(largest, weight) then
			best, largest = node, weight
		end
	end
	return best
end

local function filter_text(filter)
	local words = {}
	for label, value in pairs(filter or {}) do
		words[#words + 1] = label .. "=" .. tostring(value)
	end
	table.sort(words)
	return table.concat(words, " ")
end

function discovery.pick(filter, key)
	check_filter(filter)
	local list = candidates(filter)
	if not list[1] then
		return nil
	elseif key ~= nil then
		check(type(key) == "string" or type(key) == "number", "a key is a string or a number")
		return rendezvous(list, tostring(key)).name
	end
	local text = filter_text(filter)
	local turn = (turns[text] or 0) + 1
	turns[text] = turn
	return list[(turn - 1) % #list + 1].name
end

-- Watching

function discovery.watch(f, filter)
	check(type(f) == "function", "discovery.watch takes a function")
	check_filter(filter)
	list_of_nodes()
	local watch = { f = f, filter = filter, names = {}, queue = {}, first = 1, last = 0 }
	for _, node in ipairs(discovery.nodes(filter)) do
		seen(watch, "up", node)
	end
	watches[watch] = watch
	return function()
		watch.ended, watches[watch] = true, nil
	end
end

-- The own node

local function check_own_name(name, what)
	local good = type(name) == "string" and name:find "^[%w_.-]+$"
	check(good, ("the name of a %s has letters, digits, `_`, `.` and `-`"):format(what))
end

function discovery.set(labels)
	check(type(labels) == "table", "discovery.set takes a table of labels")
	local texts = {}
	for name, value in pairs(labels) do
		check_own_name(name, "label")
		check(type(value) ~= "table" and type(value) ~= "function", "the value of a label is a string, a number or false")
		texts[name] = value and tostring(value)
	end
	ask("SET", texts)
end

function discovery.drain()
	ask "DRAIN"
end

-- One among all nodes

function discovery.singleton(name, options)
	check_own_name(name, "singleton")
	check(type(options) == "table" and type(options.service) == "string", "a singleton has a `service`")
	ask_if_possible("SINGLETON", name, { service = options.service, args = options.args })
end

function discovery.whereis(name)
	return ask_if_possible("WHEREIS", name)
end

function discovery.token()
	return (ask "TOKEN")
end

local Lock = {}
Lock.__index = Lock

function discovery.lock(name, seconds)
	check_own_name(name, "lock")
	seconds = seconds or 30
	check(type(seconds) == "number" and seconds >= 1 and seconds <= 3600, "a lock has a lease of 1 to 3600 seconds")
	local id, token = ask_if_possible("LOCK", name, seconds)
	return setmetatable({ name = name, token = token, id = id }, Lock)
end

function Lock:lost(f)
	check(type(f) == "function", "lock:lost takes a function")
	skynet.fork(function()
		local why = ask("LOST", self.id)
		if why then
			f(why)
		end
	end)
end

function Lock:release()
	return (ask("RELEASE", self.id))
end

Lock.__close = Lock.release

return discovery
