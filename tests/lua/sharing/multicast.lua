-- skynet.multicast and multicast.core.
local skynet = require "skynet"
require "skynet.manager"
local multicast = require "skynet.multicast"
local core = require "skynet.multicast.core"
local datacenter = require "skynet.datacenter"
local check = require "check"

local role, case = {}, {}

-- Resident memory of the process in MB.
local function resident()
	local file = assert(io.open "/proc/self/statm")
	local pages = file:read "a":match "%d+ (%d+)"
	file:close()
	return tonumber(pages) * 4096 / (1 << 20)
end

-- Subscribes and tells everything that it hears to the listener.
function role.subscriber(id, listener)
	listener = math.tointeger(listener)
	skynet.start(function()
		local channel = multicast.new {
			channel = math.tointeger(id),
			dispatch = function(channel, source, ...)
				skynet.send(listener, "lua", "heard", channel.channel, source, ...)
			end,
		}
		channel:subscribe()
		skynet.dispatch("lua", function(_, _, name)
			skynet.retpack(channel[name](channel))
		end)
	end)
end

-- Keeps each delivery in its handler, without a copy.
function role.keeper(id)
	skynet.start(function()
		local channel = multicast.new {
			channel = math.tointeger(id),
			unpack = function(msg, sz) return msg, sz end,
			dispatch = function() skynet.wait() end,
		}
		channel:subscribe()
	end)
end

