-- What a supervisor decides when one of its children has ended. It knows nothing of services: children are ids, and
-- time is a number of milliseconds that the caller gives.

local policy = {}
policy.__index = policy

-- `settings` and the children's specs are as those of skynet.supervisor.spec.
function policy.new(settings, children)
	local self = setmetatable({ settings = settings, list = {}, failures = {} }, policy)
	for _, child in ipairs(children) do
		self:add(child)
	end
	return self
end

function policy:add(child)
	self.list[#self.list + 1] = { id = child.id, restart = child.restart, backoff = child.backoff, alive = false, row = 0 }
end

local function find(self, id)
	for at, child in ipairs(self.list) do
		if child.id == id then
			return child, at
		end
	end
end

function policy:remove(id)
	local _, at = find(self, id)
	if at then
		table.remove(self.list, at)
	end
end

function policy:started(id, now)
	local child = find(self, id)
	child.alive, child.since = true, now
end

-- It has been ended on purpose.
function policy:stopped(id)
	local child = find(self, id)
	if child then
		child.alive = false
	end
end

-- The ids of those that run, the last one first: the order in which they are ended.
function policy:running()
	local ids = {}
	for at = #self.list, 1, -1 do
		if self.list[at].alive then
			ids[#ids + 1] = self.list[at].id
		end
	end
	return ids
end

-- One more restart: are there too many within the period?
local function too_many(self, now)
	local recent = {}
	for _, time in ipairs(self.failures) do
		if now - time < self.settings.period * 1000 then
			recent[#recent + 1] = time
		end
	end
	recent[#recent + 1] = now
	self.failures = recent
	return #recent > self.settings.intensity
end

-- How long to wait before it is started again. Those who have lived for a period begin anew.
local function delay(self, child, now)
	if child.since and now - child.since >= self.settings.period * 1000 then
		child.row = 0
	end
	child.row = child.row + 1
	local steps = child.backoff or self.settings.backoff
	return steps[math.min(child.row, #steps)]
end

-- A child has ended by itself, or could not be started. Returns a table:
--   what = "leave": nothing is to be done; "forget": it is no child any more;
--   what = "restart": `stop` are the ids of those that have to be ended first, in this order; `forget` those of them
--     that are not started again; `start` are those to be started, in this order, after `delay` milliseconds;
--   what = "give up": there were more restarts than `intensity` in `period`.
function policy:ended(id, reason, now)
	local child, at = find(self, id)
	if not child then
		return { what = "leave" }
	end
	child.alive = false
	if child.restart == "temporary" then
		table.remove(self.list, at)
		return { what = "forget" }
	elseif child.restart == "transient" and reason == "exit" then
		return { what = "leave" }
	elseif too_many(self, now) then
		return { what = "give up" }
	end
	local first, last = at, at
	if self.settings.strategy == "one_for_all" then
		first, last = 1, #self.list
	elseif self.settings.strategy == "rest_for_one" then
		last = #self.list
	end
	local stop, start, forget, kept = {}, {}, {}, {}
	for n = last, first, -1 do
		if self.list[n].alive then
			stop[#stop + 1] = self.list[n].id
			self.list[n].alive = false
		end
	end
	for n, other in ipairs(self.list) do
		local affected = n >= first and n <= last
		if affected and other.restart == "temporary" then
			forget[#forget + 1] = other.id
		else
			kept[#kept + 1] = other
			if affected then
				start[#start + 1] = other.id
			end
		end
	end
	self.list = kept
	return { what = "restart", stop = stop, start = start, forget = forget, delay = delay(self, child, now) }
end

return policy
