-- A singleton that writes its token into the file of the key `tokens`, again and again: first who it is, then each time
-- the token. `argument` is what it was started with.
local skynet = require "skynet"
local discovery = require "skynet.discovery"

local argument = ...

skynet.start(function()
	local token = discovery.token()
	skynet.dispatch("lua", function(_, _, cmd)
		if cmd == "die" then
			skynet.retpack(true)
			skynet.exit()
		end
		skynet.retpack(skynet.getenv "nodename", token, argument)
	end)
	skynet.fork(function()
		local file = assert(io.open(skynet.getenv "tokens", "a"))
		file:setvbuf "no"
		while true do
			file:write(("%d %s\n"):format(token, skynet.getenv "nodename"))
			skynet.sleep(5)
		end
	end)
end)
