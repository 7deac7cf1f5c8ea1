-- skynet.socket: TCP.
local skynet = require "skynet"
local socket = require "skynet.socket"
local driver = require "skynet.socketdriver"
local check = require "check"
local pair = require "pair"

local role, case = {}, {}

local function close(...)
	for _, id in ipairs { ... } do
		socket.close(id)
	end
end

-- What its peer still sends does not keep it from hearing a socket's last words.
function case.last_words()
	for round = 1, 20 do
		local a, b = pair.open()
		socket.write(b, ("x"):rep(1000 * round))
		driver.linger(a)
		socket.write(a, "last words")
		socket.close(a)
		check.eq("closed at once", socket.invalid(a), true)
		socket.write(b, ("y"):rep(1000 * round))
		check.eq("what its peer hears", socket.readall(b), "last words")
		close(b)
	end
	driver.linger(1 << 20) -- nobody's
end

-- Coming to be

function case.listen()
	local id, ip, port = socket.listen("127.0.0.1", 0)
	check.eq("the bound address", ip, "127.0.0.1")
	check.ok("a real port", math.type(port) == "integer" and port > 0, port)
	check.fails("the same port again", "Listen error", socket.listen, "127.0.0.1", port)
	socket.close(id)
	check.eq("closed", socket.invalid(id), true)
	local again, _, same = socket.listen("127.0.0.1:" .. port)
	check.eq("host and port in one string, on a port that is free again", same, port)
	socket.close(again)
	local all, any = socket.listen("", 0)
	check.eq("an empty host is any", any, "0.0.0.0")
	socket.close(all)
end

function case.addresses()
	check.fails("no port", "Invalid address localhost.", socket.open, "localhost")
	check.fails("a word for a port", "Invalid port in address 127.0.0.1:http.", socket.open, "127.0.0.1:http")
	check.fails("an empty port", "Invalid port in address 127.0.0.1:.", socket.open, "127.0.0.1:")
	check.fails("something behind the port", "Invalid port in address 127.0.0.1:80x.", socket.open, "127.0.0.1:80x")
	check.fails("too large", "Invalid port in address 127.0.0.1:65536.", socket.listen, "127.0.0.1:65536")
	check.fails("port 0", "Invalid port", socket.open, "127.0.0.1", 0)
	for _, port in ipairs { 65536, 70000, -1, 1 << 40 } do
		local why = ("Invalid port %d: ports are numbers from 0 to 65535"):format(port)
		check.fails("listen", why, socket.listen, "127.0.0.1", port)
		check.fails("open", why, socket.open, "127.0.0.1", port)
		check.fails("udp", why, socket.udp, print, "127.0.0.1", port)
		check.fails("udp without a host", why, socket.udp, print, nil, port)
		check.fails("udp_listen", why, socket.udp_listen, "127.0.0.1", port, print)
		check.fails("udp_dial", why, socket.udp_dial, "127.0.0.1", port, print)
		local id = socket.udp(print)
		check.fails("udp_connect", why, socket.udp_connect, id, "127.0.0.1", port)
		socket.close(id)
	end
	check.fails("raised with a position", "check.lua:", socket.open, "localhost")
end

function case.open()
	local from
	local port, listener = pair.server(function(id, peer)
		from = peer
		socket.start(id)
	end)
	local id, err = socket.open("127.0.0.1", port)
	check.ok("an id", math.type(id) == "integer" and id > 0, err)
	check.ok("accepted", check.wait(function() return from end))
	check.ok("the peer's address", from:match "^127%.0%.0%.1:%d+$", from)
	check.eq("a second socket has another id", id ~= assert(socket.open("127.0.0.1:" .. port)), true)
	check.returns("nobody there", { nil, "Connection refused", n = 2 }, socket.open, "127.0.0.1", pair.dead_port())
	check.returns("no such name", { nil, "Name or service not known", n = 2 }, socket.open, "no-such-host.invalid", 80)
	check.returns("too long for a name", { nil, "Invalid addr", n = 2 }, socket.open, ("x"):rep(300), 80)
	local named = socket.open("localhost", port)
	check.ok("by name", named)
	close(id, named, listener)
end

