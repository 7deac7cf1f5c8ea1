-- Runs every recorded case through skynet.crypt and md5. The Rust side writes them as vectors_crypt.lua.
local crypt = require "skynet.crypt"
local md5 = require "md5"
local check = require "check"
local recorded = require "recorded"

local role, case, special = {}, {}, {}

-- Two private keys, their public keys, and the secret that each finds.
function special.dh_agreement(v)
	local bytes = recorded.bytes
	local a, b = bytes(v.private_a), bytes(v.private_b)
	local public_a, public_b = crypt.dhexchange(a), crypt.dhexchange(b)
	check.eq(v.name .. " public keys", { public_a, public_b }, { bytes(v.public_a), bytes(v.public_b) })
	check.eq(v.name .. " of a", crypt.dhsecret(public_b, a), bytes(v.secret_a))
	check.eq(v.name .. " of b", crypt.dhsecret(public_a, b), bytes(v.secret_b))
end

function special.padding(v)
	local want = {}
	for _, pair in ipairs(v.results) do
		want[recorded.value(pair[1])] = recorded.value(pair[2])
	end
	check.eq(v.name, crypt.padding, want)
end

local function run(v)
	if special[v.op] then
		return special[v.op](v)
	end
	local name = v.op:match "^md5%.(.*)"
	local f = name and md5[name] or crypt[v.op]
	local args = recorded.values(v.args)
	if v.error then
		-- An argument error names the function otherwise than the original does.
		local text = v.error:match "^bad argument #%d+ to '.-' (.*)" or v.error
		check.fails(v.name, text, f, table.unpack(args, 1, args.n))
		return
	end
	local want, got = recorded.values(v.results), table.pack(f(table.unpack(args, 1, args.n)))
	check.eq(v.name .. " number of results", got.n, want.n)
	for i = 1, want.n do
		check.eq(v.name, got[i], want[i])
	end
end

function case.all()
	for _, v in ipairs(require "vectors_crypt") do
		run(v)
	end
end

-- The native half of md5 and the other name of crypt.
function case.names()
	check.ok("md5 is md5.core", md5 == require "md5.core")
	check.eq("version", md5._VERSION, "MD5 1.2")
	local client = require "client.crypt"
	for name, value in pairs(crypt) do
		check.eq("client.crypt." .. name, client[name], value)
	end
end

