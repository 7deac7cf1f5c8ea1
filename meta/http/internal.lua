---@meta http.internal

---What servers and clients of HTTP have in common. Applications need it rarely.
---@class http.internal
local internal = {}

---Reads the lines of a head, up to the empty one.
---@param readfn fun(n: integer?): string
---@param lines string[] the lines are appended
---@param buffered string what was read already
---@return string? rest what came behind the head; nil if it has more than 8192 bytes
function internal.recvheader(readfn, lines, buffered) end

---The fields of some lines.
---@param lines string[]
---@param from integer the first of them
---@param t table gets the fields, names in lower case
---@return table? t nil if a line is no field
function internal.parseheader(lines, from, t) end

---Reads a chunked body; nothing if the chunks are wrong, or have more bytes than the limit.
---@param readfn fun(n: integer?): string
---@param limit integer?
---@param header table gets the fields behind the last chunk
---@param buffered string what was read already
---@return string? body
---@return table? header nil if a line of the trailer is no field
function internal.recvchunkedbody(readfn, limit, header, buffered) end

---Sends a request and reads the head of the answer.
---@param interface http.internal.interface
---@param method string
---@param host string for the field `Host`
---@param url string
---@param recvheader table?
---@param header table?
---@param content string?
---@return integer code
---@return string rest what came behind the head
---@return table header
function internal.request(interface, method, host, url, recvheader, header, content) end

---Reads the body of an answer.
---@param interface http.internal.interface
---@param code integer
---@param rest string
---@param header table
---@return string body
function internal.response(interface, code, rest, header) end

---The body of an answer in pieces.
---@param interface http.internal.interface
---@param code integer
---@param rest string
---@param header table
---@return http.httpc.stream
function internal.response_stream(interface, code, rest, header) end

---A connection as functions.
---@class http.internal.interface
---@field init fun(hostname: string?)? comes first, for TLS
---@field close fun()?
---@field read fun(n: integer?): string
---@field write fun(data: string)
---@field readall fun(): string|false

return internal
