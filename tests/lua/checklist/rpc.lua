-- A client speaks sproto to an agent behind a gate, as applications do it: the watchdog starts an agent for each client
-- and forwards what comes to it; requests have answers, errors and answers that are late, and the agent asks as well.
local skynet = require "skynet"
local sproto = require "sproto"
local check = require "check"

local role, case = {}, {}

local PACKAGE <const> = [[
.package {
	type 0 : integer
	session 1 : integer
}
]]

local TO_SERVER <const> = sproto.parse(PACKAGE .. [[
.item { id 0 : integer  count 1 : integer }
bag 1 {
	request { name 0 : string }
	response { owner 0 : string  items 1 : *item }
}
slow 2 {
	request { ticks 0 : integer }
	response { ticks 0 : integer }
}
say 3 { request { text 0 : string } }
quit 4 {}
]])

local TO_CLIENT <const> = sproto.parse(PACKAGE .. [[
heartbeat 1 {}
ready 2 {
	request { level 0 : integer }
	response { ok 0 : boolean }
}
]])

function role.agent()
	local socket = require "skynet.socket"
	local host = TO_SERVER:host "package"
	local request = host:attach(TO_CLIENT)
	local client, said, ready
	local handler = {}

	local function send(package)
		socket.write(client, string.pack(">s2", package))
	end

	function handler.bag(args)
		return { owner = args.name, items = { { id = 7, count = 1 }, { id = 8, count = 20 } } }
	end

	function handler.slow(args)
		skynet.sleep(args.ticks)
		return { ticks = args.ticks }
	end

	function handler.say(args)
		said[#said + 1] = args.text
	end

	function handler.quit()
		skynet.call(".watchdog", "lua", "kick", client)
	end

	skynet.register_protocol {
		name = "client",
		id = skynet.PTYPE_CLIENT,
		unpack = function(msg, size) return host:dispatch(msg, size) end,
		dispatch = function(fd, _, kind, ...)
			assert(fd == client)
			skynet.ignoreret()
			if kind == "REQUEST" then
				local name, args, respond = ...
				local result = handler[name](args)
				if respond then
					send(respond(result))
				end
			else
				local session, args = ...
				ready = { session, args.ok }
			end
		end,
	}

	local command = {}
	function command.start(gate, fd)
		client, said = fd, {}
		skynet.call(gate, "lua", "forward", fd)
		send(request("heartbeat"))
		send(request("ready", { level = 3 }, 99))
	end
	function command.seen() return said, ready end
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, name, ...) skynet.retpack(command[name](...)) end)
	end)
end

function role.watchdog()
	local gate
	local agents, told = {}, {}
	local event = {}
	function event.open(fd)
		agents[fd] = skynet.newservice(SERVICE_NAME, "agent")
		skynet.call(agents[fd], "lua", "start", gate, fd)
	end
	function event.close(fd) told[#told + 1] = "close" agents[fd] = nil end
	function event.error(fd) told[#told + 1] = "error" agents[fd] = nil end
	function event.warning() end
	function event.data() told[#told + 1] = "data" end

	local command = {}
	function command.start(conf) return skynet.call(gate, "lua", "open", conf) end
	function command.kick(fd) skynet.call(gate, "lua", "kick", fd) end
	function command.agents()
		local list = {}
		for _, agent in pairs(agents) do
			list[#list + 1] = agent
		end
		return list, told
	end
	skynet.start(function()
		require "skynet.manager"
		skynet.register ".watchdog"
		skynet.dispatch("lua", function(session, _, name, what, ...)
			if name == "socket" then
				event[what](...)
			else
				skynet.retpack(command[name](what, ...))
			end
		end)
		gate = skynet.newservice "gate"
	end)
end

-- A client of its own: packages, by the schemas from its side.
local function open(port)
	local socket = require "skynet.socket"
	local host = TO_CLIENT:host "package"
	local request = host:attach(TO_SERVER)
	local id = assert(socket.open("127.0.0.1", port))
	local client = { id = id }
	function client.send(name, args, session)
		socket.write(id, string.pack(">s2", request(name, args, session)))
	end
	function client.respond(text) socket.write(id, string.pack(">s2", text)) end
	function client.raw(text) socket.write(id, string.pack(">s2", text)) end
	function client.receive()
		local head = socket.read(id, 2)
		if head then
			return host:dispatch(socket.read(id, (string.unpack(">I2", head))))
		end
	end
	function client.close() socket.close(id) end
	return client
end

function case.sproto_rpc()
	local watchdog = skynet.newservice(SERVICE_NAME, "watchdog")
	local conf = { address = "127.0.0.1", port = 0, maxclient = 8, nodelay = true }
	local _, port = skynet.call(watchdog, "lua", "start", conf)
	local client = open(port)
	check.returns("a request without an answer", { "REQUEST", "heartbeat", n = 5 }, client.receive)
	local kind, name, args, respond = client.receive()
	check.eq("a request of the agent", { kind, name, args.level }, { "REQUEST", "ready", 3 })
	client.respond(respond { ok = true })

	client.send("bag", { name = "somebody" }, 1)
	local answer = { client.receive() }
	check.eq("an answer", answer,
		{ "RESPONSE", 1, { owner = "somebody", items = { { id = 7, count = 1 }, { id = 8, count = 20 } } } })
	client.send("say", { text = "one" })
	client.send("slow", { ticks = 20 }, 2)
	client.send("slow", { ticks = 0 }, 3)
	client.send("say", { text = "two" })
	check.returns("the quick one", { "RESPONSE", 3, { ticks = 0 }, n = 4 }, client.receive)
	check.returns("the slow one", { "RESPONSE", 2, { ticks = 20 }, n = 4 }, client.receive)
	local agents = skynet.call(watchdog, "lua", "agents")
	check.eq("one agent", #agents, 1)
	check.returns("what it has seen", { { "one", "two" }, { 99, true } }, skynet.call, agents[1], "lua", "seen")

	-- What is no package costs a log line, and nobody else anything.
	client.raw "\xff\xff\xff"
	client.raw ""
	client.send("bag", { name = "still there" }, 4)
	check.eq("it goes on", select(3, client.receive()).owner, "still there")

	local other = open(port)
	other.receive()
	other.receive()
	other.send("bag", { name = "another" }, 1)
	check.eq("a second client has its own agent", select(3, other.receive()).owner, "another")
	check.eq("two agents", #skynet.call(watchdog, "lua", "agents"), 2)
	client.send("quit", nil)
	check.eq("it is kicked", client.receive(), nil)
	check.ok("its agent is forgotten", check.wait(function() return #skynet.call(watchdog, "lua", "agents") == 1 end))
	other.close()
	check.ok("all are gone", check.wait(function() return #skynet.call(watchdog, "lua", "agents") == 0 end))
	check.eq("the watchdog got no data", select(2, skynet.call(watchdog, "lua", "agents")), { "close", "close" })
	client.close()
end

return check.main(role, case, ...)