-- Published examples, and some that were recorded one by one.
function case.published()
	local function hex(name, bytes, want)
		check.eq(name, crypt.hexencode(bytes), want)
	end
	hex("hashkey", crypt.hashkey "hello", "9930920fcbef1867")
	hex("hmac64", crypt.hmac64("abcdefgh", "12345678"), "fe3bcdd7a8bb7ce5")
	hex("hmac64_md5", crypt.hmac64_md5("abcdefgh", "12345678"), "b390b2dafc9e40da")
	hex("hmac_hash", crypt.hmac_hash("12345678", "hello"), "c7c836eeffbdd948")
	hex("sha1", crypt.sha1 "abc", "a9993e364706816aba3e25717850c26c9cd0d89d")
	hex("hmac_sha1", crypt.hmac_sha1("key", "msg"), "102900b72b7bf1031eec76b4804b66052376896b")
	hex("sha256", crypt.sha256 "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
	hex("sha512", crypt.sha512 "abc", "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
		.. "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f")
	-- RFC 4231, test case 2.
	local question = "what do ya want for nothing?"
	hex("hmac_sha256", crypt.hmac_sha256("Jefe", question),
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
	hex("hmac_sha512", crypt.hmac_sha512("Jefe", question),
		"164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
		.. "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737")
	hex("md5.sum", md5.sum "hello", "5d41402abc4b2a76b9719d911017c592")
	check.eq("md5.sumhexa", md5.sumhexa "", "d41d8cd98f00b204e9800998ecf8427e")
	check.eq("md5.hmacmd5", md5.hmacmd5(question, "Jefe"), "750c783e6ab0b503eaa86e310a5db738")
	hex("md5.exor", md5.exor("abc", "xyz"), "191b19")
end

-- Arguments: numbers are taken as their text; anything else is an error that names the argument.
function case.arguments()
	check.eq("a number", crypt.hexencode(12), "3132")
	check.fails("no argument", "bad argument #1 to 'skynet.crypt.sha1' (string expected, got no value)", crypt.sha1)
	check.fails("nil", "bad argument #1 to 'skynet.crypt.hexencode' (string expected, got nil)", crypt.hexencode, nil)
	check.fails("a table", "bad argument #2 to 'skynet.crypt.hmac_sha1' (string expected, got table)", crypt.hmac_sha1, "k", {})
	check.fails("key before padding", "Invalid key size 2, need 8 bytes", crypt.desencode, "ab", "text", 9)
	check.fails("padding", "bad argument #3 to 'skynet.crypt.desencode' (number expected, got string)", crypt.desencode, "12345678", "", "x")
	check.eq("padding nil", crypt.desdecode("12345678", crypt.desencode("12345678", "a", nil), crypt.padding.iso7816_4), "a")
	check.fails("too many", "a number of bytes from 0 to 1048576 expected", crypt.randombytes, 1 << 21)
	check.fails("fewer than none", "a number of bytes from 0 to 1048576 expected", crypt.randombytes, -1)
	check.fails("no such UUID", "4 or 7 expected", crypt.uuid, 1)
	check.fails("seed", "seed too long (> 16)", md5.crypt, "x", "k", ("s"):rep(17))
	check.fails("cipher", "invalid cyphered string", md5.decrypt, "\17abc", "k")
	check.fails("empty cipher", "invalid cyphered string", md5.decrypt, "", "k")
end

-- Random keys are 8 bytes whose XOR is not zero, and differ.
function case.random()
	local seen, n = {}, 0
	for _ = 1, 2000 do
		local key = crypt.randomkey()
		local all = 0
		for _, byte in ipairs { key:byte(1, -1) } do
			all = all ~ byte
		end
		if #key ~= 8 or all == 0 then
			check.ok("a key", false, crypt.hexencode(key))
		end
		n = n + (seen[key] and 0 or 1)
		seen[key] = true
	end
	check.eq("different keys", n, 2000)
	check.eq("random bytes", { #crypt.randombytes(0), #crypt.randombytes(1000) }, { 0, 1000 })
	check.ok("they differ", crypt.randombytes(16) ~= crypt.randombytes(16))
	check.ok("a UUID", crypt.uuid():find "^%x+%-%x+%-4%x+%-%x+%-%x+$" ~= nil)
	check.ok("in order", crypt.uuid(7) < crypt.uuid(7))
end

-- What one function makes the other one reads, for texts of all lengths.
function case.round_trips()
	local key = crypt.randomkey()
	local long = crypt.randombytes(32)
	for n = 0, 100 do
		local text = crypt.randombytes(n)
		for _, padding in pairs(crypt.padding) do
			check.ok("des", crypt.desdecode(key, crypt.desencode(key, text, padding), padding) == text)
		end
		check.ok("hex", crypt.hexdecode(crypt.hexencode(text)) == text)
		check.ok("base64", crypt.base64decode(crypt.base64encode(text)) == text)
		check.ok("xor", crypt.xor_str(crypt.xor_str(text, key), key) == text)
		check.ok("md5.crypt", md5.decrypt(md5.crypt(text, key), key) == text)
		check.ok("seal", crypt.open(long, crypt.seal(long, text, "user"), "user") == text)
	end
end

-- What was changed does not open, and says why.
function case.sealed()
	local key = crypt.sha256 "a passphrase of many words"
	local sealed = crypt.seal(key, "gold=10", "user 1")
	local text, why = crypt.open(key, sealed, "user 2")
	check.eq("another user", { text, why }, { nil, "cannot open: wrong key, nonce or associated data, or the text was changed" })
	check.eq("another text", (crypt.open(key, sealed:sub(1, -2), "user 1")), nil)
	check.eq("nothing", (crypt.open(key, "", "user 1")), nil)
	check.fails("a short key", "AES-256 key of 5 bytes, need 32", crypt.seal, "short", "text")
	check.ok("equal", crypt.equal("abc", "abc") and not crypt.equal("abc", "abd") and not crypt.equal("", "a"))
end

return check.main(role, case, ...)
