---@meta skynet.http.server

---A server of HTTP/1.1, for new programs: connections that stay, requests in line on them, bodies of any size piece by
---piece in both directions, websockets, TLS, and a limit for everything that strangers send. An addition to skynet (C).
---
---Requests are read strictly: what another program could read in another way (lengths that are doubled or beside chunks,
---lines that end in a bare LF, blanks before colons, continued lines) is refused with 400.
---@class skynet.http.server
local server = {}

---Options of a server. Times are centiseconds, sizes bytes.
---@class skynet.http.server.options
---@field handler fun(request: skynet.http.request): integer?, (string|fun(): string?)?, table?
---Answers a request: returns a status (default 200), a body, and a header, of which a list as value is several lines. A
---body may be a function, which gives pieces and nil at the end; they are sent as chunks, or as they are if the header
---has `content-length`. Length and connection are the server's business otherwise. An error is logged and answered by
---500.
---@field address string? where to listen; default 0.0.0.0
---@field port integer? default: one that the system chooses
---@field backlog integer?
---@field tls table? makes it an https server: the options of `socket.tls`
---@field headlimit integer? of a head; default 16 KiB. More is answered by 431
---@field bodylimit integer|false|nil of a body; default 1 MiB, false for none. More is answered by 413
---@field headtimeout integer? for a head, from its first byte, and for the first request; default 10 s, then 408
---@field bodytimeout integer? for a body, from its first read; default 60 s, then 408
---@field idletimeout integer? between requests; default 60 s
---@field writetimeout integer? without the client taking any of what waits for it; default 60 s
---@field maxclient integer? connections at once, default 10,000; one more gets 503

---Listens, and serves what comes in this service. Raises why it cannot.
---@param options skynet.http.server.options
---@return skynet.http.server.listener
function server.listen(options) end

---Serves one connection that another service has accepted, until its end: true, or false and an error.
---@param id integer
---@param addr string? for log lines and `request.addr`
---@param options skynet.http.server.options
---@return boolean ok
---@return any error
function server.serve(id, addr, options) end

---A server that listens.
---@class skynet.http.server.listener
---@field address string
---@field port integer
local listener = {}

---Connections at the moment.
---@return integer
function listener:count() end

---Ends in order: nobody is accepted any more, connections without a request are closed, requests that are being handled
---get their answers. What is left after the timeout is cut off.
---@param timeout integer? centiseconds; default 5 s
---@return integer left how many were cut off
function listener:close(timeout) end

---A request.
---@class skynet.http.request
---@field method string
---@field url string as it was sent
---@field path string the part before the `?`, with escapes replaced
---@field query string the part behind it, as it was sent; see `http.url`
---@field header table<string, string|string[]> names in lower case; a list for those that come repeatedly
---@field version "1.0"|"1.1"
---@field id integer of the socket
---@field addr string? of the client
---@field close boolean? set it, and the connection is closed after the answer
local request = {}

---The next piece of the body; nil at its end. Raises an error if the client breaks off, takes too long or sends too
---much; a handler lets it pass, and the client gets the right answer.
---@return string?
function request:read() end

---The whole body.
---@return string
function request:body() end

---Makes the connection a websocket, and serves it until its end; what the handler returns then does not matter. See
---`websocket.accept`; `strict` is on unless the options say otherwise.
---@param handle http.websocket.handle
---@param options http.websocket.options?
---@return boolean ok
---@return any error
function request:websocket(handle, options) end

return server
