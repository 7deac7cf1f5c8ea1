-- Both sides of the recorded cluster traffic. The Rust side writes the cases as vectors_cluster_wire.lua, plays the
-- other node, and says on standard input what to do.
local skynet = require "skynet"
require "skynet.manager"
local cluster = require "skynet.cluster"
local socket = require "skynet.socket"
local check = require "check"
local ledger = require "ledger"
local recorded = require "recorded"

local role, case = {}, {}

-- The service behind the listener.
function role.echo()
	local command, pushes, last = {}, 0, nil

	function command.ECHO(...)
		return ...
	end

	function command.ERR(text)
		error(text, 0)
	end

	function command.BIG(n)
		return ("B"):rep(n)
	end

	function command.LEN(text)
		return #text
	end

	function command.NIL() end

	function command.PUSH(v)
		pushes, last = pushes + 1, v
	end

	function command.COUNT()
		return pushes, last
	end

	function command.RESET()
		pushes, last = 0, nil
		return "reset"
	end

	function command.SLEEP(n, ...)
		skynet.sleep(n)
		return ...
	end

	-- Counts as PUSH does, after n/100 s, and answers.
	function command.LATER(n, v)
		skynet.sleep(n)
		command.PUSH(v)
	end

	-- Handles no other message until somebody says so.
	function command.BLOCK()
		skynet.setenv("blocked", "true")
		while not skynet.getenv "unblocked" do end
	end

	-- A global name.
	function command.NAME(name)
		skynet.name(name, skynet.self())
	end

	-- Reads the files of the cluster again.
	function command.RELOAD()
		cluster.reload()
	end

	-- What is known of the node that is connected.
	function command.PEER()
		local peer = cluster.peers()[1]
		return peer.node, peer.by, peer.proved, peer.rx > 0 and peer.tx > 0, peer.since <= skynet.time() + 1
	end

	-- What a service sees of a key of the config.
	function command.GETENV(key)
		return skynet.getenv(key)
	end

	-- Numbers that have to come in their order.
	local expected, wrong = 1, 0
	function command.NEXT(n)
		if n ~= expected then
			wrong = wrong + 1
		end
		expected = n + 1
	end

	function command.ORDER()
		local e, w = expected, wrong
		expected, wrong = 1, 0
		return e, w
	end

	skynet.start(function()
		skynet.dispatch("lua", function(session, source, name, ...)
			if name == "WHO" then
				skynet.retpack(cluster.caller(source))
			elseif session == 0 then
				command[name](...)
			else
				skynet.retpack(command[name](...))
			end
		end)
	end)
end

function role.control()
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, name)
			if name == "UNBLOCK" then
				skynet.setenv("unblocked", "true")
			end
			skynet.retpack(skynet.getenv "blocked")
		end)
	end)
end

-- Only what listens is left of this node's sockets.
local function only_listeners()
	for _, entry in ipairs(socket.netstat()) do
		if entry.type ~= "LISTEN" then
			return false
		end
	end
	return true
end

function case.server()
	local echo = check.spawn "echo"
	skynet.name(".echo", echo)
	cluster.register("echo", echo)
	cluster.register("control", check.spawn "control")
	local _, port = cluster.open(tonumber(skynet.getenv "port" or 0), tonumber(skynet.getenv "max"))
	check.emit("HANDLE ", tostring(echo))
	check.emit("PORT ", tostring(port))
	local id = socket.stdin()
	check.eq("told to stop", socket.readline(id), "stop")
	socket.close(id)
	check.ok("no connection is left", check.wait(only_listeners), check.show(socket.netstat()))
end

-- One recorded call; its results are compared.
local function one(v, i, proxy)
	local name = ("%s call %d"):format(v.name, i)
	local call = v.calls[i]
	local address, args = recorded.value(call.address), recorded.values(call.args)
	if call.op == "send" then
		if v.name:find "trace" then
			skynet.trace()
		end
		check.returns(name, {}, cluster.send, v.node, address, table.unpack(args, 1, args.n))
		return
	end
	if v.name:find "trace" then
		skynet.trace()
	end
	local got
	if proxy then
		got = table.pack(pcall(skynet.call, proxy, "lua", table.unpack(args, 1, args.n)))
	elseif call.op == "query" then
		got = table.pack(pcall(cluster.query, v.node, args[1]))
	else
		got = table.pack(pcall(cluster.call, v.node, address, table.unpack(args, 1, args.n)))
	end
	if call.error then
		local want = call.error:gsub("%s*%(line:.*$", "")
		local text = tostring(got[2])
		local good = not got[1] and text:find(want, 1, true)
		if want == "call failed" then
			good = good and text:sub(-#want) == want
		end
		check.ok(name, good, text)
		return
	end
	check.ok(name, got[1], tostring(got[2]))
	local want = recorded.values(call.results)
	check.eq(name .. " number of results", got.n - 1, want.n)
	for k = 1, want.n do
		local same = check.same(got[k + 1], want[k])
		check.ok(("%s result %d"):format(name, k), same, same or check.show(got[k + 1]):sub(1, 200))
	end
end

local command = {}

-- Calls on one connection are made at once, in their order; those behind a break have to wait for it.
function command.run(name, port)
	local v
	for _, entry in ipairs(require "vectors_cluster_wire") do
		v = entry.name == name and entry or v
	end
	cluster.reload { [v.node] = "127.0.0.1:" .. port }
	local proxy = name == "wire-proxy-number" and cluster.proxy(v.node, tostring(recorded.value(v.calls[1].address)))
	local ended = 0
	for i = 1, #v.calls do
		if #v.connections > 1 then
			one(v, i, proxy)
			ended = ended + 1
		else
			skynet.fork(function()
				one(v, i, proxy)
				ended = ended + 1
			end)
		end
	end
	check.ok(name .. " ends", check.wait(function() return ended == #v.calls end), ended)
	check.emit("DID ", name)
end

function command.drop(name)
	for _, v in ipairs(require "vectors_cluster_wire") do
		if v.name == name then
			cluster.reload { [v.node] = false }
		end
	end
	check.emit("DROPPED ", name)
end

function case.client()
	local id = socket.stdin()
	while true do
		local line = assert(socket.readline(id))
		local what, name, port = line:match "^(%w+) ?(%S*) ?(%d*)$"
		if what == "stop" then
			break
		end
		skynet.fork(command[what], name, port)
	end
	socket.close(id)
	ledger.empty()
end

return check.main(role, case, ...)
