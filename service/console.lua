-- Starts services by the lines of standard input: "name args", or "snax name args". Failures are in the log.

local skynet = require "skynet"
local core = require "skynet.core"
local queue = require "skynet.queue"

local function run(line)
	local snax = line:match "^%s*snax%s+(.*)"
	if not snax then
		return skynet.newservice(line)
	end
	local words = {}
	for word in snax:gmatch "%S+" do
		words[#words + 1] = word
	end
	return require("skynet.snax").newservice(table.unpack(words))
end

local in_turn = queue() -- a service has started before the next one begins

skynet.register_protocol {
	id = skynet.PTYPE_TEXT,
	name = "text",
	unpack = skynet.tostring,
	dispatch = function(_, _, line)
		if line and line:find "%S" then
			in_turn(pcall, run, line)
		end
	end,
}

skynet.start(core.stdin)
