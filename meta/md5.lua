---@meta md5

---MD5, and a cipher made of it. MD5 is broken: use it where a protocol demands it, and skynet.crypt for anything new.
---@class md5
local md5 = {}

---The sum, 16 bytes.
---@param text string
---@return string
function md5.sum(text) end

---The sum, 32 lower-case digits.
---@param text string
---@return string
function md5.sumhexa(text) end

---HMAC with MD5, 32 lower-case digits. Mind the order of the arguments.
---@param data string
---@param key string
---@return string
function md5.hmacmd5(data, key) end

---The XOR of two strings of one length.
---@param a string
---@param b string
---@return string
function md5.exor(a, b) end

---Enciphers a text: the length of the seed, the seed, and as many bytes as the text has.
---@param text string
---@param key string at most 256 bytes
---@param seed string? at most 16 bytes; the time if not given
---@return string
function md5.crypt(text, key, seed) end

---Deciphers what `crypt` has made. Raises `invalid cyphered string` for what cannot be that.
---@param cipher string
---@param key string
---@return string
function md5.decrypt(cipher, key) end

return md5
