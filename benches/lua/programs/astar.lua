-- A* on a map with walls, with a binary heap.
local n = tonumber((...)) or 6
local W, H = 64, 64

local walls = {}
local seed = 7
for y = 0, H - 1 do
	for x = 0, W - 1 do
		seed = seed * 16807 % 2147483647
		walls[y * W + x] = seed % 100 < 25
	end
end

local function push(heap, node)
	local i = #heap + 1
	heap[i] = node
	while i > 1 do
		local up = i // 2
		if heap[up].f <= node.f then
			break
		end
		heap[i] = heap[up]
		heap[up] = node
		i = up
	end
end

local function pop(heap)
	local top, size = heap[1], #heap
	local node = heap[size]
	heap[size] = nil
	size = size - 1
	if size > 0 then
		local i = 1
		while true do
			local child = i * 2
			if child > size then
				break
			end
			if child < size and heap[child + 1].f < heap[child].f then
				child = child + 1
			end
			if node.f <= heap[child].f then
				break
			end
			heap[i] = heap[child]
			i = child
		end
		heap[i] = node
	end
	return top
end

local steps = { { 1, 0 }, { -1, 0 }, { 0, 1 }, { 0, -1 } }

local function path(sx, sy, tx, ty)
	local heap, best, closed = {}, {}, {}
	best[sy * W + sx] = 0
	push(heap, { x = sx, y = sy, g = 0, f = math.abs(tx - sx) + math.abs(ty - sy) })
	while #heap > 0 do
		local node = pop(heap)
		local key = node.y * W + node.x
		if node.x == tx and node.y == ty then
			return node
		end
		if not closed[key] then
			closed[key] = true
			for k = 1, #steps do
				local step = steps[k]
				local x, y = node.x + step[1], node.y + step[2]
				if x >= 0 and x < W and y >= 0 and y < H then
					local at = y * W + x
					local g = node.g + 1
					if not walls[at] and (not best[at] or g < best[at]) then
						best[at] = g
						push(heap, { x = x, y = y, g = g, f = g + math.abs(tx - x) + math.abs(ty - y), from = node })
					end
				end
			end
		end
	end
end

local found, length = 0, 0
for i = 1, n do
	local node = path(i % 10, i * 3 % 10, W - 1 - i % 9, H - 1 - i * 5 % 9)
	while node do
		found = found + (node.from and 0 or 1)
		length = length + 1
		node = node.from
	end
end
print(found, length)