-- The messages "heard" of this service: { { channel, source, values... }, ... }.
local function listen()
	local heard = {}
	skynet.dispatch("lua", function(_, _, _, ...)
		heard[#heard + 1] = { ... }
	end)
	return heard
end

function case.ten_subscribers()
	local heard = listen()
	local channel = multicast.new()
	check.eq("printed", tostring(channel), ("[Multicast:%x]"):format(channel.channel))
	local services = {}
	for i = 1, 10 do
		services[i] = check.spawn("subscriber", channel.channel, skynet.self())
	end
	channel:publish("hello", 1, nil, { x = 2.5 })
	check.ok("all hear it", check.wait(function() return #heard == 10 end), #heard)
	for i = 1, 10 do
		check.eq("what is heard", heard[i], { channel.channel, skynet.self(), "hello", 1, nil, { x = 2.5 } })
	end
	skynet.call(services[1], "lua", "unsubscribe")
	skynet.call(services[1], "lua", "unsubscribe")
	for i = 2, 5 do
		skynet.call(services[i], "lua", "subscribe")
	end
	for i = 1, 100 do
		channel:publish(i)
	end
	check.ok("without the one that left", check.wait(function() return #heard == 10 + 900 end), #heard)
	skynet.sleep(2)
	check.eq("subscribing twice is once", #heard, 910)
end

function case.order()
	local got = {}
	local channel = multicast.new { dispatch = function(_, source, n) got[#got + 1] = source == skynet.self() and n end }
	channel:subscribe()
	for i = 1, 1000 do
		channel:publish(i)
	end
	check.ok("the publisher hears itself", check.wait(function() return #got == 1000 end), #got)
	local sorted = true
	for i, n in ipairs(got) do
		sorted = sorted and n == i
	end
	check.ok("in order", sorted)
end

function case.channels()
	local a, b = multicast.new(), multicast.new()
	check.eq("ids", { a.channel, b.channel }, { 0, 256 })
	a:publish "nobody is there"
	a:delete()
	check.eq("deleted", a.channel, nil)
	for _, method in ipairs { "publish", "subscribe", "unsubscribe", "delete" } do
		check.ok(method .. " of a deleted one", not pcall(a[method], a))
	end
	local ghost = multicast.new { channel = 0 }
	ghost:subscribe()
	ghost:publish "nothing"
	check.ok("a channel that is not there any more is silent", true)
	check.eq("further ids", multicast.new().channel, 512)
end

-- A handler that blocks does not keep others waiting; errors are logged; a codec of one's own.
function case.handlers()
	local got = {}
	local channel
	channel = multicast.new {
		pack = function(text) return skynet.pack("<" .. text .. ">") end,
		unpack = function(msg, sz) return sz, skynet.unpack(msg, sz) end,
		dispatch = function(self, source, sz, text)
			if text == "<bad>" then
				error "bad news"
			end
			skynet.sleep(1)
			got[#got + 1] = { self == channel, source == skynet.self(), sz, text }
			check.fails("no answer to a publication", "No session", skynet.ret)
		end,
	}
	channel:subscribe()
	channel:publish "a"
	channel:publish "bad"
	channel:publish "b"
	check.ok("both", check.wait(function() return #got == 2 end))
	table.sort(got, function(a, b) return a[4] < b[4] end)
	check.eq("what it got", got, { { true, true, 4, "<a>" }, { true, true, 4, "<b>" } })
	local broken = multicast.new { unpack = function() error "unreadable" end, dispatch = function() end }
	broken:subscribe()
	broken:publish(1)
	skynet.sleep(2)
	check.ok("still alive", true)
end

-- An object that nobody else refers to goes on receiving until it unsubscribes; a service that ends has unsubscribed.
function case.end_of_subscribers()
	local heard = listen()
	local count = 0
	do
		local channel = multicast.new { channel = nil, dispatch = function() count = count + 1 end }
		channel:subscribe()
		datacenter.set("id", channel.channel)
	end
	collectgarbage()
	collectgarbage()
	local channel = multicast.new { channel = datacenter.get "id" }
	for n = 1, 3 do
		channel:publish(1)
		check.ok("kept", check.wait(function() return count == n end))
		collectgarbage()
	end
	local gone = check.spawn("subscriber", channel.channel, skynet.self())
	local killed = check.spawn("subscriber", channel.channel, skynet.self())
	local stays = check.spawn("subscriber", channel.channel, skynet.self())
	skynet.send(gone, "debug", "EXIT")
	skynet.kill(killed)
	check.wait(function() return check.dead(gone) and check.dead(killed) end)
	channel:publish(2)
	channel:publish(3)
	check.ok("the one that is left", check.wait(function() return #heard == 2 end), #heard)
	check.eq("hears both", { heard[1][3], heard[2][3] }, { 2, 3 })
	check.ok("and lives", not check.dead(stays))
end

-- 100 subscribers hold 2 MB each: the same 2 MB.
function case.one_payload()
	local channel = multicast.new()
	for _ = 1, 100 do
		check.spawn("keeper", channel.channel)
	end
	local text = ("0123456789abcdef"):rep(1 << 17)
	local before = resident()
	channel:publish(text)
	skynet.sleep(10)
	local more = resident() - before
	check.ok("one copy", more < 60, more .. " MB more")
end

-- What handlers hold when their service is killed is freed.
function case.killed_holders()
	local channel = multicast.new()
	local text = ("0123456789abcdef"):rep(1 << 18)
	local before = resident()
	for _ = 1, 60 do
		local keeper = check.spawn("keeper", channel.channel)
		channel:publish(text)
		skynet.call(keeper, "debug", "PING")
		skynet.kill(keeper)
	end
	local more = resident() - before
	check.ok("240 MB have passed", more < 100, more .. " MB more")
end

-- So is what is in a mailbox when its service dies.
function case.undelivered()
	local channel = multicast.new()
	local text = ("0123456789abcdef"):rep(1 << 18)
	local before = resident()
	local deaf = {}
	for i = 1, 60 do
		deaf[i] = skynet.newservice("deaf", channel.channel)
		channel:publish(text)
		skynet.kill(deaf[i])
	end
	local more = resident() - before
	check.ok("240 MB have passed", more < 100, more .. " MB more")
end

function case.core()
	check.eq("nextid", { core.nextid(0), core.nextid(0x7fffff07) }, { 256, 7 })
	local cell, size = core.pack(skynet.pack("x", 1))
	check.eq("size of a cell", size, 8)
	local package, msg, sz = core.unpack(cell, size)
	check.eq("its values", { skynet.unpack(msg, sz) }, { "x", 1 })
	check.eq("bound", core.bind(cell, 2), package)
	core.close(package)
	core.close(package)
	cell, size = core.packremote(skynet.pack("y"))
	local bytes, n = core.remote(cell)
	check.eq("the bytes for another node", skynet.tostring(bytes, n), skynet.packstring "y")
	skynet.trash(bytes, n)
	cell = core.pack(skynet.pack "z")
	check.fails("size", "Invalid multicast package size 7", core.unpack, cell, 7)
	check.fails("too many closes", "Invalid multicast package reference -1", core.close, (core.unpack(cell, 8)))
	package = core.bind(cell, 1)
	core.close(package)
	check.fails("too large", "Size should be 32bit integer", core.pack, skynet.pack(1), 1 << 32)
	cell = core.pack(skynet.pack())
	check.eq("nothing", select("#", skynet.unpack(select(2, core.unpack(cell, 8)))), 0)
	core.close(core.bind(cell, 1))
end

-- The daemon of another node, played by this service: a channel that belongs to it.
function case.foreign_channel()
	local log = {}
	local daemon = skynet.queryservice "multicastd"
	check.eq("where daemons find each other", datacenter.get("multicast", 0), daemon)
	skynet.dispatch("lua", function(session, _, ...)
		log[#log + 1] = table.concat({ ... }, " ")
		if session ~= 0 then
			skynet.retpack()
		end
	end)
	datacenter.set("multicast", 7, skynet.self())
	local bytes = {}
	local mine = multicast.new { channel = 256 + 7, dispatch = function(_, source, ...) bytes[#bytes + 1] = { source, ... } end }
	mine:subscribe()
	check.eq("the first subscriber of this node", log, { "SUBR 263" })
	-- What the owner publishes.
	skynet.redirect(daemon, 0x07000042, "multicast", 263, skynet.packstring("from", "far"))
	check.ok("comes here", check.wait(function() return #bytes == 1 end))
	check.eq("from its publisher", bytes[1], { 0x07000042, "from", "far" })
	mine:unsubscribe()
	check.ok("the last one", check.wait(function() return #log == 2 end))
	check.eq("has left", log[2], "USUBR 263")
	mine:delete()
	check.ok("delete", check.wait(function() return #log == 3 end))
	check.eq("is for the owner", log[3], "DEL 263")
end

-- A node that subscribes to a channel of this one, played by `far`.
function case.foreign_subscriber()
	local heard = listen()
	local far = skynet.newservice("far", skynet.self())
	local daemon = skynet.queryservice "multicastd"
	datacenter.set("multicast", 9, far)
	local channel = multicast.new()
	skynet.redirect(daemon, 0x09000001, "lua", 0, skynet.pack("SUBR", channel.channel))
	channel:publish("out", 1)
	check.ok("published", check.wait(function() return #heard == 1 end))
	check.eq("as bytes", heard[1], { channel.channel, skynet.self(), "out", 1 })
	skynet.redirect(daemon, 0x09000001, "lua", 0, skynet.pack("USUBR", channel.channel))
	channel:publish("out", 2)
	skynet.redirect(daemon, 0x09000001, "lua", 0, skynet.pack("SUBR", channel.channel))
	channel:delete()
	check.ok("told of the end", check.wait(function() return #heard == 2 end))
	check.eq("DELR", heard[2], { "DELR", 0 })
end

-- Through a filter.
function role.filtered(id, listener)
	listener = math.tointeger(listener)
	skynet.filter(function(...) return ... end, function()
		local channel = multicast.new {
			channel = math.tointeger(id),
			dispatch = function(_, _, ...) skynet.send(listener, "lua", "heard", ...) end,
		}
		channel:subscribe()
	end)
end

function case.filtered()
	local heard = listen()
	local channel = multicast.new()
	check.spawn("filtered", channel.channel, skynet.self())
	for i = 1, 10 do
		channel:publish(i, ("x"):rep(100))
	end
	check.ok("all", check.wait(function() return #heard == 10 end), #heard)
	check.eq("the last", heard[10], { 10, ("x"):rep(100) })
end

return check.main(role, case, ...)
