-- The service that a node under measurement starts: runs the workload that the environment variable BENCH names, scaled
-- by N, and ends the node.
local skynet = require "skynet"
require "skynet.manager"
local measure = require "measure"

local name = assert(os.getenv "BENCH", "BENCH names the workload")
local n = assert(math.tointeger(tonumber(os.getenv "N")), "N scales the workload")

local function find()
	local groups <const> = {
		"messages", "coroutines", "services", "latency", "network", "web", "codecs", "databases", "sharing", "paths",
		"scaling",
	}
	for _, group in ipairs(groups) do
		local workload = require("workloads." .. group)[name]
		if workload then return workload end
	end
	error("no such workload: " .. name)
end

-- An error's text with a traceback; what `skip` raises is a table and passes as it is.
local function trace(err)
	if type(err) == "table" and err.skip then return err end
	return debug.traceback(tostring(err))
end

skynet.start(function()
	-- The launcher waits for the end of this function, so workloads that launch services run outside it.
	skynet.fork(function()
		local ok, err = xpcall(function() find()(name, n) end, trace)
		if not ok then
			if type(err) == "table" then
				measure.say("SKIPPED", name, err.skip)
			else
				-- One line, since the kit reads lines.
				measure.say("FAILED", name, (err:gsub("%s*\n%s*", " | ")))
			end
		end
		skynet.sleep(5)
		skynet.abort()
	end)
end)
