-- For patches.
local count = 0
local label = "old"
local hidden = 0

local function bump(n)
	hidden = hidden + n
	return hidden
end

do
	local twice = 1
	function response.first()
		return twice
	end
end

do
	local twice = 2
	function response.second()
		return twice
	end
end

shared = "global"

function response.count()
	return count, label
end

function accept.add(n)
	count = count + n
end

function response.bump()
	return bump(1)
end

function response.global()
	return shared
end

function response.global_of(name)
	return _ENV[name]
end

function exit()
	print("the old exit")
end
