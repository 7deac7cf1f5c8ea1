-- Prints what skynet.getenv says of the keys that the config key `show` lists.
local skynet = require "skynet.manager"

skynet.start(function()
	for key in skynet.getenv "show":gmatch "%S+" do
		local value = skynet.getenv(key)
		io.stdout:write(("%s=%s\n"):format(key, value and "<" .. value .. ">" or "nil"))
	end
	io.stdout:flush()
	skynet.abort()
end)
