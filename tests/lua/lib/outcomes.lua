-- Many calls at once, and what each of them has got.
local skynet = require "skynet"
local check = require "check"

local outcomes = {}

-- Runs f(1) ... f(count) at once; a list of what pcall has returned for each, as table.pack makes it. Each ends once.
function outcomes.at_once(count, f)
	local list, done = {}, 0
	for i = 1, count do
		list[i] = {}
		skynet.fork(function()
			table.insert(list[i], table.pack(pcall(f, i)))
			done = done + 1
		end)
	end
	check.ok("all calls end", check.wait(function()
		return done == count
	end))
	local once = true
	for i = 1, count do
		once = once and #list[i] == 1
		list[i] = list[i][1]
	end
	check.ok("each has one outcome", once)
	return list
end

-- Have all, from the given one on, failed with this error?
function outcomes.all(list, what, from)
	for i = from or 1, #list do
		if list[i][1] or list[i][2] ~= what then
			return false
		end
	end
	return true
end

return outcomes
