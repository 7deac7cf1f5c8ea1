-- Sentences N of the semantics: calls to other nodes. The other node is this one.
local skynet = require "skynet"
local check = require "check"
local cluster = require "skynet.cluster"

local case, role = {}, {}
local NOBODY <const> = "127.0.0.1:1" -- nothing listens on port 1

local function start()
	local port = select(2, cluster.open(0))
	local address = "127.0.0.1:" .. port
	cluster.reload { self = address }
	cluster.register("service", check.spawn "service")
	return address
end

function role.service()
	local method, order, agent = {}, {}, nil
	function method.echo(...) return ... end
	function method.note(n) order[#order + 1] = n end
	function method.order() return order end
	function method.never() skynet.wait {} end
	function method.raise() error "no" end
	function method.hang_up() skynet.kill(agent) end
	skynet.dispatch("lua", function(session, source, name, ...)
		agent = source
		if session == 0 then
			method[name](...)
		else
			skynet.retpack(method[name](...))
		end
	end)
	skynet.start(function() end)
end

local function call(...)
	return cluster.call("self", "@service", ...)
end

function case.N1()
	local address = start()
	local ends = { [true] = 0, [false] = 0 }
	local function many(name)
		for _ = 1, 10 do
			skynet.fork(function()
				local ok = pcall(call, name)
				ends[ok] = ends[ok] + 1
			end)
		end
		check.wait(function() return #cluster.pending().self == 10 end)
	end
	local function failed(n)
		return check.wait(function() return ends[false] == n end)
	end
	check.eq("a result", call("echo", 1), 1)
	many "never"
	cluster.send("self", "@service", "hang_up")
	check.ok("the connection ends", failed(10))
	many "never"
	cluster.reload { self = NOBODY }
	check.ok("the address changes", failed(20))
	check.fails("no connection", "call failed", call, "echo")
	cluster.reload { self = address }
	check.ok("again", check.wait(function() return pcall(call, "echo") end))
	many "never"
	cluster.reload { self = false }
	check.ok("taken down", failed(30))
	skynet.sleep(2)
	check.eq("once each", ends, { [true] = 0, [false] = 30 })
end

function case.N2()
	start()
	for n = 1, 1000 do
		cluster.send("self", "@service", "note", n)
	end
	check.eq("a call after them", call("echo", "x"), "x")
	for n = 1001, 2000 do
		cluster.send("self", "@service", "note", n)
	end
	local order, sorted = call "order", {}
	for n = 1, 2000 do
		sorted[n] = n
	end
	check.eq("order", order, sorted)
end

function case.N3()
	start()
	check.fails("raises", "call failed", call, "raise")
	check.fails("unknown name", "call failed", cluster.call, "self", "@nobody")
	check.returns("says why", { false, "Invalid name", "remote" }, cluster.pcall, "self", "@nobody")
end

function case.N4()
	start()
	check.fails("its own", "call timeout", cluster.timeoutcall, 1, "self", "@service", "never")
	check.fails("the node's", "call timeout", call, "never")
	check.eq("the next", call("echo", 1), 1)
end

return check.main(role, case, ...)
