-- JSON, BSON and the functions of skynet.crypt, one after the other, in `skynet lua`: no node, no messages.
--
--     skynet lua benches/lua/codecs.lua [CJSON.so]
--
-- With the library of lua-cjson, its figures stand beside ours. Each line is the best of five rounds of at least 0.1 s.
local clock = os.clock

-- Calls per second.
local function rate(f, ...)
	local n = 1
	local best = 0
	local rounds = 0
	while rounds < 5 do
		local from = clock()
		for _ = 1, n do f(...) end
		local took = clock() - from
		if took < 0.1 then
			n = n * (took < 0.01 and 8 or 2)
		else
			rounds = rounds + 1
			best = math.max(best, n / took)
		end
	end
	return best
end

local function line(name, value, unit, beside)
	local text = ("%-28s %12.1f %-8s"):format(name, value, unit)
	if beside then text = text .. (" cjson %12.1f  %.2f x"):format(beside, value / beside) end
	print(text)
end

local ours = require "skynet.json.core".cjson
local theirs
if arg[1] then
	local open = assert(package.loadlib(arg[1], "luaopen_cjson"))
	theirs = open()
end

-- What a game sends: a player with a bag; a list of floats; a long text; a table of words.
local player = { id = 10000123, name = "somebody", level = 37, exp = 123456.5, online = true, guild = "the guild", bag = {} }
for i = 1, 30 do player.bag[i] = { id = 1000 + i, count = i * 3, bound = i % 2 == 0, attr = { hp = i * 10, atk = i * 1.5 } } end
local floats = {}
for i = 1, 200 do floats[i] = i * 1.0123456789 end
local integers = {}
for i = 1, 200 do integers[i] = i * 7919 end
local texts = {}
for i = 1, 50 do texts[i] = ("A line of text that a player has written, number %d.\n"):format(i) end
local words = {}
for i = 1, 200 do words["word" .. i] = "meaning" .. i end

print "JSON, MB/s of text"
for _, document in ipairs { { "player", player }, { "floats", floats }, { "integers", integers }, { "texts", texts }, { "words", words } } do
	local name, value = document[1], document[2]
	local text = ours.encode(value)
	local mb = #text / 1e6
	line("encode " .. name, rate(ours.encode, value) * mb, "MB/s", theirs and rate(theirs.encode, value) * mb)
	line("decode " .. name, rate(ours.decode, text) * mb, "MB/s", theirs and rate(theirs.decode, text) * mb)
end
