-- Messages and requests as a schema describes them (see sprotoparser for its text).

local core = require "sproto.core"

local sproto = { pack = core.pack, unpack = core.unpack }

---@class sproto
---@field __cobj userdata the schema
---@field types table<string, userdata> those that were asked for
---@field protocols table<string|integer, sproto.protocol>
local Sproto = {}
Sproto.__index = Sproto

---@class sproto.protocol
---@field name string
---@field tag integer
---@field request userdata? type of its content
---@field response userdata? likewise; a null pointer: there is a response, without content

local function object(cobj)
	return setmetatable({ __cobj = cobj, types = {}, protocols = {} }, Sproto)
end

function sproto.new(bytes)
	return object(assert(core.newproto(bytes), "this is no sproto schema"))
end

sproto.sharenew = object

function sproto.parse(text)
	return sproto.new(require("sprotoparser").parse(text))
end

local function type_of(self, name)
	local found = self.types[name]
	if not found then
		found = assert(core.querytype(self.__cobj, name), "type not found")
		self.types[name] = found
	end
	return found
end

local function find_protocol(self, key)
	local found = self.protocols[key]
	if not found then
		local other, request, response = core.protocol(self.__cobj, key)
		if not other then
			return
		end
		local by_tag = type(key) == "number"
		found = { name = by_tag and other or key, tag = by_tag and key or other, request = request, response = response }
		self.protocols[found.name], self.protocols[found.tag] = found, found
	end
	return found
end

local function protocol_of(self, key)
	return find_protocol(self, key) or error(("%s not found"):format(key))
end

Sproto.queryproto = protocol_of

function Sproto:exist_type(name)
	return core.querytype(self.__cobj, name) ~= nil
end

function Sproto:exist_proto(key)
	return find_protocol(self, key) ~= nil
end

function Sproto:encode(name, t)
	return core.encode(type_of(self, name), t)
end

function Sproto:decode(name, ...)
	return core.decode(type_of(self, name), ...)
end

function Sproto:pencode(name, t)
	return core.pack(core.encode(type_of(self, name), t))
end

function Sproto:pdecode(name, ...)
	return core.decode(type_of(self, name), core.unpack(...))
end

-- The content of a protocol's request or response, which may have none.
local function encode_part(part, t)
	return part and core.encode(part, t) or ""
end

local function decode_part(part, ...)
	if part then
		return (core.decode(part, ...))
	end
end

function Sproto:request_encode(key, t)
	local protocol = protocol_of(self, key)
	return encode_part(protocol.request, t), protocol.tag
end

function Sproto:response_encode(key, t)
	return encode_part(protocol_of(self, key).response, t)
end

function Sproto:request_decode(key, ...)
	local protocol = protocol_of(self, key)
	return decode_part(protocol.request, ...), protocol.name
end

function Sproto:response_decode(key, ...)
	return decode_part(protocol_of(self, key).response, ...)
end

function Sproto:default(name, part)
	if not part then
		return core.default(type_of(self, name))
	end
	local protocol = protocol_of(self, name)
	local found
	if part == "REQUEST" then
		found = protocol.request
	else
		assert(part == "RESPONSE", "REQUEST or RESPONSE")
		found = protocol.response
	end
	return found and core.default(found)
end

-- Requests and responses between two hosts: the package's header, and the content behind it.

---@class sproto.host
---@field proto sproto what comes in
---@field package userdata type of the header
---@field sessions table<integer, userdata|true> type of the response that is awaited
local Host = {}
Host.__index = Host

function Sproto:host(name)
	name = name or "package"
	local package = core.querytype(self.__cobj, name) or error(("type %s not found"):format(name))
	return setmetatable({ proto = self, package = package, sessions = {} }, Host)
end

local function message(host, header, part, content)
	return core.pack(core.encode(host.package, header) .. encode_part(part, content))
end

function Host:attach(peer)
	return function(name, args, session, ud)
		local protocol = protocol_of(peer, name)
		local bytes = message(self, { type = protocol.tag, session = session, ud = ud }, protocol.request, args or {})
		if session then
			self.sessions[session] = protocol.response or true
		end
		return bytes
	end
end

function Host:dispatch(...)
	local bytes = core.unpack(...)
	local header, size = core.decode(self.package, bytes)
	local content, session = bytes:sub(size + 1), header.session
	if header.type then
		local protocol = protocol_of(self.proto, header.type)
		local args = decode_part(protocol.request, content)
		local respond = session and function(result, ud)
			return message(self, { session = session, ud = ud }, protocol.response, result or {})
		end
		return "REQUEST", protocol.name, args, respond, header.ud
	end
	local awaited = assert(self.sessions[assert(session, "session not found")], "Unknown session")
	self.sessions[session] = nil
	local result
	if awaited ~= true then
		result = decode_part(awaited, content)
	end
	return "RESPONSE", session, result, header.ud
end

return sproto
