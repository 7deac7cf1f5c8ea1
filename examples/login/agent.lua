-- Serves one user.

local skynet = require "skynet"

local things = {}
local slow = 0

local request = {}

function request.put(key, value)
	things[key] = value
	return "kept"
end

function request.get(key)
	return things[key] or "nothing"
end

function request.slow()
	slow = slow + 1
	skynet.sleep(100)
	return slow == 1 and "done, once" or "done more than once"
end

local command = {}

function command.request(text)
	local words = {}
	for word in text:gmatch "%S+" do
		words[#words + 1] = word
	end
	local f = assert(request[words[1]], "no such request")
	return f(table.unpack(words, 2))
end

function command.stop()
	skynet.fork(skynet.exit)
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end)
