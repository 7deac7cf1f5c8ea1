-- Names and links of a network with a master. All of it is the business of `.cslave`.

local skynet = require "skynet"
local patient = require "skynet.patient"

local CSLAVE <const> = ".cslave"

-- A function that returns when something has happened to the network.
local function until_told(command)
	return function(...)
		patient(CSLAVE, "lua", command, ...)
	end
end

return {
	link = until_told "LINK",
	connect = until_told "CONNECT",
	linkmaster = until_told "LINKMASTER",

	queryname = function(name)
		return skynet.call(CSLAVE, "lua", "QUERYNAME", name)
	end,

	globalname = function(name, handle)
		skynet.send(CSLAVE, "lua", "REGISTER", name, handle or skynet.self())
	end,
}
