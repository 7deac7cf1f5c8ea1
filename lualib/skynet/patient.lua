-- A call that may take as long as it likes, whatever the key `calltimeout` says: for what waits until something happens.

local skynet = require "skynet"

local LONGEST <const> = 0x7fffffff -- centiseconds

return function(...)
	return skynet.timeoutcall(LONGEST, ...)
end
