---@meta http.httpd

---The server's side of HTTP: reads one request, writes one answer.
---@class http.httpd
local httpd = {}

---Reads a request. A code other than 200 is for `write_response`, and nothing else is returned then. A request that
---ends too early, or whose first line is none, is nil and the error: `sockethelper.socket_error`, or a text.
---
---Codes: 400 for a line of the head that is no field, 413 for a head of more than 8192 bytes or a body beyond the
---limit, also for wrong chunks, 501 for a transfer encoding other than `identity` and `chunked`, 505 for a version
---other than 1.0 and 1.1.
---
---Names of fields are in lower case; a field that comes more than once has a list. Without content-length, the body is
---what came along with the head.
---
---Without `limit` a peer may send as much as it likes, and a slow one as long as it likes.
---@param readfn fun(n: integer?): string reads the next bytes, or exactly n; raises at the end
---@param limit integer? of the body, in bytes
---@return integer? code
---@return any url as it was sent, or the error
---@return string? method
---@return table<string, string|string[]>? header nil also if a trailer has a wrong line
---@return string? body
function httpd.read_request(readfn, limit) end

---Writes an answer: true, or false and the error.
---
---Nothing but the length is added, and nothing is escaped: lines from strangers do not belong into a header.
---@param writefn fun(data: string)
---@param status integer|string
---@param body string|fun(): string?|nil a function gives pieces, and nil at the end; they are sent as chunks
---@param header table<string, any>? a list as value is a line for each element
---@return boolean ok
---@return any error
function httpd.write_response(writefn, status, body, header) end

return httpd
