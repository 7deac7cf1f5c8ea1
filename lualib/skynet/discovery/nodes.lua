-- The nodes that are known, whoever tells of them, and what became of them.
--
-- A node that its source no longer has stays for the grace, so that a restart goes unnoticed: it is `leaving`. If the
-- connection to it is lost as well, it goes at once, but for the moment in which a restarted node exchanges its entry.
-- While a source cannot be asked, nothing changes here.
--
-- A node is { name =, address =, labels = {}, since =, draining =, incarnation = }.

local skynet = require "skynet"

local MOMENT <const> = 20 -- centiseconds

local Nodes = {}
Nodes.__index = Nodes

local nodes = {}

-- grace in centiseconds; changed(event, node): "up", "down", "change", "draining"
function nodes.new(grace, changed)
	return setmetatable({ grace = grace, changed = changed, present = {}, leaving = {}, broken = {} }, Nodes)
end

local function same_labels(a, b)
	for k, v in pairs(a) do
		if b[k] ~= v then
			return false
		end
	end
	for k in pairs(b) do
		if a[k] == nil then
			return false
		end
	end
	return true
end

local function same(a, b)
	return a.address == b.address
		and a.incarnation == b.incarnation
		and a.draining == b.draining
		and same_labels(a.labels, b.labels)
end

local function stop_leaving(self, name)
	local timer = self.leaving[name]
	if timer then
		timer:cancel()
		self.leaving[name] = nil
	end
end

-- The source has this node.
function Nodes:set(node)
	local old = self.present[node.name]
	stop_leaving(self, node.name)
	self.present[node.name] = node
	if not old then
		self.changed("up", node)
	elseif node.draining and not old.draining then
		self.changed("draining", node)
	elseif not same(old, node) then
		self.changed("change", node)
	end
end

local function remove(self, name)
	local node = self.present[name]
	stop_leaving(self, name)
	self.present[name], self.broken[name] = nil, nil
	self.changed("down", node)
end

local function leave(self, name)
	stop_leaving(self, name)
	local rest = self.broken[name] and math.min(MOMENT, self.grace) or self.grace
	self.leaving[name] = skynet.timer(rest * 10 // 1 | 0, function()
		self.leaving[name] = nil
		remove(self, name)
	end)
end

-- The source does not have it any more.
function Nodes:gone(name)
	if self.present[name] and not self.leaving[name] then
		leave(self, name)
	end
end

-- The source has these and no others.
function Nodes:replace(list)
	local there = {}
	for _, node in ipairs(list) do
		there[node.name] = true
		self:set(node)
	end
	for name in pairs(self.present) do
		if not there[name] then
			self:gone(name)
		end
	end
end

-- The connection to a node was made, or has ended.
function Nodes:linked(name, up)
	if not self.present[name] then
		return
	end
	self.broken[name] = not up or nil
	if not up and self.leaving[name] then
		leave(self, name)
	end
end

return nodes
