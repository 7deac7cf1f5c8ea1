-- Logging in to MongoDB, and finding the primary of a replica set.

local skynet = require "skynet"
local crypt = require "skynet.crypt"
local md5 = require "md5"
local core = require "skynet.db.mongo.core"

local login = {}

local base64encode, base64decode, xor = crypt.base64encode, crypt.base64decode, crypt.xor_str

-- SCRAM (RFC 5802), by SHA-1 or SHA-256.
local variants = {
	scram_sha1 = {
		mechanism = "SCRAM-SHA-1",
		name = "sha1",
		hash = crypt.sha1,
		hmac = crypt.hmac_sha1,
		password = function(user, password)
			return md5.sumhexa(("%s:mongo:%s"):format(user, password))
		end,
	},
	scram_sha256 = {
		mechanism = "SCRAM-SHA-256",
		name = "sha256",
		hash = crypt.sha256,
		hmac = crypt.hmac_sha256,
		password = function(_, password)
			return tostring(password)
		end,
	},
}

local function parse(text)
	local fields = {}
	for key, value in text:gmatch "(%a)=([^,]*)" do
		fields[key] = value
	end
	return fields
end

local function scram(variant)
	return function(db, user, password)
		local nonce = base64encode(crypt.randomkey())
		local escaped = tostring(user):gsub("[=,]", { ["="] = "=3D", [","] = "=2C" })
		local bare = ("n=%s,r=%s"):format(escaped, nonce)
		local reply = db:runCommand("saslStart", 1, "autoAuthorize", 1, "mechanism", variant.mechanism, "payload",
			base64encode("n,," .. bare))
		if reply.ok ~= 1 or type(reply.payload) ~= "string" then
			return false
		end
		local id, server = reply.conversationId, base64decode(reply.payload)
		local fields = parse(server)
		local theirs, salt, rounds = fields.r, fields.s, math.tointeger(tonumber(fields.i))
		if not theirs or theirs:sub(1, #nonce) ~= nonce then
			skynet.error "Server returned an invalid nonce."
			return false
		elseif not salt or not rounds then
			return false
		end
		local salted = core.salted(variant.name, variant.password(user, password), base64decode(salt), rounds)
		local client_key = variant.hmac(salted, "Client Key")
		local without_proof = "c=biws,r=" .. theirs
		local all = ("%s,%s,%s"):format(bare, server, without_proof)
		local proof = xor(client_key, variant.hmac(variant.hash(client_key), all))
		local expected = base64encode(variant.hmac(variant.hmac(salted, "Server Key"), all))
		reply = db:runCommand("saslContinue", 1, "conversationId", id, "payload",
			base64encode(("%s,p=%s"):format(without_proof, base64encode(proof))))
		if reply.ok ~= 1 or type(reply.payload) ~= "string" then
			return false
		end
		if parse(base64decode(reply.payload)).v ~= expected then
			skynet.error "Server returned an invalid signature."
			return false
		end
		if not reply.done then
			reply = db:runCommand("saslContinue", 1, "conversationId", id, "payload", "")
			if reply.ok ~= 1 then
				return false
			elseif not reply.done then
				skynet.error "SASL conversation failed to complete."
				return false
			end
		end
		return true
	end
end

local methods = {
	scram_sha1 = scram(variants.scram_sha1),
	scram_sha256 = scram(variants.scram_sha256),
}

function methods.mongodb_cr(db, user, password)
	local reply = db:runCommand "getnonce"
	if reply.ok ~= 1 then
		return false
	end
	local digest = md5.sumhexa(("%s:mongo:%s"):format(user, password))
	local key = md5.sumhexa(reply.nonce .. user .. digest)
	return db:runCommand("authenticate", 1, "user", user, "nonce", reply.nonce, "key", key).ok == 1
end

-- true if the user may come in.
function login.authenticate(db, authmod, user, password)
	return methods[authmod](db, user, password)
end

local function address(text)
	local host, port = text:match "^(.*):(%d+)$"
	return host or text, math.tointeger(tonumber(port)) or 27017
end

local function find_primary(client, channel)
	local reply = client:runCommand "ismaster"
	if reply.ok ~= 1 then
		return
	end
	if client.__set and reply.setName ~= client.__set then
		error(("the server belongs to the replica set %s, not to %s"):format(reply.setName or "of nobody", client.__set))
	end
	if reply.hosts then
		local list = {}
		for i, text in ipairs(reply.hosts) do
			local host, port = address(text)
			list[i] = { host = host, port = port }
		end
		channel:changebackup(list)
	end
	if reply.ismaster then
		return
	elseif not reply.primary then
		error("No primary return : " .. tostring(reply.me))
	end
	local host, port = address(reply.primary)
	client.host, client.port = host, port
	channel:changehost(host, port)
end

-- What a client does after each connect.
function login.of(client)
	return function(channel)
		local user, password = rawget(client, "username"), rawget(client, "password")
		if user ~= nil and password ~= nil then
			if not methods[client.authmod] then
				error "Invalid authmod"
			end
			local db = client:getDB(rawget(client, "authdb") or "admin")
			if not login.authenticate(db, client.authmod, user, password) then
				error "assertion failed!"
			end
		end
		find_primary(client, channel)
	end
end

return login
