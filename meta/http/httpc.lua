---@meta http.httpc

---A client of HTTP, with a connection for each request.
---
---A host is `[scheme://]name[:port]`; the scheme is http if there is none. IPv6 addresses stand in brackets.
---@class http.httpc
---@field timeout integer? Centiseconds for connecting, and again for the rest of a request. No limit if nil.
---@field tls table? for https: options of `tlshelper.newctx`, such as `ca` or `verify`. An addition to skynet (C).
local httpc = {}

---Makes a request. Raises `sockethelper.socket_error` when the connection fails, and a text when the answer is wrong.
---
---Of an answer without a length everything until its end is read, whatever its size: see `request_stream`.
---@param method string
---@param host string
---@param url string path and query, as they are sent
---@param recvheader table? gets the fields of the answer, names in lower case; a list for those that come repeatedly
---@param header table? gets the field `Host`, if it has none
---@param content string?
---@return integer status
---@return string body
function httpc.request(method, host, url, recvheader, header, content) end

---A request with the method GET.
---@param host string
---@param url string
---@param recvheader table?
---@param header table?
---@param content string?
---@return integer status
---@return string body
function httpc.get(host, url, recvheader, header, content) end

---Sends a form.
---@param host string
---@param url string
---@param form table<string|number, string|number>
---@param recvheader table?
---@return integer status
---@return string body
function httpc.post(host, url, form, recvheader) end

---A request with the method HEAD.
---@param host string
---@param url string
---@param recvheader table?
---@param header table?
---@param content string?
---@return integer status
function httpc.head(host, url, recvheader, header, content) end

---A request whose answer comes in pieces: `for data, stream in httpc.request_stream(…) do`.
---@param method string
---@param host string
---@param url string
---@param recvheader table?
---@param header table?
---@param content string?
---@return http.httpc.stream
function httpc.request_stream(method, host, url, recvheader, header, content) end

---From now on host names are looked up by `skynet.dns` in this service.
---@param server string? the address of a name server
---@param port integer?
function httpc.dns(server, port) end

---The answer to `request_stream`. A call of it is `padding`; it may be a `<close>` variable.
---@class http.httpc.stream
---@field status integer
---@field header table trailers are added
---@field connected boolean? true while there is more, nil when all was read, false when the chunks were wrong
local stream = {}

---The next piece, and the stream; it may be an empty one. Nil at the end, which closes the connection. Raises
---`sockethelper.socket_error` when the connection is lost, and at its end if the answer had no length.
---@return string? data
---@return http.httpc.stream self
function stream:padding() end

---Closes the connection.
function stream:close() end

return httpc
