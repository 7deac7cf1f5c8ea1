---@meta sproto

---Messages and requests as a schema describes them.
---@class sproto.module
local sproto = {}

---A schema with its types and protocols.
---@class sproto
local object = {}

---An end of a connection: it makes requests and takes in what comes.
---@class sproto.host
local host = {}

---@class sproto.protocol
---@field name string
---@field tag integer
---@field request userdata? type of its content
---@field response userdata? type of its content; a null pointer: there is a response, without content

---Of a binary schema (see sprotoparser).
---@param bytes string
---@return sproto
function sproto.new(bytes) end

---Of a schema that `sproto.core` has loaded.
---@param cobj userdata
---@return sproto
function sproto.sharenew(cobj) end

---Of the text of a schema.
---@param text string
---@return sproto
function sproto.parse(text) end

---The bytes with most zeros left out, as they are sent.
---@param bytes string|lightuserdata
---@param sz integer?
---@return string
function sproto.pack(bytes, sz) end

---The bytes again, and zeros up to a multiple of eight. Raises `Invalid unpack stream`.
---@param packed string|lightuserdata
---@param sz integer?
---@return string
function sproto.unpack(packed, sz) end

---A message of this type. Raises `type not found`, and for a field of the wrong type an error that names it.
---@param typename string
---@param t table
---@return string
function object:encode(typename, t) end

---The table of a message, and how many bytes it has. Raises `decode error`.
---@param typename string
---@param bytes string|lightuserdata
---@param sz integer?
---@return table
---@return integer used
function object:decode(typename, bytes, sz) end

---As encode, packed.
---@param typename string
---@param t table
---@return string
function object:pencode(typename, t) end

---As decode, of a packed message.
---@param typename string
---@param packed string|lightuserdata
---@param sz integer?
---@return table
---@return integer used
function object:pdecode(typename, packed, sz) end

---Is there a type of this name?
---@param typename string
---@return boolean
function object:exist_type(typename) end

---Is there a protocol of this name or tag?
---@param key string|integer name or tag
---@return boolean
function object:exist_proto(key) end

---A protocol. Raises `<key> not found`.
---@param key string|integer name or tag
---@return sproto.protocol
function object:queryproto(key) end

---A table with every field of a type, or of a protocol's request or response: 0, false, "", `{ __type = name }`,
---`{ __array = ... }`.
---@param name string
---@param part "REQUEST"|"RESPONSE"|nil
---@return table?
function object:default(name, part) end

---The content of a request, and the protocol's tag.
---@param key string|integer
---@param t table?
---@return string
---@return integer tag
function object:request_encode(key, t) end

---The content of a response.
---@param key string|integer
---@param t table?
---@return string
function object:response_encode(key, t) end

---The table of a request, and the protocol's name.
---@param key string|integer
---@param bytes string|lightuserdata
---@param sz integer?
---@return table?
---@return string name
function object:request_decode(key, bytes, sz) end

---The table of a response.
---@param key string|integer
---@param bytes string|lightuserdata
---@param sz integer?
---@return table?
function object:response_decode(key, bytes, sz) end

---A host whose headers are of this type (`package` if there is none given): integers `type` and `session`, and if it
---likes `ud`. Raises `type <name> not found`.
---@param package string?
---@return sproto.host
function object:host(package) end

---A function that makes the bytes of a request to a peer with this schema. With a session, its response can be
---dispatched.
---@param peer sproto
---@return fun(name: string, args: table?, session: integer?, ud: any): string
function host:attach(peer) end

---What comes in: `"REQUEST", name, args, respond, ud`, where respond(result, ud) makes the bytes of the response if one
---is expected; or `"RESPONSE", session, result, ud`. Raises `session not found`, `Unknown session`.
---@param packed string|lightuserdata
---@param sz integer?
---@return "REQUEST"|"RESPONSE"
---@return string|integer name_or_session
---@return table? content
---@return any ...
function host:dispatch(packed, sz) end

return sproto
