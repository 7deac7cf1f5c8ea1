-- A client of etcd, by the JSON gateway of its version 3 (docs of etcd: "gRPC gateway"): keys and values are base64,
-- integers come as strings.
--
-- Several endpoints: one is used until it fails. What has failed on the way is tried again, also a transaction: who
-- makes one must recognise its own work.

local skynet = require "skynet"
local cjson = require "cjson"
local crypt = require "skynet.crypt"
local http = require "skynet.http.client"

local base64, unbase64 = crypt.base64encode, crypt.base64decode

local Etcd = {}
Etcd.__index = Etcd

-- options: endpoints, tls, user, password, and timeout of a request in centiseconds
local etcd = {}

function etcd.new(options)
	local self = setmetatable({ at = 1 }, Etcd)
	for k, v in pairs(options) do
		self[k] = v
	end
	local scheme = options.tls and "https://" or "http://"
	self.bases = {}
	for i, endpoint in ipairs(options.endpoints) do
		self.bases[i] = scheme .. endpoint
	end
	self.http = http.new { timeout = options.timeout, tls = options.tls, bodylimit = 64 << 20 }
	self.streams = http.new { timeout = options.timeout, tls = options.tls, bodylimit = false, decompress = false }
	return self
end

-- The first key that does not begin with these bytes.
local function after(prefix)
	return prefix:sub(1, -2) .. string.char(prefix:byte(-1) + 1)
end

-- One request to the present endpoint: status and table, or nil and what has failed on the way.
local function try(self, path, body, header)
	local ok, got = pcall(self.http.request, self.http, {
		url = self.bases[self.at] .. path,
		method = "POST",
		header = header,
		body = cjson.encode(body),
	})
	if not ok then
		return nil, got
	end
	local parsed, answer = pcall(cjson.decode, got.body)
	if not parsed or type(answer) ~= "table" then
		return nil, ("%s%s: status %d and no JSON"):format(self.bases[self.at], path, got.status)
	end
	return got.status, answer
end

local function failure(answer)
	return tostring(answer.error or answer.message or "no reason given")
end

-- Errors by which an endpoint says that it is of no use at present (no leader, stopping).
local function is_unavailable(status, answer)
	return status == 503 or status == 504 or answer.code == 14 or answer.code == 4
end

local function authenticate(self)
	if not self.user then
		return
	end
	local status, answer = try(self, "/v3/auth/authenticate", { name = self.user, password = self.password or "" })
	if not status then
		return nil, answer
	elseif status ~= 200 or not answer.token then
		return nil, ("etcd does not let `%s` in (etcduser, etcdpassword): %s"):format(self.user, failure(answer))
	end
	self.token = answer.token
	return true
end

local function header_of(self)
	return self.token and { authorization = self.token } or nil
end

local function is_old_token(status, answer)
	return status == 401 or answer.code == 16 or failure(answer):find("invalid auth token", 1, true)
end

-- One request, with a fresh token if there is need of one.
local function attempt(self, path, body)
	if self.user and not self.token then
		local ok, why = authenticate(self)
		if not ok then
			return nil, why
		end
	end
	local status, answer = try(self, path, body, header_of(self))
	if status and status ~= 200 and self.user and is_old_token(status, answer) then
		local ok, why = authenticate(self)
		if not ok then
			return nil, why
		end
		status, answer = try(self, path, body, header_of(self))
	end
	return status, answer
end

-- The next request goes to another endpoint.
function Etcd:turn()
	self.at = self.at % #self.bases + 1
end

