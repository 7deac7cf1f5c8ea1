-- Area of interest: players walk over a grid of cells, and hear of who comes near them and who leaves.
local n = tonumber((...)) or 40
local floor, abs = math.floor, math.abs

local SIZE, CELL = 400, 20
local grid = {}

local function cell(x, y)
	return floor(x / CELL) * 1000 + floor(y / CELL)
end

local function enter(p, key)
	local c = grid[key]
	if not c then
		c = {}
		grid[key] = c
	end
	c[p.id] = p
	p.cell = key
end

local function leave(p)
	grid[p.cell][p.id] = nil
end

local entered, left = 0, 0
local function look(p)
	local seen = {}
	local key = p.cell
	for dx = -1000, 1000, 1000 do
		for dy = -1, 1 do
			local c = grid[key + dx + dy]
			if c then
				for id, other in pairs(c) do
					if other ~= p and abs(other.x - p.x) <= CELL and abs(other.y - p.y) <= CELL then
						seen[id] = true
						if not p.seen[id] then
							entered = entered + 1
						end
					end
				end
			end
		end
	end
	for id in pairs(p.seen) do
		if not seen[id] then
			left = left + 1
		end
	end
	p.seen = seen
end

local seed = 42
local function random(limit)
	seed = seed * 16807 % 2147483647
	return seed % limit
end

local players = {}
for i = 1, 150 do
	local p = { id = i, x = random(SIZE), y = random(SIZE), seen = {} }
	players[i] = p
	enter(p, cell(p.x, p.y))
end
for _ = 1, n do
	for _, p in ipairs(players) do
		p.x = math.max(0, math.min(SIZE - 1, p.x + random(11) - 5))
		p.y = math.max(0, math.min(SIZE - 1, p.y + random(11) - 5))
		local key = cell(p.x, p.y)
		if key ~= p.cell then
			leave(p)
			enter(p, key)
		end
	end
	for _, p in ipairs(players) do
		look(p)
	end
end
print(entered, left)
