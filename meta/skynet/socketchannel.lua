---@meta skynet.socketchannel

---Requests and answers over one TCP connection, which is made when it is needed and made anew when it is lost.
---@class skynet.socketchannel
---@field error table raised when the connection fails; compare by identity
---@field timeout table raised when an answer has not come in time; compare by identity
local socketchannel = {}

---What a function that reads answers is given. Its methods raise `socketchannel.error` when the connection ends.
---@class skynet.socketchannel.sock
---@field [1] integer the socket
local sock = {}

---Reads n bytes, or without n whatever there is. Blocks.
---@param n integer?
---@return string
function sock:read(n) end

---Reads a line. Blocks.
---@param sep string? default "\n"
---@return string
function sock:readline(sep) end

---Reads by a decoder; see socket.decode. Blocks.
---@generic T
---@param f fun(state: T, buffer: userdata): true?, any, ...
---@param state T
---@return any ...
function sock:decode(f, state) end

---@class skynet.socketchannel.desc
---@field host string may be "host:port" if there is no port
---@field port integer?
---@field auth fun(channel: skynet.socketchannel.channel)? runs after each connect, before other requests
---@field response (fun(sock: skynet.socketchannel.sock): session: any, ok: boolean, data: any, more: boolean?)? reads an answer; makes this a channel in session mode
---@field backup (string|{ host: string, port: integer? })[]? tried when the host fails
---@field nodelay boolean?
---@field tls skynet.socket.tls|true|nil the connection has TLS; the server is verified by `host`, unless there is a name
---@field reconnect boolean? false: a connection that is lost is not made again; calls raise `socketchannel.error`
---@field overload fun(high: boolean)? output piles up (true), or is gone (false)
---@field timeout integer? deadline of each request and of connecting, in centiseconds
---@field socket_read (fun(sock: skynet.socketchannel.sock, n: integer?): string)? instead of sock:read
---@field socket_readline (fun(sock: skynet.socketchannel.sock, sep: string?): string)? instead of sock:readline

---What has happened to a channel. Each request that waits for an answer is counted once as answered, refused, broken or
---late.
---@class skynet.socketchannel.stats
---@field requests integer sent
---@field answers integer
---@field refused integer answers that were not ok
---@field broken integer requests that have lost their connection
---@field timeouts integer
---@field connects integer connections made
---@field failed integer attempts to connect that have failed
---@field waiting integer requests that wait now
---@field connected boolean

---@class skynet.socketchannel.channel
local channel = {}

---A channel; nothing is connected yet.
---@param desc skynet.socketchannel.desc
---@return skynet.socketchannel.channel
function socketchannel.channel(desc) end

---Connects; opens a closed channel again. With `once` a failure raises `socketchannel.error`, otherwise it tries for
---ever. Blocks.
---@param once boolean?
---@return true
function channel:connect(once) end

---Sends a request and waits for its answer. Order mode: `response(sock)` reads it and returns ok, data and whether more
---parts follow. Session mode: `response` is the session. Without it, returns at once. Raises the data of an answer that
---is not ok; `socketchannel.error` (or the error of the function that reads) if the connection breaks. An answer in
---parts is a list. Blocks.
---@param req skynet.socketdriver.data
---@param response any
---@param padding skynet.socketdriver.data[]? sent after the request, all with low priority
---@return any data
function channel:request(req, response, padding) end

---Waits for an answer without sending anything. Blocks.
---@param response any
---@return any data
function channel:response(response) end

---What has happened so far.
---@return skynet.socketchannel.stats
function channel:stats() end

---Closes; all who wait get `socketchannel.error`. Requests raise from now on, until `connect`.
function channel:close() end

---Sets another host, to which the next request connects.
---@param host string
---@param port integer? default: as before
function channel:changehost(host, port) end

---Sets the backups.
---@param list (string|{ host: string, port: integer? })[]?
function channel:changebackup(list) end

return socketchannel
