-- skynet.stm, skynet.memory, and the calls of skynet.harbor in a node of its own.
local skynet = require "skynet"
require "skynet.manager"
local check = require "check"

local role, case = {}, {}

-- Reads a value, when it is told to.
function role.reader()
	local stm = require "skynet.stm"
	local reader
	check.serve {
		open = function(pointer)
			reader = stm.newcopy(pointer)
		end,
		read = function(extra)
			return reader(function(ptr, sz, ...)
				return skynet.tostring(ptr, sz), ...
			end, extra)
		end,
		unpack = function()
			return reader(skynet.unpack)
		end,
	}
end

function case.stm()
	local stm = require "skynet.stm"
	local writer = stm.new(skynet.pack { n = 1 })
	local one, two = check.spawn "reader", check.spawn "reader"
	skynet.call(one, "lua", "open", stm.copy(writer))
	skynet.call(two, "lua", "open", stm.copy(writer))
	check.returns("the first reading", { true, { n = 1 } }, skynet.call, one, "lua", "unpack")
	check.returns("nothing new", { false }, skynet.call, one, "lua", "unpack")
	writer(skynet.pack({ n = 2 }, nil, "more", nil))
	writer "text"
	check.returns("the last version", { true, "text", "extra" }, skynet.call, one, "lua", "read", "extra")
	check.returns("for the other one", { true, "text", n = 3 }, skynet.call, two, "lua", "read")
	check.returns("once", { false }, skynet.call, two, "lua", "read")
	writer(skynet.pack("a", nil, 3, nil))
	check.returns("all results", { true, "a", nil, 3, nil, n = 5 }, skynet.call, two, "lua", "unpack")
	writer ""
	check.returns("nothing at all", { true, "", n = 3 }, skynet.call, two, "lua", "read")
	writer "last"
	writer = nil
	collectgarbage()
	collectgarbage()
	check.returns("the writer is gone", { false }, skynet.call, one, "lua", "read")
	check.returns("for both", { false }, skynet.call, two, "lua", "read")
end

function case.stm_errors()
	local stm = require "skynet.stm"
	local writer = stm.new "x"
	local reader = stm.newcopy(stm.copy(writer))
	check.fails("an error in f", "on purpose", reader, function() error "on purpose" end)
	check.returns("counts as read", { false }, reader, print)
	check.fails("no function", "function expected", reader, 1)
	check.fails("no bytes", "string expected", writer, {})
	check.fails("no writer", "stm writer expected", stm.copy, reader)
	check.fails("no reference", "stm reference expected", stm.newcopy, "x")
	writer "y"
	local inner = {}
	check.returns("a reading in a reading", { true, "y" }, reader, function(ptr, sz)
		writer "z"
		inner = { reader(function(...) return skynet.tostring(...) end) }
		collectgarbage()
		return skynet.tostring(ptr, sz)
	end)
	check.eq("is the next version", inner, { true, "z" })
	writer "w"
	check.returns("f may block", { true, "w" }, reader, function(ptr, sz)
		writer "v"
		skynet.sleep(1)
		return skynet.tostring(ptr, sz)
	end)
	check.ok("the old name", require "compat10.stm" == stm)
end

-- Readers in other services while the writer goes on: each sees whole versions, in order.
function case.stm_concurrent()
	local stm = require "skynet.stm"
	local function version(n)
		return skynet.pack(n, ("x"):rep(n % 100), n)
	end
	local writer = stm.new(version(0))
	local left = 4
	for _ = 1, 4 do
		local reader = check.spawn "counter"
		local pointer = stm.copy(writer)
		skynet.fork(function()
			check.ok("whole versions", skynet.call(reader, "lua", "follow", pointer, 3000))
			left = left - 1
		end)
	end
	skynet.sleep(1)
	for n = 1, 3000 do
		writer(version(n))
		if n % 100 == 0 then
			skynet.sleep(0)
		end
	end
	check.ok("all saw the last", check.wait(function() return left == 0 end))
end

function role.counter()
	local stm = require "skynet.stm"
	check.serve {
		follow = function(pointer, last)
			local reader, seen = stm.newcopy(pointer), -1
			while seen < last do
				local new, a, text, b = reader(skynet.unpack)
				if new then
					assert(a == b and #text == a % 100 and a > seen)
					seen = a
				end
				skynet.sleep(0)
			end
			return true
		end,
	}
end

function role.fat(megabytes)
	local kept = ("x"):rep(math.tointeger(megabytes) << 20)
	check.serve {
		size = function()
			return require("skynet.memory").current(), #kept
		end,
	}
end

function case.memory()
	local memory = require "skynet.memory"
	local fat = check.spawn("fat", 5)
	local current = skynet.call(fat, "lua", "size")
	local info = memory.info()
	check.ok("5 MB", current > 5 << 20 and current < 7 << 20, current)
	check.ok("the same from outside", math.abs(info[fat] - current) < 1 << 20, info[fat])
	check.ok("of this service", math.abs(info[skynet.self()] - collectgarbage "count" * 1024) < 1 << 20)
	local sum = 0
	for handle, bytes in pairs(info) do
		check.ok("a handle", math.type(handle) == "integer" and bytes > 1000)
		sum = sum + bytes
	end
	check.ok("the whole is more than the services", memory.total() > sum, memory.total())
	check.ok("blocks", memory.block() > 1000, memory.block())
	skynet.kill(fat)
	check.ok("gone with its service", check.wait(function() return not memory.info()[fat] end))
	local stat = memory.jestat()
	for _, name in ipairs { "allocated", "resident", "retained", "mapped", "active" } do
		check.ok(name, math.type(stat["stats." .. name]) == "integer")
	end
	check.ok("resident", memory.mallctl "stats.resident" > 1 << 20)
	check.eq("unknown", memory.mallctl "stats.nothing", 0)
	check.eq("no profiler", { memory.profactive(), memory.profactive(true) }, { false, false })
	memory.dump()
	memory.dumpheap()
	memory.dumpinfo()
	check.ok("the old name", require "compat10.memory" == memory)
end

function case.harbor()
	local harbor = require "skynet.harbor"
	check.eq("of a node of its own", { skynet.harbor(skynet.self()) }, { 0, false })
	local found
	skynet.fork(function()
		found = harbor.queryname "LATER"
	end)
	skynet.sleep(1)
	check.eq("waits for a name", found, nil)
	harbor.globalname "LATER"
	check.ok("until it is there", check.wait(function() return found end))
	check.eq("the handle", found, skynet.self())
	skynet.register ".here"
	check.eq("a local name", harbor.queryname ".here", skynet.self())
	harbor.globalname("OTHER", 0x1234)
	check.eq("of somebody else", harbor.queryname "OTHER", 0x1234)
	harbor.link(7)
	check.ok("nothing is connected", true)
	local connected
	skynet.fork(function()
		harbor.connect(7)
		connected = true
	end)
	skynet.sleep(5)
	check.eq("nor will be", connected, nil)
end

-- Every old name that there is leads to the module of the new one.
function case.old_names()
	for _, name in ipairs {
		"cluster", "datacenter", "memory", "mqueue", "multicast", "netpack", "profile", "sharedata", "snax", "socket", "socketchannel",
		"socketdriver", "stm",
	} do
		check.ok(name, require("compat10." .. name) == require("skynet." .. name))
	end
end

return check.main(role, case, ...)
