-- A service that takes its time.

local skynet = require "skynet"

local command = {}

function command.nap(cs)
	skynet.sleep(cs)
end

function command.limit(n)
	skynet.mqlimit(n, "refuse")
end

-- Holds a worker, as a long computation would.
command["work until told"] = function()
	skynet.setenv("at_work", 1)
	while not skynet.getenv "told" do
	end
end

function command.nothing() end

skynet.start(function()
	skynet.dispatch("lua", function(session, _, name, ...)
		command[name](...)
		if session ~= 0 then
			skynet.retpack()
		end
	end)
end)
