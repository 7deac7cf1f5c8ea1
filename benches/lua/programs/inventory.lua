-- Bags of items: stacking, splitting, moving, looking for free slots, a total of weights and prices.
local n = tonumber((...)) or 1500

local goods = {}
for i = 1, 60 do
	local stack = i % 4 == 0 and 1 or 20 + i % 7
	goods[i] = { id = i, stack = stack, weight = i % 9 + 1, price = i * 3, kind = "kind" .. i % 5 }
end

local Bag = {}
Bag.__index = Bag

local function bag(slots)
	return setmetatable({ slots = slots, items = {}, weight = 0 }, Bag)
end

function Bag:put(id, count)
	local info = goods[id]
	for i = 1, self.slots do
		local item = self.items[i]
		if item and item.id == id and item.count < info.stack then
			local room = info.stack - item.count
			local some = count < room and count or room
			item.count = item.count + some
			self.weight = self.weight + some * info.weight
			count = count - some
			if count == 0 then
				return 0
			end
		end
	end
	for i = 1, self.slots do
		if not self.items[i] then
			local some = count < info.stack and count or info.stack
			self.items[i] = { id = id, count = some, bound = false }
			self.weight = self.weight + some * info.weight
			count = count - some
			if count == 0 then
				return 0
			end
		end
	end
	return count
end

function Bag:take(id, count)
	for i = self.slots, 1, -1 do
		local item = self.items[i]
		if item and item.id == id then
			local some = count < item.count and count or item.count
			item.count = item.count - some
			self.weight = self.weight - some * goods[id].weight
			count = count - some
			if item.count == 0 then
				self.items[i] = false
			end
			if count == 0 then
				return true
			end
		end
	end
	return false
end

function Bag:value()
	local sum, kinds = 0, {}
	for i = 1, self.slots do
		local item = self.items[i]
		if item then
			local info = goods[item.id]
			sum = sum + item.count * info.price
			kinds[info.kind] = (kinds[info.kind] or 0) + item.count
		end
	end
	return sum, kinds.kind3 or 0
end

local bags = {}
for i = 1, 8 do
	bags[i] = bag(40)
end
local lost, missing, worth = 0, 0, 0
for i = 1, n do
	local b = bags[i % #bags + 1]
	lost = lost + b:put(i * 7 % #goods + 1, i % 13 + 1)
	if not b:take(i * 11 % #goods + 1, i % 9 + 1) then
		missing = missing + 1
	end
	if i % 3 == 0 then
		local sum, some = b:value()
		worth = (worth + sum + some) % 1000003
	end
end
print(lost, missing, worth, bags[1].weight)
