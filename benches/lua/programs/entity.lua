-- Entities of three classes, which inherit: moving, damage over time, states. Every tick calls the methods of all.
local n = tonumber((...)) or 300

local Entity = {}
Entity.__index = Entity

function Entity.new(class, id, x, y)
	return setmetatable({ id = id, x = x, y = y, vx = 1.5, vy = -0.5, hp = 100, alive = true, state = "idle" }, class)
end

function Entity:move(dt)
	local x, y = self.x + self.vx * dt, self.y + self.vy * dt
	if x < 0 or x > 1000 then
		self.vx = -self.vx
		x = self.x
	end
	if y < 0 or y > 1000 then
		self.vy = -self.vy
		y = self.y
	end
	self.x, self.y = x, y
end

function Entity:hurt(points)
	self.hp = self.hp - points
	if self.hp <= 0 then
		self.hp = 100
		self.state = "respawned"
		return true
	end
	return false
end

function Entity:update(dt)
	self:move(dt)
end

local Monster = setmetatable({}, { __index = Entity })
Monster.__index = Monster

function Monster:update(dt)
	Entity.update(self, dt)
	if self.state == "idle" then
		self.state = "chasing"
	elseif self.state == "chasing" and self.hp < 50 then
		self.state = "fleeing"
	elseif self.state == "respawned" then
		self.state = "idle"
	end
end

local Poisonous = setmetatable({}, { __index = Monster })
Poisonous.__index = Poisonous

function Poisonous:update(dt)
	Monster.update(self, dt)
	self.deaths = (self.deaths or 0) + (self:hurt(3) and 1 or 0)
end

local all = {}
for i = 1, 200 do
	local class = i % 3 == 0 and Entity or i % 3 == 1 and Monster or Poisonous
	all[i] = Entity.new(class, i, i * 4.5, 1000 - i * 4.5)
end
for _ = 1, n do
	for i = 1, #all do
		all[i]:update(0.1)
	end
end
local deaths, sum = 0, 0
for _, e in ipairs(all) do
	deaths = deaths + (e.deaths or 0)
	sum = sum + e.x + e.y
end
print(deaths, string.format("%.3f", sum))
