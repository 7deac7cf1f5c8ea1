-- Who is there: asks the source that the key `discovery` names, tells clusterd and whoever subscribes, and keeps this
-- node's own entry. Known as `.discovery`.

local skynet = require "skynet"
require "skynet.manager"
local cluster = require "skynet.cluster"
local Nodes = require "skynet.discovery.nodes"
local ends = require "skynet.discovery.ends"
local settings = require "skynet.discovery.settings"
local values = require "skynet.discovery.values"

local SOURCES <const> = {
	etcd = "skynet.discovery.keys",
	redis = "skynet.discovery.redis",
	file = "skynet.discovery.files",
	dns = "skynet.discovery.names",
}
local PATIENCE <const> = 2000 -- centiseconds until a subscriber that waits is answered with nothing
local BACKLOG <const> = 10000 -- events for one subscriber, beyond which it gets the whole list

local conf = settings.read(skynet.getenv, require("skynet.discovery.core").take)
local own = { address = conf.address, labels = conf.labels, draining = false, since = skynet.time() }
local nodes, source, singletons, locks
local shown = {} -- name -> node, of those that clusterd knows
local news = {} -- { event, node } that clusterd has yet to be told
local subscribers = {} -- handle -> { events, waiting = response, since }

-- Subscribers

local function everything()
	local events = {}
	for _, node in pairs(shown) do
		events[#events + 1] = { "up", node }
	end
	return events
end

local function deliver(subscriber)
	local response = subscriber.waiting
	if response then
		subscriber.waiting = nil
		local whole, events = subscriber.whole, subscriber.events
		if whole then
			events = everything()
		end
		subscriber.whole, subscriber.events = false, {}
		response(true, events, whole)
	end
end

local function tell(event, node)
	for handle, subscriber in pairs(subscribers) do
		local events = subscriber.events
		if #events >= BACKLOG then
			subscriber.whole, events = true, {}
			subscriber.events = events
		end
		events[#events + 1] = { event, node }
		if not subscriber.told then
			subscriber.told = true
			skynet.fork(function()
				subscriber.told = false
				if subscribers[handle] == subscriber then
					deliver(subscriber)
				end
			end)
		end
	end
end

-- Nobody hears of a node before it can be called: clusterd comes first.
local function publish()
	while news[1] do
		local batch, addresses = news, {}
		news = {}
		for _, item in ipairs(batch) do
			addresses[item[2].name] = item[1] ~= "down" and item[2].address
		end
		cluster.reload(addresses)
		for _, item in ipairs(batch) do
			shown[item[2].name] = item[1] ~= "down" and item[2] or nil
			tell(item[1], item[2])
		end
	end
end

local publishing = false

local function changed(event, node)
	news[#news + 1] = { event, node }
	if not publishing then
		publishing = true
		skynet.fork(function()
			local ok, err = pcall(publish)
			publishing = false
			if not ok then
				skynet.error(err)
			end
		end)
	end
end

-- Own entry

local function say()
	return values.write(own)
end

local function touch()
	if source.touch then
		source:touch()
	end
end

local function open()
	local port = tonumber(conf.address:match ":(%d+)$")
	local ok, why = pcall(cluster.open, port)
	if not ok then
		skynet.error(("error: discovery: this node is not registered, since port %d of `nodeaddress` cannot be opened: %s; "
			.. "`nodeopen = \"false\"` leaves that to the application"):format(port, why))
	end
	return ok
end

-- Commands: f(source, ...), what they return is the answer.
local command = {}

-- The start service has reported.
function command.START()
	if conf.address and source.register and (not conf.open or open()) then
		own.admin = skynet.getenv "adminaddress"
		skynet.fork(source.register, source)
	elseif conf.address and not source.register and conf.open then
		open()
	end
end

function command.SET(_, labels)
	for name, value in pairs(labels) do
		own.labels[name] = value or nil
	end
	touch()
end

function command.DRAIN()
	own.draining = true
	touch()
	if singletons then
		singletons:stop(true)
	end
end

-- What needs etcd answers true and results, or false and why not.
local function with_etcd(what, f)
	return function(...)
		if not singletons then
			return false, what .. " need etcd: set the config key `discovery` to etcd://HOST:PORT/NAME"
		elseif not conf.address then
			return false, what .. " need the config keys `nodename` and `nodeaddress`"
		end
		return true, f(...)
	end
end

command.SINGLETON = with_etcd("singletons", function(_, name, options)
	singletons:add(name, options)
end)

command.WHEREIS = with_etcd("singletons", function(_, name)
	return singletons:whereis(name)
end)

function command.TOKEN(from)
	return singletons and singletons:token(from)
end

command.LOCK = with_etcd("locks", function(from, name, seconds)
	return locks:acquire(from, name, seconds)
end)

function command.RELEASE(from, id)
	return locks:release(from, id)
end

-- Commands that answer later.
local silent = {}

function silent.CHANGES(from, again)
	local subscriber = again and subscribers[from]
	if not subscriber then
		subscriber = { events = {}, whole = true }
		if not subscribers[from] then
			ends.of(from, function()
				subscribers[from] = nil
			end)
		end
		subscribers[from] = subscriber
	end
	subscriber.waiting = skynet.response()
	if subscriber.whole or subscriber.events[1] then
		return deliver(subscriber)
	end
	local waiting = subscriber.waiting
	skynet.timeout(PATIENCE, function()
		if subscriber.waiting == waiting then
			deliver(subscriber)
		end
	end)
end

function silent.LOST(from, id)
	locks:on_loss(from, id, skynet.response())
end

function silent.LAUNCHED(_, handle)
	if singletons then
		singletons:launched(handle)
	end
end

local function make_etcd_source()
	source = require(SOURCES.etcd).new(conf, nodes, say, {
		at_risk = function(why)
			singletons:at_risk(why)
		end,
		registered = function()
			singletons:registered()
		end,
		changed = function(kind, key)
			singletons:changed(kind, key)
			locks:changed(kind, key)
		end,
	})
	singletons = require("skynet.discovery.singletons").new(source)
	locks = require("skynet.discovery.locks").new(source)
end

skynet.start(function()
	nodes = Nodes.new(conf.grace * 100, changed)
	if conf.kind == "etcd" then
		make_etcd_source()
	else
		source = require(SOURCES[conf.kind]).new(conf, nodes, say)
	end
	skynet.dispatch("lua", function(session, from, cmd, ...)
		local f = silent[cmd]
		if f then
			return f(from, ...)
		end
		f = command[cmd]
		if not f then
			error(("discovery has no command %s"):format(tostring(cmd)), 0)
		elseif session == 0 then
			f(from, ...)
		else
			skynet.retpack(f(from, ...))
		end
	end)
	cluster.reload { __nowaiting = true }
	cluster.monitor(function(event)
		nodes:linked(event.node, event.event == "up")
	end)
	skynet.fork(source.run, source)
	skynet.name(".discovery", skynet.self())
end)
