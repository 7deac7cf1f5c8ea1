-- What name servers have said, for as long as it is good. An entry whose time is over stays until its place is wanted:
-- it is better than nothing when no server answers.

local skynet = require "skynet"

local MOST <const> = 4096 -- entries of a cache
local LONGEST <const> = 7 * 24 * 3600 -- seconds; nobody may keep a name for longer

local Cache = {}
Cache.__index = Cache

function Cache.new()
	return setmetatable({ entries = {}, count = 0 }, Cache)
end

-- Makes room: what is old goes, or else everything.
function Cache:trim()
	local now, left = skynet.now(), {}
	local count = 0
	for key, entry in pairs(self.entries) do
		if entry.ends > now then
			left[key] = entry
			count = count + 1
		end
	end
	if count > MOST // 2 then
		left, count = {}, 0
	end
	self.entries, self.count = left, count
end

-- `value` is valid for so many seconds; false: the name is known to have no addresses.
function Cache:put(key, value, seconds)
	if not self.entries[key] then
		if self.count >= MOST then
			self:trim()
		end
		self.count = self.count + 1
	end
	self.entries[key] = { value = value, ends = skynet.now() + math.min(seconds, LONGEST) * 100 }
end

-- nil, if nothing is known, or it is not valid any more.
function Cache:get(key)
	local entry = self.entries[key]
	if entry and entry.ends > skynet.now() then
		return entry.value
	end
end

-- The same, also if it is not valid any more.
function Cache:get_old(key)
	local entry = self.entries[key]
	return entry and entry.value
end

return Cache
