-- Primes: an array of booleans.
local n = tonumber((...)) or 12
local count
for _ = 1, n do
	local flags = {}
	for i = 2, 8192 do
		flags[i] = true
	end
	count = 0
	for i = 2, 8192 do
		if flags[i] then
			count = count + 1
			for k = i + i, 8192, i do
				flags[k] = false
			end
		end
	end
end
print(count)
