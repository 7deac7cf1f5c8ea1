-- A login server, a message gate with an agent for each user, and clients.
--
--     cargo run --release -- run examples/login
--
-- prints
--
--     mallory logs in: 401 Unauthorized
--     anna logs in: 200
--     anna enters: 200 OK
--     put color green: kept
--     slow: the connection breaks before the answer comes
--     anna enters: 200 OK
--     slow: done, once
--     get color: green
--     an old handshake: 403 Index Expired
--     anna logs in: 200
--     the first connection is closed
--     anna enters: 200 OK
--     get color: nothing
--
-- and ends. logind.lua is the login server, gated.lua the gate, agent.lua serves one user; client.lua is what a user has,
-- a program of its own in real life.

local skynet = require "skynet"
require "skynet.manager"

skynet.start(function()
	local logind = skynet.newservice "logind"
	local gated = skynet.newservice("gated", logind)
	local gate = skynet.call(gated, "lua", "open", { address = "127.0.0.1", port = 0, servername = "sample" })
	local login = skynet.call(logind, "lua", "port")

	local client = skynet.newservice("client", login, gate)
	skynet.call(client, "lua", "login", "mallory", "a guess")
	skynet.call(client, "lua", "play", "anna", "secret of anna")
	skynet.abort()
end)
