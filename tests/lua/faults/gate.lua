-- A gate whose clients are killed, or which is killed itself, and a crowd of clients.
local skynet = require "skynet"
local socket = require "skynet.socket"
local check = require "check"
local ledger = require "ledger"

local role, case = {}, {}

-- Answers each frame of its client with the same frame.
function role.agent(gate, fd)
	fd = tonumber(fd)
	skynet.register_protocol {
		name = "client",
		id = skynet.PTYPE_CLIENT,
		unpack = skynet.tostring,
		dispatch = function(_, _, text)
			skynet.ignoreret()
			socket.write(fd, string.pack(">s2", text))
		end,
	}
	skynet.dispatch("lua", function()
		skynet.exit()
	end)
	skynet.start(function()
		if tonumber(gate) then
			-- The client may have gone by now.
			pcall(skynet.call, tonumber(gate), "lua", "forward", fd)
		end
	end)
end

local CAP <const> = 512 * 1024

-- The books of a watchdog: opened(fd) and closed(fd) are told what the gate reports, and finish() accounts for every
-- client when a line has come on standard input. start(agent, fd) and let_go(fd) are what the gate has to be told.
local function watchdog(gate, start, let_go)
	local agents, opened, closed, alive, most = {}, 0, 0, 0, 0
	local self = {}

	function self.opened(fd)
		opened = opened + 1
		alive = alive + 1
		socket.writelimit(fd, CAP)
		agents[fd] = false
		local agent = check.spawn("agent", gate, fd)
		if agents[fd] == nil then
			alive = alive - 1
			skynet.kill(agent)
		else
			agents[fd] = agent
			start(agent, fd)
		end
	end

	function self.closed(fd)
		closed = closed + 1
		local agent = agents[fd]
		check.ok("one end of " .. fd, agent ~= nil)
		agents[fd] = nil
		let_go(fd)
		if agent then
			alive = alive - 1
			skynet.send(agent, "lua", "exit")
		end
	end

	function self.finish(close)
		local id = socket.stdin()
		skynet.fork(function()
			while not socket.invalid(id) do
				for _, entry in ipairs(socket.netstat()) do
					most = math.max(most, entry.wbuffer or 0)
				end
				skynet.sleep(1)
			end
		end)
		check.eq("told to stop", socket.readline(id), "stop")
		socket.close(id)
		check.ok("every client has gone", check.wait(function()
			return opened == closed and alive == 0 and next(agents) == nil
		end), ("%d opened, %d closed, %d agents"):format(opened, closed, alive))
		check.ok("there were some", opened > 0)
		check.ok("output waits under the cap", most <= CAP, most)
		close()
		check.emit(("BOOKS %d clients, at most %d bytes waited"):format(opened, most))
		ledger.empty()
		check.ok("no agent is left", check.wait(function()
			for _, name in pairs(skynet.call(".launcher", "lua", "LIST")) do
				if name:find("agent", 1, true) then
					return false
				end
			end
			return true
		end))
	end

	return self
end

-- The gate that is written in Lua.
function case.serve()
	local gate = skynet.newservice "gate"
	local dog = watchdog(gate, function() end, function(fd)
		skynet.call(gate, "lua", "kick", fd)
	end)
	local event = { open = dog.opened, close = dog.closed }

	function event.error() end -- the close comes too
	function event.warning() end

	skynet.dispatch("lua", function(_, _, _, name, ...)
		event[name](...)
	end)
	local _, port = skynet.call(gate, "lua", "open", {
		address = "127.0.0.1", port = tonumber(skynet.getenv "port"), maxclient = 1024, nodelay = true,
	})
	check.emit("PORT ", tostring(port))
	dog.finish(function()
		skynet.call(gate, "lua", "close")
	end)
end

-- The native one.
function case.native()
	local gate
	local function tell(...)
		skynet.send(gate, "text", string.format(...))
	end
	local dog = watchdog("native", function(agent, fd)
		tell("forward %d %s :0", fd, skynet.address(agent))
		tell("start %d", fd)
	end, function() end)
	skynet.register_protocol {
		name = "text",
		id = skynet.PTYPE_TEXT,
		pack = tostring,
		unpack = skynet.tostring,
		dispatch = function(_, _, text)
			local fd, what = text:match "^(%d+) (%a+)"
			dog[what == "open" and "opened" or "closed"](tonumber(fd))
		end,
	}
	local port = skynet.getenv "port"
	gate = skynet.launch("gate", "S", skynet.address(skynet.self()), "127.0.0.1:" .. port, 0, 1024)
	check.emit("PORT ", port)
	dog.finish(function()
		tell "close"
	end)
end

local function read_frame(id)
	local header = socket.read(id, 2)
	return header and socket.read(id, socket.header(header))
end

-- Sixty clients, each with one frame at a time on the way. A client whose connection breaks makes another one.
function case.crowd()
	local port = tonumber(skynet.getenv "peer")
	local connections = {}
	local books = ledger.new(300)
	local function request(number)
		local me = coroutine.running()
		local id = connections[me] or socket.open("127.0.0.1", port)
		if not id then
			return false
		end
		connections[me] = id
		socket.write(id, string.pack(">s2", number .. ("."):rep(number % 500)))
		local answer = read_frame(id)
		if not answer then
			socket.close(id)
			connections[me] = nil
			return false
		end
		return true, answer
	end
	books:load(60, request, function(number, answer)
		return answer == number .. ("."):rep(number % 500)
	end)
	books:close()
	for _, id in pairs(connections) do
		socket.close(id)
	end
	ledger.empty()
end

return check.main(role, case, ...)
