-- Text: log lines, chat filters, templates, splitting of commands.
local n = tonumber((...)) or 800

local bad = { "damn", "heck", "gosh" }
local function filter(line)
	for _, word in ipairs(bad) do
		line = line:gsub(word, function(w) return ("*"):rep(#w) end)
	end
	return line
end

local function split(line)
	local out = {}
	for word in line:gmatch("%S+") do
		out[#out + 1] = word
	end
	return out
end

local template = "Dear $name, you have $count new $what since $when."
local function fill(values)
	return (template:gsub("%$(%w+)", values))
end

local sum = 0
for i = 1, n do
	local line = string.format("[%08x] %s: %-12s|%6.2f|%5d", i, "chat", "player" .. i % 50, i / 7, i * 31 % 9973)
	local said = filter("oh " .. (i % 3 == 0 and "damn" or "well") .. ", this is line " .. i .. ", gosh")
	local words = split("/give " .. i .. " sword to player" .. i % 50)
	local letter = fill { name = words[5], count = i % 9, what = "messages", when = "day " .. i % 30 }
	local key, value = ("score=" .. i):match("^(%w+)=(%d+)$")
	sum = sum + #line + #said + #words + #letter + tonumber(value) + #key:upper()
	if line:find("player7", 1, true) then
		sum = sum + 1
	end
	sum = sum + #table.concat({ line:sub(1, 10), said:lower(), words[2] }, ",")
end
print(sum)
