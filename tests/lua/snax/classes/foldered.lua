-- Uses a module of its folder while it loads, and globals of its own.
local inside = require "inside"

local name = SERVICE_NAME
visible = "by the module"

function response.all()
	return inside.value, inside.seen(), name, accept == nil and response == nil, _ENV == _G
end