-- The answer to a request. Raises a text.
function Etcd:request(path, body)
	local why
	for _ = 1, math.max(2, #self.bases) do
		local status, answer = attempt(self, path, body)
		if status == 200 then
			return answer
		end
		why = status and ("%s: %s"):format(path, failure(answer)) or answer
		if status and not is_unavailable(status, answer) then
			error("etcd: " .. why, 0)
		end
		self:turn()
	end
	error("etcd: " .. why, 0)
end

local function record(kv)
	return {
		key = unbase64(kv.key),
		value = kv.value and unbase64(kv.value) or "",
		created = math.tointeger(kv.create_revision),
		changed = math.tointeger(kv.mod_revision),
		lease = kv.lease,
	}
end

-- All records whose keys begin so, and the revision of that list.
function Etcd:list(prefix)
	local answer = self:request("/v3/kv/range", { key = base64(prefix), range_end = base64(after(prefix)) })
	local list = {}
	for i, kv in ipairs(answer.kvs or {}) do
		list[i] = record(kv)
	end
	return list, math.tointeger(answer.header.revision)
end

-- A lease of so many seconds.
function Etcd:grant(seconds)
	return self:request("/v3/lease/grant", { TTL = tostring(math.ceil(seconds)) }).ID
end

-- False if the lease is over.
function Etcd:keep_alive(lease)
	local result = self:request("/v3/lease/keepalive", { ID = lease }).result
	return result ~= nil and (math.tointeger(result.TTL) or 0) > 0
end

function Etcd:revoke(lease)
	self:request("/v3/lease/revoke", { ID = lease })
end

local function put(key, value, lease)
	return { request_put = { key = base64(key), value = base64(value), lease = lease } }
end

-- Makes a record unless there is one. Its create revision, or nil and the record that is there.
function Etcd:create(key, value, lease)
	local answer = self:request("/v3/kv/txn", {
		compare = { { key = base64(key), target = "CREATE", create_revision = "0" } },
		success = { put(key, value, lease) },
		failure = { { request_range = { key = base64(key) } } },
	})
	local revision = math.tointeger(answer.header.revision)
	if answer.succeeded then
		return revision
	end
	local found = answer.responses[1].response_range
	local there = found and found.kvs and record(found.kvs[1])
	if there and there.lease == lease then
		return there.created -- made by a request whose answer was lost
	end
	return nil, there
end

-- Exchanges a record that has not changed since `changed`. False if it has.
function Etcd:exchange(key, changed, value, lease)
	local answer = self:request("/v3/kv/txn", {
		compare = { { key = base64(key), target = "MOD", mod_revision = tostring(changed) } },
		success = { put(key, value, lease) },
	})
	return answer.succeeded == true
end

-- Writes the value of a record that this lease holds. False if it does not hold it.
function Etcd:rewrite(key, value, lease)
	local answer = self:request("/v3/kv/txn", {
		compare = { { key = base64(key), target = "LEASE", lease = lease } },
		success = { put(key, value, lease) },
	})
	return answer.succeeded == true
end

-- Deletes a record that this lease holds.
function Etcd:delete(key, lease)
	self:request("/v3/kv/txn", {
		compare = { { key = base64(key), target = "LEASE", lease = lease } },
		success = { { request_delete_range = { key = base64(key) } } },
	})
end

-- Lines of a stream that has neither end nor limit but this one, of a line.
local LINE <const> = 16 << 20

local function next_line(stream, buffer)
	while true do
		local at = buffer:find("\n", 1, true)
		if at then
			return buffer:sub(1, at - 1), buffer:sub(at + 1)
		end
		local data = stream:read()
		if not data then
			error("the stream has ended", 0)
		end
		buffer = buffer .. data
		if #buffer > LINE then
			error("a line of the stream is too long", 0)
		end
	end
end

-- Calls f(kind, record, revision) for each change of keys that begin so, from a revision on: "PUT", or "DELETE" with the
-- record as it was. ready() is called when the stream is there. Comes back with a text when the stream ends.
function Etcd:watch(prefix, revision, ready, f)
	local header = { ["grpc-metadata-hasleader"] = "true" } -- a member without a leader ends the stream
	header.authorization = self.token
	local stream <close> = self.streams:request {
		url = self.bases[self.at] .. "/v3/watch",
		method = "POST",
		header = header,
		stream = true,
		body = cjson.encode {
			create_request = {
				key = base64(prefix),
				range_end = base64(after(prefix)),
				start_revision = tostring(revision),
				prev_kv = true,
			},
		},
	}
	self.stream = stream
	local line, rest = nil, ""
	while true do
		line, rest = next_line(stream, rest)
		local message = cjson.decode(line)
		local result = message.result
		if not result then
			local why = message.error
			return type(why) == "table" and failure(why) or tostring(why)
		elseif result.canceled then
			return result.cancel_reason or "the watch was cancelled"
		elseif result.created then
			stream:extend(false)
			ready()
		end
		for _, event in ipairs(result.events or {}) do
			if event.type == "DELETE" then
				f("DELETE", record(event.prev_kv or event.kv), math.tointeger(event.kv.mod_revision))
			else
				f("PUT", record(event.kv), math.tointeger(event.kv.mod_revision))
			end
		end
	end
end

-- Ends the stream of `watch`.
function Etcd:stop_watch()
	local stream = self.stream
	self.stream = nil
	if stream then
		skynet.fork(stream.close, stream)
	end
end

return etcd
