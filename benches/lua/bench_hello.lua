-- A web server like the one on hyper in benches/peers/src/bin/http.rs: it says what it was asked. The environment
-- variable BENCH_PORT is its port.
local skynet = require "skynet"
local server = require "skynet.http.server"

local header <const> = { ["content-type"] = "text/plain" }

skynet.start(function()
	server.listen {
		address = "127.0.0.1",
		port = tonumber(os.getenv "BENCH_PORT"),
		handler = function(request)
			return 200, ("%s %s %d"):format(request.method, request.url, #request:body()), header
		end,
	}
end)
