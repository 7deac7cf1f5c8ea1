-- JSON and the functions of skynet.crypt, one after the other, in `skynet lua`: no node, no messages.
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

-- The functions of skynet.crypt: thousands of calls a second, with 64 bytes and with 4 KiB of text.
local crypt = require "skynet.crypt"
local md5 = require "md5"
local eight = "8 bytes."
local key = crypt.sha256 "key"
local functions = {
	{ "randomkey", crypt.randomkey }, { "dhexchange", crypt.dhexchange, eight }, { "dhsecret", crypt.dhsecret, eight, eight },
	{ "hashkey", crypt.hashkey, true }, { "hmac64", crypt.hmac64, eight, eight }, { "hmac64_md5", crypt.hmac64_md5, eight, eight },
	{ "hmac_hash", crypt.hmac_hash, eight, true }, { "desencode", crypt.desencode, eight, true }, { "sha1", crypt.sha1, true },
	{ "sha256", crypt.sha256, true }, { "sha512", crypt.sha512, true }, { "hmac_sha1", crypt.hmac_sha1, eight, true },
	{ "hmac_sha256", crypt.hmac_sha256, eight, true }, { "hexencode", crypt.hexencode, true }, { "base64encode", crypt.base64encode, true },
	{ "xor_str", crypt.xor_str, true, eight }, { "seal", crypt.seal, key, true }, { "uuid", crypt.uuid }, { "md5.sum", md5.sum, true },
}
print "skynet.crypt, thousands of calls/s"
for _, f in ipairs(functions) do
	local args = { table.unpack(f, 3) }
	local takes_text = false
	for i = 1, #args do takes_text = takes_text or args[i] == true end
	for _, size in ipairs(takes_text and { 64, 4096 } or { 0 }) do
		local given = {}
		for i = 1, #args do given[i] = args[i] == true and ("x"):rep(size) or args[i] end
		line(f[1] .. (size > 0 and " " .. size or ""), rate(f[2], table.unpack(given)) / 1000, "k/s")
	end
end
