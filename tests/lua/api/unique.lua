-- A service that tests start as a singleton: it tells which argument it was started with.
local check = require "check"

local given = ...

check.serve {
	argument = function()
		return given
	end,
}
