-- A gate, a watchdog that starts an agent for each client, and two clients.
--
--     cargo run --release -- run examples/gate
--
-- prints (the lines of the two clients may be mixed)
--
--     anna: welcome, anna
--     anna: 3 letters: one
--     bert: welcome, bert
--     bert: 5 letters: three
--     watchdog: 2 clients came and went
--
-- and ends. watchdog.lua owns the gate, agent.lua serves one client, client.lua is a program that talks to the gate.

local skynet = require "skynet"
require "skynet.manager"

skynet.start(function()
	local watchdog = skynet.newservice "watchdog"
	local ip, port = skynet.call(watchdog, "lua", "start", { address = "127.0.0.1", port = 0, nodelay = true })

	local clients = skynet.request()
	clients:add { skynet.newservice("client", "anna"), "lua", ip, port, "one" }
	clients:add { skynet.newservice("client", "bert"), "lua", ip, port, "three" }
	for _, answer in clients:select() do
		assert(answer, "a client has failed; the log tells why")
	end
	skynet.call(watchdog, "lua", "until_gone", 2)
	print "watchdog: 2 clients came and went"
	skynet.abort()
end)
