-- Binary trees: many small tables that live for a short time.
local n = tonumber((...)) or 30
local function make(depth)
	if depth == 0 then
		return {}
	end
	return { make(depth - 1), make(depth - 1) }
end
local function count(tree)
	if tree[1] then
		return 1 + count(tree[1]) + count(tree[2])
	end
	return 1
end
local keep, sum = make(10), 0
for _ = 1, n do
	sum = sum + count(make(8))
end
print(sum, count(keep))
