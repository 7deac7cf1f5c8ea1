---@meta skynet.crypt

---Hashes, ciphers and text encodings. Numbers of 64 bits are strings of 8 bytes, little-endian.
---
---The functions of skynet's login protocol (`randomkey` to `desdecode`) are what clients speak, and not secure by
---today's measure: use them under TLS. `seal`, `hmac_sha256` and the like are for new code. `client.crypt` is the same
---module.
---@class skynet.crypt
---@field padding { iso7816_4: integer, pkcs7: integer } The paddings of desencode: 0, the default, and 1.
local crypt = {}

---Eight random bytes: a challenge, or a private key of `dhexchange`.
---@return string
function crypt.randomkey() end

---A hash of 64 bits. It is quick and not a secure one.
---@param text string
---@return string
function crypt.hashkey(text) end

---The code of `y` under the key `x`, in 8 bytes. Raises `Invalid uint64 x` (or `y`) for other lengths.
---@param x string 8 bytes
---@param y string 8 bytes
---@return string
function crypt.hmac64(x, y) end

---As hmac64, but made of MD5 as it is published.
---@param x string 8 bytes
---@param y string 8 bytes
---@return string
function crypt.hmac64_md5(x, y) end

---The code of a text of any length: `hmac64(hashkey(text), key)`.
---@param key string 8 bytes
---@param text string
---@return string
function crypt.hmac_hash(key, text) end

---The public key of a private one. Raises `Can't be 0` for the key 0.
---@param private string 8 bytes
---@return string
function crypt.dhexchange(private) end

---The secret that two parties share, from the other's public key and one's own private key.
---@param public string 8 bytes
---@param private string 8 bytes
---@return string
function crypt.dhsecret(public, private) end

---DES in ECB mode. The result is 1 to 8 bytes longer.
---@param key string 8 bytes
---@param text string
---@param padding integer? see crypt.padding
---@return string
function crypt.desencode(key, text, padding) end

---Raises `Invalid des crypt text` if there is no padding at the end: a wrong key, or a damaged text.
---@param key string 8 bytes
---@param text string
---@param padding integer? see crypt.padding
---@return string
function crypt.desdecode(key, text, padding) end

---Two lower-case digits for each byte.
---@param bytes string
---@return string
function crypt.hexencode(bytes) end

---The bytes of lower-case hexadecimal text.
---@param text string
---@return string
function crypt.hexdecode(text) end

---Base64 with the standard alphabet and padding.
---@param bytes string
---@return string
function crypt.base64encode(bytes) end

---The bytes of base64 text. Other characters are passed over, but not behind the last four; padding may be missing.
---@param text string
---@return string
function crypt.base64decode(text) end

---20 bytes.
---@param text string
---@return string
function crypt.sha1(text) end

---32 bytes.
---@param text string
---@return string
function crypt.sha256(text) end

---64 bytes.
---@param text string
---@return string
function crypt.sha512(text) end

---HMAC with SHA-1, 20 bytes.
---@param key string
---@param text string
---@return string
function crypt.hmac_sha1(key, text) end

---HMAC with SHA-256, 32 bytes.
---@param key string
---@param text string
---@return string
function crypt.hmac_sha256(key, text) end

---HMAC with SHA-512, 64 bytes.
---@param key string
---@param text string
---@return string
function crypt.hmac_sha512(key, text) end

---The text with the key over it, which is repeated as often as needed. Raises `Can't xor empty string` for an empty
---key.
---@param text string
---@param key string
---@return string
function crypt.xor_str(text, key) end

---Bytes of the system's random generator.
---@param n integer 0 to 1048576
---@return string
function crypt.randombytes(n) end

---Are two strings equal? It takes the same time wherever they differ, so it tells an attacker nothing.
---@param a string
---@param b string
---@return boolean
function crypt.equal(a, b) end

---AES-256-GCM: a random nonce of 12 bytes, the enciphered text, a tag of 16 bytes. `data` is authenticated but not part
---of the result: the name of the user whom the text belongs to, for instance. Make no more than some billion with one
---key.
---@param key string 32 bytes
---@param text string
---@param data string?
---@return string
function crypt.seal(key, text, data) end

---The text that `seal` was given; nil and a text if key or data are other ones, or the sealed text was changed.
---@param key string 32 bytes
---@param sealed string
---@param data string?
---@return string?
---@return string? why
function crypt.open(key, sealed, data) end

---A UUID as text: version 4 is random; version 7 begins with the time, so those of one node sort as they were made.
---@param version integer? 4, the default, or 7
---@return string
function crypt.uuid(version) end

---An argon2id hash of a password, with a random salt, as a PHC string (`$argon2id$v=19$m=19456,t=2,p=1$…`), to be stored.
---Blocks: the work is done beside the workers, on at most four threads. Raises if 4096 already wait.
---@param password string up to 4096 bytes
---@param options { memory: integer?, passes: integer?, lanes: integer? }? memory in KiB, 19456 if not given, at most 262144; passes, 2 if not given; lanes, 1 if not given, at most 16. Memory times passes is at most 2097152
---@return string
function crypt.password_hash(password, options) end

---Is it the password of a PHC string of argon2? Blocks. Raises for a string that is none, or that asks for more memory or
---time than `password_hash` allows.
---@param password string
---@param phc string
---@return boolean
function crypt.password_verify(password, phc) end

return crypt
