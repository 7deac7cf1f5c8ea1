-- The config keys of the socket engine.
local skynet = require "skynet"
require "skynet.manager"
local socket = require "skynet.socket"
local socketdriver = require "skynet.socketdriver"
local check = require "check"
local pair = require "pair"

local role, case = {}, {}

-- Names of the node's threads.
local function threads()
	local names = {}
	for line in io.popen("cat /proc/" .. io.open("/proc/self/stat"):read "n" .. "/task/*/comm"):lines() do
		names[line] = true
	end
	return names
end

function case.threads()
	local ids = {}
	for i = 1, 10 do
		local a, b = pair.open()
		ids[i] = { a, b }
	end
	local running = threads()
	check.ok("three of them", running["socket-0"] and running["socket-1"] and running["socket-2"])
	check.eq("and no more", running["socket-3"], nil)
	for round = 1, 20 do
		for i, p in ipairs(ids) do
			socket.write(p[1], ("%d of %d\n"):format(round, i))
		end
		for i, p in ipairs(ids) do
			check.eq("a line", socket.readline(p[2]), ("%d of %d"):format(round, i))
		end
	end
end

function case.number()
	local a, b = pair.open()
	local c, d = pair.open()
	local port, listener = pair.server(function() end)
	check.ok("four connections and a listener", a and b and c and d and listener)
	-- One more, whose other end is closed at once.
	local last = assert(socket.open("127.0.0.1", port))
	check.eq("it is one too many", socket.read(last, 1), false)
	check.returns("no id is left", { nil, "reach skynet socket number limit", n = 2 }, socket.open, "127.0.0.1", port)
	socket.close(last)
	socket.close(a)
	socket.close(b)
	check.ok("there is room again", check.wait(function()
		return pcall(pair.open)
	end))
end

local function overfill(a, b)
	socket.pause(b)
	for _ = 1, 64 do
		socket.write(a, ("x"):rep(256 * 1024))
	end
	check.ok("it is closed", check.wait(function() return socket.disconnected(a) end))
	check.eq("a write fails", socket.write(a, "x"), false)
end

