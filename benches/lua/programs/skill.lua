-- Skills and buffs: closures as effects, events with listeners, modifiers that are summed up, cooldowns.
local n = tonumber((...)) or 4000

local Unit = {}
Unit.__index = Unit

local function unit(name)
	return setmetatable({
		name = name, hp = 1000, mp = 500,
		base = { attack = 50, defence = 20, speed = 10 },
		buffs = {}, cooldown = {}, listeners = {},
	}, Unit)
end

function Unit:stat(key)
	local add, mul = 0, 1
	for _, buff in ipairs(self.buffs) do
		add = add + (buff.add[key] or 0)
		mul = mul * (buff.mul[key] or 1)
	end
	return (self.base[key] + add) * mul
end

function Unit:on(event, f)
	local list = self.listeners[event] or {}
	self.listeners[event] = list
	table.insert(list, f)
end

function Unit:fire(event, ...)
	local list = self.listeners[event]
	if list then
		for _, f in ipairs(list) do
			f(self, ...)
		end
	end
end

function Unit:buff(name, ticks, add, mul)
	table.insert(self.buffs, { name = name, left = ticks, add = add or {}, mul = mul or {} })
end

function Unit:tick(now)
	for i = #self.buffs, 1, -1 do
		local buff = self.buffs[i]
		buff.left = buff.left - 1
		if buff.left <= 0 then
			table.remove(self.buffs, i)
			self:fire("expired", buff)
		end
	end
	for skill, ready in pairs(self.cooldown) do
		if ready <= now then
			self.cooldown[skill] = nil
		end
	end
end

local function damage(factor)
	return function(from, to)
		local points = math.max(1, from:stat("attack") * factor - to:stat("defence"))
		to.hp = to.hp - points
		to:fire("hurt", from, points)
	end
end

local function give(name, ticks, add, mul)
	return function(from)
		from:buff(name, ticks, add, mul)
	end
end

local skills = {
	{ id = "strike", wait = 2, effects = { damage(1) } },
	{ id = "slam", wait = 5, effects = { damage(1.5), give("weak", 3, { defence = -5 }) } },
	{ id = "rage", wait = 9, effects = { give("rage", 4, { attack = 10 }, { speed = 1.5 }) } },
	{ id = "guard", wait = 7, effects = { give("guard", 5, nil, { defence = 1.4 }) } },
}

local a, b = unit("a"), unit("b")
local hurts, expired, casts = 0, 0, 0
for _, u in ipairs { a, b } do
	u:on("hurt", function(self, _, points)
		hurts = hurts + 1
		self.mp = math.min(500, self.mp + points // 10)
	end)
	u:on("expired", function() expired = expired + 1 end)
end
for now = 1, n do
	for _, u in ipairs { a, b } do
		local target = u == a and b or a
		for _, skill in ipairs(skills) do
			if not u.cooldown[skill.id] then
				u.cooldown[skill.id] = now + skill.wait
				casts = casts + 1
				for _, effect in ipairs(skill.effects) do
					effect(u, target)
				end
				break
			end
		end
		u:tick(now)
		if u.hp <= 0 then
			u.hp = 1000
		end
	end
end
print(casts, hurts, expired, string.format("%.2f %.2f", a.hp, b.hp))
