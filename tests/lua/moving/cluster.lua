-- Both ends of a cluster connection as Lua programs of skynet (C) write them, on top of the native module: what a team
-- has in its own installation, or has made of it. Each talks to the native services of this program.
local skynet = require "skynet"
local check = require "check"

local role, case = {}, {}

local LARGE <const> = ("0123456789"):rep(20000) -- of several parts

-- The end that is called: a gate whose handler takes requests apart, calls, and packs answers.
function role.agent(target)
	local gateserver = require "snax.gateserver"
	local core = require "skynet.cluster.core"
	local driver = require "skynet.socketdriver"
	local begun, handler, tags = {}, {}, {}
	target = tonumber(target)

	local function serve(fd, session, push, msg, sz)
		if push then
			return skynet.rawsend(target, "lua", msg, sz)
		end
		local ok, answer, size = pcall(skynet.rawcall, target, "lua", msg, sz)
		local frames = core.packresponse(session, ok, answer, size)
		if type(frames) == "string" then
			return driver.send(fd, frames)
		end
		for _, frame in ipairs(frames) do
			driver.lsend(fd, frame)
		end
	end

	function handler.connect(fd) gateserver.openclient(fd) end

	function handler.message(fd, frame, length)
		local address, session, msg, sz, more, push = core.unpackrequest(frame, length)
		skynet.trash(frame, length)
		if session == nil then
			tags[#tags + 1] = address
		elseif address and not more then
			assert(address == "@service" and core.isname(address))
			serve(fd, session, push, msg, sz)
		else
			local request = begun[session] or { push = push }
			core.append(request, msg, sz)
			begun[session] = more and request or nil
			if not more then
				serve(fd, session, request.push, core.concat(request))
			end
		end
	end

	function handler.disconnect(fd) gateserver.closeclient(fd) end

	function handler.open(_, conf) return conf.port end

	function handler.command(cmd) return cmd == "tags" and tags end

	gateserver.start(handler)
end

-- The end that calls: a socket channel in session mode.
function role.sender(port)
	local core = require "skynet.cluster.core"
	local socket = require "skynet.socket"
	local channel = require("skynet.socketchannel").channel {
		host = "127.0.0.1", port = tonumber(port), nodelay = true,
		response = function(sock)
			return core.unpackresponse(sock:read(socket.header(sock:read(2))))
		end,
	}
	local session = 1
	local function packed(pack, address, ...)
		local frame, following, parts = pack(address, session, skynet.pack(...))
		local this = session
		session = following
		return frame, this, parts
	end
	skynet.dispatch("lua", function(_, _, how, address, ...)
		if how == "push" then
			local frame, _, parts = packed(core.packpush, address, ...)
			channel:request(frame, nil, parts)
			return
		end
		if how == "traced" then
			channel:request(core.packtrace "tag-of-a-test")
		end
		local answer = channel:request(packed(core.packrequest, address, ...))
		if type(answer) == "table" then
			local msg, sz = core.concat(answer)
			answer = skynet.tostring(msg, sz)
			skynet.trash(msg, sz)
		end
		skynet.ret(answer)
	end)
	skynet.start(function() end)
end

function role.target()
	local got = {}
	skynet.dispatch("lua", function(session, _, what, ...)
		if session == 0 then
			got[#got + 1] = { what, #tostring((...)) }
		elseif what == "got" then
			skynet.retpack(got)
		elseif what == "fail" then
			error "the target fails"
		else
			skynet.retpack(what, ...)
		end
	end)
	skynet.start(function() end)
end

-- What goes through `call(how, ...)`, whose target is `target`.
local function talk(target, call, send)
	check.returns("a call", { "x", nil, 3.5, n = 3 }, call, "x", nil, 3.5)
	check.eq("a large one", { call("large", LARGE) }, { "large", LARGE })
	for i = 1, 20 do
		check.eq("many", call("number", i, (LARGE):sub(1, i * 3000)), "number")
	end
	local same = {}
	for i = 1, 10 do
		skynet.fork(function()
			local _, answer = call("at once", i)
			same[#same + 1] = answer == i
		end)
	end
	check.ok("at once", check.wait(function() return #same == 10 end))
	for _, good in ipairs(same) do check.ok("its own answer", good) end
	check.ok("a failure", not pcall(call, "fail"))
	send("small", "text")
	send("large", LARGE)
	check.ok("both come", check.wait(function() return #skynet.call(target, "lua", "got") == 2 end))
	check.eq("whole", skynet.call(target, "lua", "got"), { { "small", 4 }, { "large", #LARGE } })
end

function case.called()
	local cluster = require "skynet.cluster"
	local target = check.spawn "target"
	local agent = check.spawn("agent", target)
	local port = skynet.call(agent, "lua", "open", { address = "127.0.0.1", port = 0 })
	cluster.reload { old = "127.0.0.1:" .. port }
	talk(target, function(...) return cluster.call("old", "@service", ...) end,
		function(...) cluster.send("old", "@service", ...) end)
	skynet.trace()
	check.eq("traced", cluster.call("old", "@service", "traced"), "traced")
	local tags = skynet.call(agent, "lua", "tags")
	check.ok("its tag", #tags == 1 and tags[1]:find(require("skynet.cluster.core").nodename(), 1, true), tags[1])
end

function case.calls()
	local cluster = require "skynet.cluster"
	local target = check.spawn "target"
	cluster.register("service", target)
	local _, port = cluster.open(0)
	local sender = check.spawn("sender", port)
	talk(target, function(...) return skynet.call(sender, "lua", "call", "@service", ...) end,
		function(...) skynet.send(sender, "lua", "push", "@service", ...) end)
	check.eq("traced", skynet.call(sender, "lua", "traced", "@service", "traced"), "traced")
	check.eq("by number", skynet.call(sender, "lua", "call", target, "number"), "number")
	check.eq("a name", skynet.call(sender, "lua", "call", 0, "service"), target)
end

return check.main(role, case, ...)