function case.waiting()
	local a, b = pair.open()
	overfill(a, b)
	-- A limit of its own goes before.
	a, b = pair.open()
	socket.writelimit(a, 64 * 1024 * 1024)
	socket.pause(b)
	socket.write(a, ("x"):rep(16 * 1024 * 1024))
	check.eq("all of it comes", #socket.read(b, 16 * 1024 * 1024), 16 * 1024 * 1024)
end

function case.waiting_altogether()
	local a, b = pair.open()
	overfill(a, b)
	local c, d = pair.open()
	socket.write(c, "still there\n")
	check.eq("others go on", socket.readline(d), "still there")
end

-- A socket that is closed goes, although its peer does not take what was written.
function case.closed_and_deaf()
	local a, b = pair.open()
	socket.pause(b)
	local size = 32 << 20
	socket.write(a, ("x"):rep(size))
	socket.close(a)
	check.ok("it has gone", check.wait(function() return not socket.pending(a) end))
	check.eq("nothing lingers", socketdriver.lingering(a), 0)
	check.ok("its peer has not got all", #(socket.readall(b) or "") < size)
	socket.close(b)
end

local BLOCK, BLOCKS = 65536, 240

local function block(i)
	return ("<I4"):pack(i):rep(BLOCK // 4)
end

-- What is written to the socket is not read any more: the system's buffers are full, and so are the mailboxes behind
-- the sockets of `owner`.
local function stands_still(id, owner)
	local left, same
	check.ok("the rest waits", check.wait(function()
		local now = socket.pending(id)
		same = now == left and same + 1 or 0
		left = now
		return same > 20
	end))
	local read = 0
	for _, info in ipairs(socket.netstat()) do
		if info.address == owner then
			read = math.max(read, info.read or 0)
		end
	end
	check.ok("some of it was read", read > 200000, read)
	check.ok("and not too much", read < 1500000, read)
end

-- Reads what it is sent, but is busy with something else first.
function role.busy()
	local right = 0
	check.serve {
		listen = function()
			return (pair.server(function(id)
				socket.start(id)
				while socket.read(id, BLOCK) == block(right + 1) do
					right = right + 1
				end
				socket.close(id)
			end))
		end,
		work = function()
			repeat until skynet.getenv "leisure" -- without giving way
		end,
		count = function()
			return right
		end,
	}
end

function case.flood()
	local busy = check.spawn "busy"
	local id = assert(socket.open("127.0.0.1", skynet.call(busy, "lua", "listen")))
	socket.write(id, block(1))
	check.ok("it reads", check.wait(function() return skynet.call(busy, "lua", "count") == 1 end))
	skynet.send(busy, "lua", "work")
	for i = 2, BLOCKS do
		socket.write(id, block(i))
	end
	stands_still(id, busy)
	skynet.setenv("leisure", "yes")
	socket.close(id)
	check.ok("all of it arrives, in order", check.wait(function()
		return skynet.call(busy, "lua", "count") == BLOCKS
	end))
end

-- Gets frames from a gate, but is busy with something else first.
function role.agent()
	local right = 0
	skynet.register_protocol {
		name = "client",
		id = skynet.PTYPE_CLIENT,
		unpack = skynet.tostring,
		dispatch = function(_, _, frame)
			skynet.ignoreret()
			if frame == block(right + 1):sub(1, 60000) then
				right = right + 1
			end
		end,
	}
	check.serve {
		forward = function(gate, fd)
			skynet.call(gate, "lua", "forward", fd)
		end,
		work = function()
			repeat until skynet.getenv "leisure"
		end,
		count = function()
			return right
		end,
	}
end

local function flood_an_agent(gate, agent, id)
	skynet.send(agent, "lua", "work")
	for i = 1, BLOCKS do
		socket.write(id, (">s2"):pack(block(i):sub(1, 60000)))
	end
	stands_still(id, gate)
	skynet.setenv("leisure", "yes")
	check.ok("all frames arrive, in order", check.wait(function()
		return skynet.call(agent, "lua", "count") == BLOCKS
	end))
	socket.close(id)
end

function case.gate_flood()
	local fd
	skynet.dispatch("lua", function(_, _, _, event, id)
		fd = event == "open" and id or fd
	end)
	local gate, agent = skynet.newservice "gate", check.spawn "agent"
	local _, port = skynet.call(gate, "lua", "open", { address = "127.0.0.1", port = 0, watchdog = skynet.self() })
	local id = assert(socket.open("127.0.0.1", port))
	check.ok("it is accepted", check.wait(function() return fd end))
	skynet.call(agent, "lua", "forward", gate, fd)
	-- To feed one that has room, nobody, or one that is not there changes nothing.
	for _, service in ipairs { skynet.self(), 0, 0x777777 } do
		check.returns("nothing", { n = 0 }, socketdriver.feed, id, service)
	end
	flood_an_agent(gate, agent, id)
end

function case.native_gate_flood()
	local fd
	skynet.register_protocol {
		name = "text",
		id = skynet.PTYPE_TEXT,
		pack = tostring,
		unpack = skynet.tostring,
		dispatch = function(_, _, text)
			fd = text:match "^(%d+) open " or fd
		end,
	}
	local port, agent = pair.dead_port(), check.spawn "agent"
	local gate = assert(skynet.launch("gate", ("S %s 127.0.0.1:%d 0 10"):format(skynet.address(skynet.self()), port)))
	local id = assert(socket.open("127.0.0.1", port))
	check.ok("it is accepted", check.wait(function() return fd end))
	skynet.send(gate, "text", ("forward %s %s %s"):format(fd, skynet.address(agent), skynet.address(gate)))
	skynet.send(gate, "text", "start " .. fd)
	flood_an_agent(gate, agent, id)
end

-- The system's table of connections has the time until the first probe, in hundredths of a second.
function case.probes()
	local a, b = pair.open()
	local port
	for _, info in ipairs(socket.netstat()) do
		if info.id == a then
			port = tonumber(info.peer:match ":(%d+)$")
		end
	end
	local ends = 0
	for line in io.lines "/proc/net/tcp" do
		local mine, other, timer, left = line:match "^%s*%d+: %x+:(%x+) %x+:(%x+) 01 %x+:%x+ (%x+):(%x+)"
		mine, other = tonumber(mine or "0", 16), tonumber(other or "0", 16)
		if mine == port or other == port then
			ends = ends + 1
			check.eq("a timer of probes", timer, "02")
			left = tonumber(left, 16)
			check.ok("five minutes or less", left > 0 and left <= 30100, left)
		end
	end
	check.eq("both ends", ends, 2)
	socket.close(a)
	socket.close(b)
	skynet.sleep(0)
end

return check.main(role, case, ...)
