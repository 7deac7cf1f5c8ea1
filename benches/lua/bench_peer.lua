-- The other side of most workloads: answers, counts, and drives others when told to.
local skynet = require "skynet"

local total, peer, home = 0, nil, nil
local C = {}

function C.echo(...) skynet.ret(skynet.pack(...)) end
function C.len(s) skynet.ret(skynet.pack(#s)) end

function C.count() total = total + 1 end
function C.reset()
	total = 0
	skynet.ret(skynet.pack(true))
end
function C.total() skynet.ret(skynet.pack(total)) end

function C.peer(p)
	peer = p
	skynet.ret(skynet.pack(true))
end
function C.drive(n)
	local last
	for i = 1, n do last = skynet.call(peer, "lua", "echo", i) end
	skynet.ret(skynet.pack(last))
end

-- Sends n messages to the sink; a call at times keeps its mailbox within bounds.
function C.flood(sink, n)
	for i = 1, n do
		skynet.send(sink, "lua", "count", i)
		if i % 2000 == 0 then skynet.call(sink, "lua", "echo", 0) end
	end
	skynet.ret(skynet.pack(true))
end

-- The member of a ring that has a home counts the rounds.
function C.home(h)
	home = h
	skynet.ret(skynet.pack(true))
end
function C.token(rounds, i)
	if home then
		rounds = rounds - 1
		if rounds == 0 then return skynet.send(home, "lua", "done", i) end
	end
	skynet.send(peer, "lua", "token", rounds, i + 1)
end

-- Waits for ever, to weigh the caller's pending calls.
function C.hold() skynet.wait() end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, cmd, ...) C[cmd](...) end)
end)
