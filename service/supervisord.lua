-- The supervisor at the root of a node's tree, which the config key `supervise` names: a Lua file that returns a spec.

local skynet = require "skynet"
local supervisor = require "skynet.supervisor"
require "skynet.manager"

local path = skynet.getenv "supervise"

local function read_spec()
	local f <close> = assert(io.open(path, "rb"))
	local chunk = assert(load(f:read "a", "@" .. path))
	return (chunk())
end

-- Nobody is above it. A node that shall not live without its start service does not live without its tree either.
local function gave_up()
	if skynet.getenv "startfail" == "stop" then
		skynet.setenv("bootstrap_failed", "supervise = " .. path)
		skynet.abort()
	end
end

skynet.start(function()
	local ok, spec = pcall(read_spec)
	if not ok then
		error(("config key supervise: %s"):format(spec), 0)
	elseif type(spec) ~= "table" then
		error(("config key supervise: %s returns no table"):format(path), 0)
	end
	supervisor.start(spec, gave_up)
end)
