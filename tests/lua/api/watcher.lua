-- An exit monitor for tests: counts the deaths that it is told of, and tells those who want to hear of one of them.
local skynet = require "skynet"
local check = require "check"

local deaths, interested = {}, {}

local function died(_, who)
	deaths[who] = (deaths[who] or 0) + 1
	local list = interested[who] or {}
	interested[who] = nil
	for _, to in ipairs(list) do
		skynet.redirect(to, who, "error", 0, "")
	end
end

skynet.register_protocol { id = skynet.PTYPE_CLIENT, name = "client", dispatch = died, unpack = function() end }

check.serve {
	seen = function()
		return deaths
	end,
	watch = function(who, to)
		local list = interested[who] or {}
		interested[who] = list
		list[#list + 1] = to
	end,
}
