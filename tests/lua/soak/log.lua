-- The log of the soak test: only what the actors do on purpose may be logged.
local skynet = require "skynet"

local expected = { "as told", "Maybe forgot response session", "^KILL ", "^LAUNCH ", "overload", "mailbox", "^error: Mailbox full" }
local lines = 0

skynet.register_protocol {
	name = "text",
	id = skynet.PTYPE_TEXT,
	unpack = skynet.tostring,
	dispatch = function(_, source, text)
		lines = lines + 1
		for _, pattern in ipairs(expected) do
			if text:find(pattern) then
				return
			end
		end
		io.stdout:write(("FAIL log of :%08x: %s\n"):format(source, text))
		io.stdout:flush()
	end,
}

skynet.dispatch("lua", function()
	skynet.retpack(lines)
end)

skynet.start(function() end)
