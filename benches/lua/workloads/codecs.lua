-- Formats and ciphers: native functions that programs call all the time, each for itself. What is called is what skynet
-- (C) has as well.
local measure = require "measure"
local now, optional = measure.now, measure.optional

local W = {}

-- Calls f(...) n times; how many calls a second that is.
local function rate(n, f, ...)
	local began = now()
	for _ = 1, n do f(...) end
	return n / (now() - began)
end

-- What a game keeps of a player: some 1.6 KB.
local function player()
	local bag = {}
	for i = 1, 20 do
		bag[i] = { id = 1000 + i, count = i * 3, bound = i % 2 == 0, attr = { hp = i * 10, atk = i * 1.5 } }
	end
	return {
		_id = "player10000123", name = "somebody", level = 37, exp = 123456.5, online = true, guild = "the guild",
		pos = { x = 12.25, y = 0.5, scene = "town" }, bag = bag,
	}
end

-- A document there and back.
function W.bson(name, n)
	local bson = optional "bson"
	local document = player()
	local encoded = bson.encode(document)
	local began = now()
	local encode = rate(n, bson.encode, document)
	local decode = rate(n, bson.decode, encoded)
	local took = now() - began
	local again = bson.decode(encoded)
	assert(again.bag[20].attr.atk == 30 and again.pos.scene == "town" and again.online == true)
	measure.result(name, n, took, ("encode=%.1f decode=%.1f"):format(encode, decode))
end

-- Each function with what the login protocol gives it; those that take a text, with 64 bytes and with 4 KiB.
function W.crypt(name, n)
	local crypt = optional "skynet.crypt"
	local md5 = optional "md5.core"
	local key, other = "8 bytes.", "8 others"
	local results, calls = {}, 0
	local began = now()
	local function measured(what, count, f, ...)
		results[#results + 1] = ("%s=%.1f"):format(what, rate(count, f, ...))
		calls = calls + count
	end
	local function of_text(what, f, make)
		measured(what .. "_64", n, f, make(("x"):rep(64)))
		measured(what .. "_4k", n // 16 + 1, f, make(("x"):rep(4096)))
	end
	local function text(x) return x end
	measured("randomkey", n, crypt.randomkey)
	measured("dhexchange", n, crypt.dhexchange, key)
	measured("dhsecret", n, crypt.dhsecret, key, other)
	measured("hmac64", n, crypt.hmac64, key, other)
	measured("hmac64_md5", n, crypt.hmac64_md5, key, other)
	of_text("hmac_hash", crypt.hmac_hash, function(x) return key, x end)
	of_text("hashkey", crypt.hashkey, text)
	of_text("sha1", crypt.sha1, text)
	of_text("hmac_sha1", crypt.hmac_sha1, function(x) return key, x end)
	of_text("md5", md5.sum, text)
	of_text("desencode", crypt.desencode, function(x) return key, x end)
	of_text("desdecode", crypt.desdecode, function(x) return key, crypt.desencode(key, x) end)
	of_text("hexencode", crypt.hexencode, text)
	of_text("hexdecode", crypt.hexdecode, crypt.hexencode)
	of_text("base64encode", crypt.base64encode, text)
	of_text("base64decode", crypt.base64decode, crypt.base64encode)
	of_text("xor_str", crypt.xor_str, function(x) return x, key end)
	local took = now() - began
	assert(crypt.hexencode(crypt.sha1 "abc") == "a9993e364706816aba3e25717850c26c9cd0d89d")
	assert(crypt.desdecode(key, crypt.desencode(key, "text")) == "text")
	measure.result(name, calls, took, table.concat(results, " "))
end

return W
