-- A leaderboard: sorting with a comparison function, ranks, inserting in order, the first of each guild.
local n = tonumber((...)) or 25

local seed = 99
local function random(limit)
	seed = seed * 16807 % 2147483647
	return seed % limit
end

local board = {}
for i = 1, 300 do
	board[i] = { id = i, score = random(5000), time = random(100), guild = "guild" .. random(12) }
end

local function better(a, b)
	if a.score ~= b.score then
		return a.score > b.score
	end
	if a.time ~= b.time then
		return a.time < b.time
	end
	return a.id < b.id
end

local function place(entry)
	local low, high = 1, #board + 1
	while low < high do
		local mid = (low + high) // 2
		if better(entry, board[mid]) then
			high = mid
		else
			low = mid + 1
		end
	end
	table.insert(board, low, entry)
	return low
end

local sum = 0
for round = 1, n do
	for i = 1, #board do
		board[i].score = (board[i].score + random(200)) % 5000
	end
	table.sort(board, better)
	local ranks, leaders = {}, {}
	for i, entry in ipairs(board) do
		ranks[entry.id] = i
		leaders[entry.guild] = leaders[entry.guild] or entry
	end
	for guild, entry in pairs(leaders) do
		sum = sum + ranks[entry.id] + #guild
	end
	for _ = 1, 20 do
		local entry = table.remove(board, random(#board) + 1)
		entry.score = random(5000)
		sum = sum + place(entry)
	end
	sum = sum + round
end
print(sum)
