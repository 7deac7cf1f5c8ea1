---@meta skynet.http.client

---A client of HTTP/1.1, for new programs: connections are used again, a request has one deadline for everything, moved
---addresses are followed, compressed bodies are expanded. An addition to skynet (C).
---@class skynet.http.client
local client = {}

---Options of a client. Times are centiseconds, sizes bytes.
---@class skynet.http.client.options
---@field timeout integer|false|nil for a whole request; default 30 s, false for no limit
---@field idletimeout integer? how long a connection waits for its next request; default 30 s
---@field maxidle integer? connections that wait, for each server; default 8
---@field headlimit integer? default 64 KiB
---@field bodylimit integer|false|nil of an answer, also of an expanded one; default 16 MiB, false for none
---@field redirects integer? how many to follow; default 5
---@field decompress boolean? asks for compressed bodies, and expands them; default true
---@field header table<string, any>? for all requests
---@field tls table? for https: options of `socket.tls`, such as `ca` or `verify`

---A client with connections of its own.
---@param options skynet.http.client.options?
---@return skynet.http.client.object
function client.new(options) end

---A client.
---@class skynet.http.client.object
local Client = {}

---A request.
---@class skynet.http.client.request
---@field url string `http://host[:port]/path?query` or https
---@field method string? default GET, or POST if there is a body
---@field header table<string, any>?
---@field body (string|fun(): string?)? a function gives pieces, and nil at the end
---@field length integer? of a body that comes from a function; without it they are sent as chunks
---@field timeout integer|false|nil
---@field redirects integer?
---@field decompress boolean?
---@field stream boolean? the answer's body is read with `read`

---Makes a request. Raises a text that says which request failed, and why.
---@param options skynet.http.client.request
---@return skynet.http.answer
function Client:request(options) end

---A request with GET.
---@param url string
---@param options skynet.http.client.request?
---@return skynet.http.answer
function Client:get(url, options) end

---A request with POST.
---@param url string
---@param body string|fun(): string?|nil
---@param options skynet.http.client.request?
---@return skynet.http.answer
function Client:post(url, body, options) end

---Closes the connections that wait. Requests that are under way go on.
function Client:close() end

---An answer.
---@class skynet.http.answer
---@field status integer
---@field header table<string, string|string[]> names in lower case; without encoding and length, if it was expanded
---@field url string where it came from, after redirects
---@field body string? all of it, unless `stream` was asked for
local answer = {}

---The next piece of the body; nil at its end.
---@return string?
function answer:read() end

---Gives the request another deadline, for answers that are read for long.
---@param cs integer|false centiseconds from now; false: none
function answer:extend(cs) end

---Gives up what was not read. An answer may be a `<close>` variable.
function answer:close() end

return client