-- An attempt that would last for minutes can be given up.
function case.open_given_up()
	local port, finish = pair.black_hole()
	local attempt
	local job = pair.background(socket.open, "127.0.0.1", port, function(id)
		attempt = id
	end)
	skynet.sleep(10)
	check.eq("it neither succeeds nor fails", { job.done, socket.disconnected(attempt) }, { false, false })
	check.eq("nothing can be sent yet", socket.pending(attempt), 0)
	socket.close(attempt)
	check.ok("closed, it ends", pair.finished(job))
	check.eq("without a socket", { job.ok, job[1], job[2], socket.invalid(attempt) }, { true, nil, "socket closed", true })
	finish()
	check.ok("nothing is left", check.wait(function() return #socket.netstat() == 0 end), check.show(socket.netstat()))
end

function case.ipv6()
	local ok, listener, ip, port = pcall(socket.listen, "::1", 0)
	if not ok then
		check.ok("this machine has no IPv6", listener:find "Listen error", listener)
		check.emit "SKIPPED no IPv6 on this machine; sysctl net.ipv6.conf.lo.disable_ipv6=0, or a kernel that has it"
		return
	end
	check.eq("bound", ip, "::1")
	local from
	socket.start(listener, function(id, peer)
		from = peer
		socket.start(id)
		socket.write(id, "six")
	end)
	local id = assert(socket.open(("[::1]:%d"):format(port)))
	check.eq("data", socket.read(id, 3), "six")
	check.ok("the peer without brackets", from:match "^::1:%d+$", from)
	close(id, listener)
end

function case.start()
	local a, b, listener = pair.unstarted()
	check.fails("a socket that is in use", "socket is not closed", socket.start, a)
	socket.write(b, "lost")
	skynet.sleep(5)
	check.eq("nothing is sent before the start", driver.pending(b) or 0, 0)
	check.eq("start", socket.start(b), b)
	socket.write(b, "first\n")
	check.eq("what is written after the start arrives", socket.readline(a), "first")
	check.returns("an id that nobody has", { nil, "invalid socket", n = 2 }, socket.start, 987654)
	socket.onclose(987655, function() end)
	check.fails("one with a callback", "socket has onclose callback", socket.start, 987655)
	close(a, b, listener)
end

-- Data that came before the start is not lost, and the callback may wait.
function case.accept_slowly()
	local got = {}
	local port, listener = pair.server(function(id)
		skynet.sleep(10)
		socket.start(id)
		local line = socket.readline(id)
		got[#got + 1] = line
		socket.close(id)
	end)
	local ids = {}
	for i = 1, 5 do
		ids[i] = socket.open("127.0.0.1", port)
		socket.write(ids[i], i .. "\n")
	end
	check.ok("all are served", check.wait(function() return #got == 5 end), #got)
	table.sort(got)
	check.eq("each with its data", got, { "1", "2", "3", "4", "5" })
	close(listener, table.unpack(ids))
end

-- The listener's function can be exchanged.
function case.start_twice()
	local who
	local port, listener = pair.server(function(id)
		who = "first"
		socket.close_fd(id)
	end)
	check.eq("again", socket.start(listener, function(id)
		who = "second"
		socket.close_fd(id)
	end), listener)
	local id = socket.open("127.0.0.1", port)
	check.eq("the new one is called", { socket.read(id), who }, { false, "second" })
	close(id, listener)
end

function case.not_accepting()
	local listener, _, port = socket.listen("127.0.0.1", 0)
	local id = socket.open("127.0.0.1", port)
	check.ok("the system accepts in the meantime", id)
	local from
	socket.start(listener, function(new, peer)
		from = peer
		socket.close_fd(new)
	end)
	check.ok("accepted once it is started", check.wait(function() return from end))
	check.eq("and closed unstarted", { socket.read(id) }, { false, "" })
	check.fails("close_fd of a socket in use", "Use socket.close instead", socket.close_fd, id)
	close(id, listener)
end

-- Reading

function case.readline()
	local a, b = pair.open()
	socket.write(a, "one\ntwo\n\nfo")
	check.eq("first", socket.readline(b), "one")
	check.eq("second", socket.readline(b), "two")
	check.eq("empty", socket.readline(b), "")
	local job = pair.background(socket.readline, b)
	skynet.sleep(2)
	check.eq("half a line waits", job.done, false)
	socket.write(a, "ur\n")
	pair.finished(job)
	check.eq("the whole line", job[1], "four")
	socket.write(a, "a\r\nb\r")
	check.eq("separator of two bytes", socket.readline(b, "\r\n"), "a")
	job = pair.background(socket.readline, b, "\r\n")
	skynet.sleep(2)
	check.eq("half a separator waits", job.done, false)
	socket.write(a, "\nx--END--y\nrest")
	pair.finished(job)
	check.eq("separator in two pieces", job[1], "b")
	check.eq("a long separator", socket.readline(b, "--END--"), "x")
	socket.close(a)
	check.eq("a line after the end", socket.readline(b), "y")
	check.returns("no more lines", { false, "rest" }, socket.readline, b)
	check.returns("nothing left", { false, "" }, socket.readline, b)
	socket.close(b)
	check.fails("an unknown id", "assertion failed", socket.readline, b)
end

function case.read()
	local a, b = pair.open()
	socket.write(a, "abcdefgh")
	check.eq("some", socket.read(b, 3), "abc")
	check.eq("what is there", socket.read(b), "defgh")
	local job = pair.background(socket.read, b, 4)
	for c in ("1234"):gmatch "." do
		skynet.sleep(1)
		check.eq("not before " .. c, job.done, false)
		socket.write(a, c)
	end
	pair.finished(job)
	check.eq("byte by byte", job[1], "1234")
	job = pair.background(socket.read, b)
	skynet.sleep(1)
	socket.write(a, "any")
	pair.finished(job)
	check.eq("whatever comes", job[1], "any")
	socket.write(a, "buffered")
	check.eq("a part", socket.read(b, 1), "b")
	job = pair.background(socket.read, b, 0)
	skynet.sleep(3)
	check.eq("read(0) waits for new data", job.done, false)
	socket.write(a, "!")
	pair.finished(job)
	check.eq("and returns false and everything", { job[1], job[2] }, { false, "uffered!" })
	socket.write(a, "12345")
	socket.close(a)
	check.eq("enough", socket.read(b, 3), "123")
	check.returns("too little", { false, "45" }, socket.read, b, 3)
	check.returns("nothing", { false, "" }, socket.read, b, 1)
	check.returns("nothing at all", { false, "" }, socket.read, b)
	socket.close(b)
	check.fails("an unknown id", "assertion failed", socket.read, b, 1)
end

-- One large read gets all of it, however large.
function case.read_large()
	local a, b = pair.open()
	local text = ("0123456789abcdef"):rep(65536 * 3)
	socket.write(a, text)
	check.ok("3 MiB in one read", socket.read(b, #text) == text)
	socket.write(b, text)
	local parts, size = {}, 0
	while size < #text do
		local data = socket.read(a)
		size = size + #data
		parts[#parts + 1] = data
	end
	check.ok("3 MiB in many reads", table.concat(parts) == text)
	close(a, b)
end

function case.readall()
	local a, b = pair.open()
	local job = pair.background(socket.readall, b)
	socket.write(a, "some ")
	skynet.sleep(2)
	socket.write(a, "more")
	skynet.sleep(2)
	check.eq("waits for the end", job.done, false)
	socket.close(a)
	pair.finished(job)
	check.eq("everything", job[1], "some more")
	check.eq("then nothing", socket.readall(b), false)
	socket.close(b)
	a, b = pair.open()
	socket.write(a, "left")
	socket.close(a)
	check.wait(function() return socket.disconnected(b) end)
	check.eq("after the end", socket.readall(b), "left")
	check.eq("once", socket.readall(b), false)
	socket.close(b)
	check.fails("an unknown id", "assertion failed", socket.readall, b)
end

function case.block()
	local a, b = pair.open()
	local job = pair.background(socket.block, b)
	skynet.sleep(1)
	check.eq("waits", job.done, false)
	socket.write(a, "data")
	pair.finished(job)
	check.eq("data is there", job[1], true)
	check.eq("still there", socket.block(b), true)
	check.eq("nothing was taken", socket.read(b, 4), "data")
	socket.close(a)
	check.eq("the end", socket.block(b), false)
	socket.close(b)
	check.eq("an unknown id", socket.block(b), false)
end

function case.one_reader()
	local a, b = pair.open()
	local job = pair.background(socket.readline, b)
	skynet.sleep(1)
	check.fails("a second reader", "another coroutine waits", socket.read, b, 1)
	socket.write(a, "for the first\n")
	pair.finished(job)
	check.eq("the first is not disturbed", job[1], "for the first")
	close(a, b)
end

-- Going away

-- A reader that is killed takes nothing, and hinders nobody.
function case.killed_reader()
	local a, b = pair.open()
	local function kill(f, ...)
		local co = skynet.fork(f, b, ...)
		skynet.sleep(1)
		check.eq("killed", skynet.killthread(co), co)
	end
	local function both(name, f, ...)
		kill(f, ...)
		local got
		local arguments = table.pack(...)
		skynet.fork(function() got = f(b, table.unpack(arguments)) end)
		skynet.sleep(1)
		socket.write(a, name .. "\n")
		check.ok(name, check.wait(function() return got end))
		return got
	end
	check.eq("a line", both("line", socket.readline), "line")
	check.eq("bytes", both("bytes", socket.read, 6), "bytes\n")
	check.eq("whatever comes", both("some", socket.read), "some\n")
	-- What comes before there is another one waits for it.
	kill(socket.readline)
	socket.write(a, "one\ntwo\n")
	skynet.sleep(2)
	check.eq("the first line", socket.readline(b), "one")
	check.eq("and the second", socket.readline(b), "two")
	-- Too much for nobody stops it.
	kill(socket.read, 1 << 30)
	socket.write(a, ("x"):rep(1 << 20))
	check.ok("it is paused", check.wait(function()
		for _, info in ipairs(socket.netstat()) do
			if info.id == b then return info.reading == false end
		end
	end))
	check.eq("and goes on", #socket.read(b, 1 << 20), 1 << 20)
	-- Closing does not wait for it, whether it is killed before or after.
	kill(socket.readline)
	socket.close(b)
	check.ok("closed", socket.invalid(b))
	socket.close(a)
	a, b = pair.open()
	local co = skynet.fork(socket.readline, b)
	skynet.yield()
	local closed
	skynet.fork(function() socket.close(b) closed = true end)
	skynet.fork(skynet.killthread, co)
	check.ok("closed after that", check.wait(function() return closed end))
	socket.close(a)
end

function case.close()
	local a, b = pair.open()
	local job = pair.background(socket.readline, a)
	skynet.sleep(1)
	socket.close(a)
	check.eq("the reader was woken before", { job.done, job[1], job[2] }, { true, false, "" })
	check.eq("gone", { socket.invalid(a), socket.disconnected(a) }, { true, nil })
	check.returns("close again", {}, socket.close, a)
	check.eq("a write fails", socket.write(a, "x"), false)
	check.eq("a low write too", socket.lwrite(a, "x"), false)
	check.eq("the peer sees the end", { socket.read(b) }, { false, "" })
	check.eq("disconnected", { socket.disconnected(b), socket.invalid(b) }, { true, false })
	socket.close(b)
	check.eq("nothing is left in the engine", { pair.stat(a), pair.stat(b) }, {})
end

-- The reader is given data and comes again, while another coroutine closes.
function case.close_while_data_comes()
	local a, b = pair.open()
	local lines = 0
	local job = pair.background(function()
		while socket.readline(b) do
			lines = lines + 1
		end
		return "ended"
	end)
	local writer = pair.background(function()
		while socket.write(a, "line\n") do
			skynet.yield()
		end
	end)
	check.wait(function() return lines > 10 end)
	socket.close(b)
	check.ok("the reader ends", pair.finished(job))
	check.eq("as it should", { job.ok, job[1] }, { true, "ended" })
	socket.close(a)
	check.ok("the writer too", pair.finished(writer))
end

-- close sends what is queued, shutdown does not.
function case.close_flushes()
	local a, b = pair.open()
	socket.pause(b)
	local text = ("x"):rep(32 * 1024 * 1024)
	socket.write(a, text)
	check.ok("more than the system takes at once", driver.pending(a) > 0)
	local closing = pair.background(socket.close, a)
	check.eq("all of it arrives", #socket.readall(b), #text)
	check.ok("closed", pair.finished(closing))
	socket.close(b)
end

function case.shutdown()
	local a, b = pair.open()
	socket.pause(b)
	local closed = 0
	socket.onclose(a, function(id)
		closed = id
	end)
	socket.write(a, ("x"):rep(32 * 1024 * 1024))
	socket.shutdown(a)
	check.ok("its end is told", check.wait(function() return closed == a end))
	check.eq("it is known until it is closed", { socket.invalid(a), socket.disconnected(a) }, { false, true })
	check.eq("a write fails", socket.write(a, "x"), false)
	socket.close(a)
	check.eq("unknown now", socket.invalid(a), true)
	check.returns("of an unknown id", {}, socket.shutdown, a)
	local rest = socket.readall(b)
	check.ok("queued output is discarded", not rest or #rest < 32 * 1024 * 1024)
	socket.close(b)
end

function case.peer_closes()
	local a, b = pair.open()
	local told = {}
	socket.onclose(b, function(id)
		told[#told + 1] = id
	end)
	socket.write(a, "last words")
	socket.close(a)
	check.wait(function() return #told > 0 end)
	check.eq("disconnected", socket.disconnected(b), true)
	check.eq("data is still there", socket.read(b, 10), "last words")
	check.eq("the first write goes through", socket.write(b, "into the void"), true)
	check.ok("later ones do not", check.wait(function() return not socket.write(b, "x") end))
	socket.close(b)
	skynet.sleep(2)
	check.eq("told once", told, { b })
end

function case.own_close_is_told()
	local a, b = pair.open()
	local told = 0
	socket.onclose(a, function()
		told = told + 1
	end)
	socket.close(a)
	check.eq("by the time close returns", told, 1)
	socket.close(b)
	check.eq("once", told, 1)
end

function case.ids_are_not_reused()
	local seen, port, listener = {}, pair.server(function(id)
		socket.start(id)
		socket.readall(id)
		socket.close(id)
	end)
	for i = 1, 200 do
		local id = assert(socket.open("127.0.0.1", port))
		check.ok("id " .. i, not seen[id] and id > 0)
		seen[id] = true
		socket.close(id)
	end
	socket.close(listener)
end

function case.listener_closed()
	local port, listener = pair.server(function() end)
	local told
	socket.onclose(listener, function(id)
		told = id
	end)
	socket.close(listener)
	check.eq("told", told, listener)
	check.returns("nobody listens", { nil, "Connection refused", n = 2 }, socket.open, "127.0.0.1", port)
end

-- Moving between services

function role.keeper()
	local reader
	check.serve {
		take = function(id)
			assert(socket.start(id))
			return socket.readline(id)
		end,
		serve = function()
			return (pair.server(function(id)
				socket.start(id)
				while true do
					socket.write(id, socket.readline(id) .. "\n")
				end
			end))
		end,
		give = function(id)
			socket.abandon(id)
		end,
		open_and_exit = function(port)
			for _ = 1, 3 do
				assert(socket.open("127.0.0.1", port))
			end
			skynet.fork(skynet.exit)
		end,
		open_and_wait = function(port)
			assert(socket.open("127.0.0.1", port))
		end,
		read = function(id)
			reader = pair.background(socket.readline, id)
		end,
		read_result = function()
			pair.finished(reader)
			return reader[1], reader[2]
		end,
		write = function(id, text)
			return socket.write(id, text)
		end,
	}
end

function case.abandon()
	local keeper = check.spawn "keeper"
	local a, b = pair.open()
	local told = false
	socket.onclose(b, function()
		told = true
	end)
	local job = pair.background(socket.readline, b)
	skynet.sleep(1)
	socket.abandon(b)
	check.ok("the reader is woken", pair.finished(job))
	check.eq("with nothing", { job[1], job[2] }, { false, "" })
	check.eq("forgotten", socket.invalid(b), true)
	socket.write(a, "for the new owner\n")
	-- The engine goes on reading: what comes before the new owner has started is dropped with a line in the log.
	skynet.sleep(5)
	local line = pair.background(skynet.call, keeper, "lua", "take", b)
	skynet.sleep(5)
	socket.write(a, "now\n")
	pair.finished(line)
	check.eq("another service has it", line[1], "now")
	check.eq("this one may write to it still", socket.write(b, "from the old owner\n"), true)
	check.eq("received", socket.readline(a), "from the old owner")
	skynet.call(keeper, "lua", "read", b)
	socket.close(a)
	check.eq("the new owner sees the end", { skynet.call(keeper, "lua", "read_result") }, { false, "" })
	check.eq("the old one is not told", told, false)
	skynet.call(keeper, "lua", "give", b)
	socket.close_fd(b)
	check.ok("gone", check.wait(function() return not pair.stat(b) end))
end

-- An accepted socket can be started by any service.
-- What a service has accepted ends with it, and so does its listener.
function case.killed_owner()
	local keeper = check.spawn "keeper"
	local port = skynet.call(keeper, "lua", "serve")
	local ids = {}
	for n = 1, 3 do
		ids[n] = assert(socket.open("127.0.0.1", port))
		socket.write(ids[n], "hello\n")
		check.eq("it is served", socket.readline(ids[n]), "hello")
	end
	skynet.kill(keeper)
	for n = 1, 3 do
		check.eq("closed", { socket.readline(ids[n]) }, { false, "" })
		socket.close(ids[n])
	end
	check.ok("nobody listens", check.wait(function()
		local id = socket.open("127.0.0.1", port)
		if id then
			socket.close(id)
		end
		return not id
	end))
	local sockets = socket.netstat()
	check.eq("nothing is left", #sockets, 0)
end

-- A service may hand a socket over, and end before the next one has started it.
function case.hand_over_and_exit()
	local first, second = check.spawn "keeper", check.spawn "keeper"
	local a, b, listener = pair.unstarted()
	socket.write(a, "early\n")
	check.eq("the first has it", skynet.call(first, "lua", "take", b), "early")
	skynet.call(first, "lua", "give", b)
	skynet.kill(first)
	-- What comes before the engine knows of the end is lost with the first one.
	local owner = pair.stat(b).address
	check.ok("nobody has it", check.wait(function() return pair.stat(b).address ~= owner end))
	socket.write(a, "late\n")
	skynet.sleep(5)
	check.eq("the second gets what came between", skynet.call(second, "lua", "take", b), "late")
	skynet.kill(second)
	check.eq("it ends with that one", { socket.readline(a) }, { false, "" })
	close(a, listener)
end

function case.hand_over()
	local keeper = check.spawn "keeper"
	local a, b, listener = pair.unstarted()
	socket.write(a, "early\n")
	check.eq("nothing is lost", skynet.call(keeper, "lua", "take", b), "early")
	check.eq("writing needs no ownership", skynet.call(keeper, "lua", "write", a, "to a\n"), true)
	skynet.call(keeper, "lua", "read", b)
	check.eq("it was a", skynet.call(keeper, "lua", "read_result"), "to a")
	close(a, listener)
end

-- The sockets of a service end with it, however it ends.
function case.death()
	local ends = 0
	local port, listener = pair.server(function(id)
		socket.start(id)
		if socket.read(id) == false then
			ends = ends + 1
		end
		socket.close(id)
	end)
	local keeper = check.spawn "keeper"
	skynet.call(keeper, "lua", "open_and_exit", port)
	check.ok("exit", check.wait(function() return ends == 3 end), ends)
	keeper = check.spawn "keeper"
	skynet.call(keeper, "lua", "open_and_wait", port)
	skynet.kill(keeper)
	check.ok("kill", check.wait(function() return ends == 4 end), ends)
	socket.close(listener)
end

-- Writing

function case.write_kinds()
	local a, b = pair.open()
	socket.write(a, "text ")
	socket.write(a, 12)
	socket.write(a, { " list", " of ", 3, "\n" })
	socket.write(a, driver.str2p "block\n")
	check.eq("strings, numbers, lists", socket.readline(b), "text 12 list of 3")
	check.eq("blocks", socket.readline(b), "block")
	check.eq("nothing", { socket.write(a, ""), socket.write(a, {}) }, { true, true })
	check.fails("a boolean", "string expected, got boolean", socket.write, a, true)
	check.fails("a list with a table", "", socket.write, a, { "x", {} })
	socket.write(a, "binary\0\255\n")
	check.eq("any bytes", socket.readline(b), "binary\0\255")
	close(a, b)
end

-- Many writes that do not fit: each class keeps its order, and no item is split.
function case.priorities()
	local a, b = pair.open()
	socket.pause(b)
	local filler = ("."):rep(32 * 1024 * 1024) .. "\n"
	socket.write(a, filler)
	local body = ("x"):rep(1000)
	for i = 1, 500 do
		socket.lwrite(a, ("low %d %s\n"):format(i, body))
		socket.write(a, ("high %d %s\n"):format(i, body))
	end
	check.eq("the filler", #socket.readline(b), #filler - 1)
	local next_of = { low = 1, high = 1 }
	local last
	for _ = 1, 1000 do
		local class, n, text = socket.readline(b):match "^(%a+) (%d+) (x+)$"
		if not class or tonumber(n) ~= next_of[class] or #text ~= 1000 then
			return check.ok("whole lines in their order", false, tostring(class) .. tostring(n))
		end
		next_of[class] = next_of[class] + 1
		last = class
	end
	check.eq("all came", next_of, { low = 501, high = 501 })
	check.eq("low ones came last", last, "low")
	close(a, b)
end

function case.pending_and_cap()
	local a, b = pair.open()
	check.eq("nothing waits", socket.pending(a), 0)
	socket.pause(b)
	socket.write(a, ("x"):rep(32 * 1024 * 1024))
	local waiting = socket.pending(a)
	check.ok("some waits", waiting > 0 and waiting < 32 * 1024 * 1024, waiting)
	check.eq("an unknown id", socket.pending(987654), nil)
	check.ok("all is read", socket.read(b, 32 * 1024 * 1024))
	check.ok("nothing waits again", check.wait(function() return socket.pending(a) == 0 end))
	socket.writelimit(a, 1024 * 1024)
	socket.pause(b)
	for _ = 1, 64 do
		socket.write(a, ("x"):rep(256 * 1024))
	end
	check.ok("beyond the cap it is closed", check.wait(function() return socket.disconnected(a) end))
	check.eq("a write fails", socket.write(a, "x"), false)
	close(a, b)
end

function case.warning()
	local a, b = pair.open()
	socket.pause(b) -- nothing is read until the system's buffers are full
	local seen = {}
	socket.warning(a, function(id, kb)
		seen[#seen + 1] = { id, kb }
	end)
	for _ = 1, 40 do
		socket.lwrite(a, ("x"):rep(1024 * 1024))
	end
	check.ok("warned", check.wait(function() return #seen >= 2 end), #seen)
	local at_least = 1024
	for i, w in ipairs(seen) do
		check.ok("warning " .. i, w[1] == a and w[2] >= at_least, w[2])
		at_least = at_least * 2
	end
	check.ok("all is read", socket.read(b, 40 * 1024 * 1024))
	check.ok("then it is over", check.wait(function() return seen[#seen][2] == 0 end))
	close(a, b)
end

function case.warning_by_default()
	local a, b = pair.open()
	socket.pause(b)
	socket.lwrite(a, ("x"):rep(16 * 1024 * 1024))
	check.ok("all is read", socket.read(b, 16 * 1024 * 1024))
	check.ok("nothing waits", check.wait(function() return socket.pending(a) == 0 end))
	skynet.sleep(5)
	close(a, b)
end

-- Flow

function case.flow()
	local a, b = pair.open()
	local size = 64 * 1024 * 1024
	socket.write(a, ("f"):rep(size))
	skynet.sleep(20)
	check.ok("a sender has to wait", socket.pending(a) > 0)
	check.eq("all comes in the end", #(socket.read(b, size) or ""), size)
	close(a, b)
end

function case.pause()
	local a, b = pair.open()
	socket.pause(b)
	socket.write(a, "later\n")
	skynet.sleep(5)
	check.eq("not read", pair.stat(b).read, 0)
	check.eq("reading resumes it", socket.readline(b), "later")
	close(a, b)
end

function case.limit()
	local a, b = pair.open()
	socket.limit(b, 1000)
	socket.write(a, ("a"):rep(900))
	check.eq("below the limit", #socket.read(b, 900), 900)
	socket.write(a, ("b"):rep(5000))
	check.eq("a read of a number of bytes may be larger", #(socket.read(b, 5000) or ""), 5000)
	local job = pair.background(socket.readline, b)
	skynet.sleep(1)
	socket.write(a, ("c"):rep(2000))
	check.ok("beyond it", pair.finished(job))
	check.eq("the connection ends", { job[1], #job[2] }, { false, 2000 })
	check.eq("at both ends", { socket.read(a) }, { false, "" })
	close(a, b)
	check.fails("of an unknown id", "assertion failed", socket.limit, b, 1)
end

-- What is known

function case.states()
	local a, b = pair.open()
	check.eq("open", { socket.invalid(a), socket.disconnected(a) }, { false, false })
	check.eq("unknown", { socket.invalid(987654), socket.disconnected(987654) }, { true, nil })
	check.eq("header", { socket.header "\1", socket.header "\1\2", socket.header "\1\2\3", socket.header "\255\255\255\255" },
		{ 1, 258, 66051, 4294967295 })
	close(a, b)
end

function case.header_of_bad_text()
	check.fails("nothing", "Invalid read", socket.header, "")
	check.fails("too much", "Invalid read", socket.header, "12345")
end

function case.netstat()
	local port, listener = pair.server(function(id)
		socket.start(id)
		socket.write(id, "hello")
	end)
	local id = socket.open("127.0.0.1", port)
	socket.read(id, 5)
	local l = pair.stat(listener)
	check.eq("listener", { l.type, l.address, l.accept, l.sock },
		{ "LISTEN", skynet.self(), 1, "127.0.0.1:" .. port })
	local s = pair.stat(id)
	check.eq("connection", { s.type, s.address, s.read, s.write, s.wbuffer, s.reading, s.writing, s.peer },
		{ "TCP", skynet.self(), 5, 0, 0, true, false, "127.0.0.1:" .. port })
	check.ok("times", s.rtime <= skynet.now() and math.type(s.wtime) == "integer", s.rtime)
	close(id, listener)
	check.eq("gone", pair.stat(id), nil)
end

function case.resolve()
	local list = socket.resolve "localhost"
	check.ok("localhost", #list > 0 and (list[1] == "127.0.0.1" or list[1] == "::1"), check.show(list))
	check.fails("no such name", "Name or service not known", socket.resolve, "no-such-host.invalid")
end

-- The names of the modules without "skynet.".
function case.old_names()
	package.path = package.path .. ";" .. (skynet.getenv "compat" or "")
	check.eq("socket", require "compat10.socket", socket)
	check.eq("socketdriver", require "compat10.socketdriver", driver)
	check.eq("socketchannel", require "compat10.socketchannel", require "skynet.socketchannel")
	check.eq("netpack", require "compat10.netpack", require "skynet.netpack")
end

-- Standard input as a socket; the lines come from the test.
function case.stdin()
	local id = assert(socket.stdin())
	skynet.error "ready for lines"
	check.eq("a line", socket.readline(id), "first line")
	check.eq("another", socket.readline(id), "second line")
	check.returns("the end", { false, "no line end" }, socket.readline, id)
	socket.close(id)
end

-- The parts of the driver that skynet.socket is made of.
function case.buffer()
	local buffer, nodes = driver.buffer(), {}
	check.returns("empty", { nil, 0, n = 2 }, driver.pop, buffer, nodes, 1)
	local function push(text)
		return driver.push(buffer, nodes, driver.str2p(text))
	end
	check.eq("push", { push "abc", push "def\r", push "\nrest" }, { 3, 7, 12 })
	check.returns("of two blocks", { "abcd", 8 }, driver.pop, buffer, nodes, 4)
	check.returns("too much", { nil, 8, n = 2 }, driver.pop, buffer, nodes, 9)
	check.returns("nothing", { nil, 8, n = 2 }, driver.pop, buffer, nodes, 0)
	check.eq("only a look", driver.readline(buffer, nil, "\r\n"), true)
	check.eq("a line over two blocks", driver.readline(buffer, nodes, "\r\n"), "ef")
	check.returns("no line", {}, driver.readline, buffer, nodes, "\r\n")
	check.eq("everything", driver.readall(buffer, nodes), "rest")
	check.eq("nothing left", driver.readall(buffer, nodes), "")
	push "x"
	driver.clear(buffer, nodes)
	check.eq("cleared", driver.readall(buffer, nodes), "")
	driver.clear(nil, nodes)
	local block, size = driver.str2p "x"
	check.fails("no buffer", "need buffer object at param 1", driver.push, nil, nodes, block, size)
	driver.drop(block, size)
	check.fails("no block", "need message block at param 3", driver.push, buffer, nodes, nil, 1)
end

-- Lines in pieces of every length, against the obvious.
function case.buffer_random()
	local buffer, nodes = driver.buffer(), {}
	local model, bad = "", 0
	for i = 1, 5000 do
		local what = math.random(4)
		if what <= 2 then
			local text = {}
			for j = 1, math.random(0, 12) do
				text[j] = ("ab\r\n"):sub(math.random(4)):sub(1, 1)
			end
			text = table.concat(text)
			if #text > 0 then
				model = model .. text
				bad = bad + (driver.push(buffer, nodes, driver.str2p(text)) == #model and 0 or 1)
			end
		elseif what == 3 then
			local n = math.random(0, 10)
			local got, left = driver.pop(buffer, nodes, n)
			local want
			if n > 0 and n <= #model then
				want, model = model:sub(1, n), model:sub(n + 1)
			end
			bad = bad + (got == want and left == #model and 0 or 1)
		else
			local from, to = model:find("\r\n", 1, true)
			local want
			if from then
				want, model = model:sub(1, from - 1), model:sub(to + 1)
			end
			bad = bad + (driver.readline(buffer, nodes, "\r\n") == want and 0 or 1)
		end
		if bad > 0 then
			return check.ok("step " .. i, false, "differs from the model")
		end
	end
	check.eq("the rest", driver.readall(buffer, nodes), model)
end

return check.main(role, case, ...)
