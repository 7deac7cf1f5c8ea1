-- The config keys of the socket engine.
local skynet = require "skynet"
local socket = require "skynet.socket"
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

local BLOCK, BLOCKS = 65536, 240

local function block(i)
	return ("<I4"):pack(i):rep(BLOCK // 4)
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
	-- The system's buffers are full, and so is the mailbox.
	local left, same
	check.ok("the rest waits", check.wait(function()
		local now = socket.pending(id)
		same = now == left and same + 1 or 0
		left = now
		return same > 20
	end))
	local read = 0
	for _, info in ipairs(socket.netstat()) do
		if info.address == busy then
			read = math.max(read, info.read or 0)
		end
	end
	check.ok("some of it was read", read > 200000, read)
	check.ok("and not too much", read < 1000000, read)
	skynet.setenv("leisure", "yes")
	socket.close(id)
	check.ok("all of it arrives, in order", check.wait(function()
		return skynet.call(busy, "lua", "count") == BLOCKS
	end))
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
