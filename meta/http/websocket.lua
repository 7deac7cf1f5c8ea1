---@meta http.websocket

---Websockets, as server and as client. A connection is known by the id of its socket.
---
---What comes from a peer is read as generously as skynet (C) does, unless `strict` says otherwise: texts may be any
---bytes, masks are as they are, control frames may be long. A server takes messages of up to 262,144 bytes.
---@class http.websocket
local websocket = {}

---What a server does with a connection. All of it may be left out.
---@class http.websocket.handle
---@field connect fun(id: integer)? before the handshake is read
---@field handshake fun(id: integer, header: table, url: string)? after it was answered
---@field message fun(id: integer, data: string, kind: "text"|"binary"|"frame")? `frame`: the first piece was a continuation
---@field ping fun(id: integer)? it has been answered
---@field pong fun(id: integer)?
---@field close fun(id: integer, code: integer?, reason: string?)? the end by a close frame, or by `websocket.close` here; code and reason only if the peer gave a reason
---@field error fun(id: integer, err: table)? the connection is lost; `err` is `sockethelper.socket_error`
---@field warning fun(ws: table, kb: integer)? output piles up; `ws.id` is the id

---Options of `accept` and `connect`. Those of skynet (C) have only `upgrade`.
---@class http.websocket.options
---@field upgrade { header: table, method: string, url: string, rest: string? }? servers: a request that was read from this id already; `rest` is what came behind it
---@field strict boolean? By the standard: UTF-8, masks, order, control frames and close codes are checked; a close frame says what was wrong
---@field limit integer? the most bytes of a message, also of a compressed one
---@field deflate boolean? Compressed messages (permessage-deflate), if the peer takes part. A client takes 16 MiB then, unless `limit` says otherwise
---@field tls table? for wss: options of `socket.tls`, which the engine does then; without it the config keys `certfile` and `keyfile`, and what `tlsverify` says
---@field mask boolean? Frames get random masks. Servers other than skynet's want that of a client

---Serves a connection until its end. True, or false and an error: of a callback, of the request, or of a frame. A lost
---connection is true, and told to `handle.error`.
---
---A request that is no handshake is answered with 4xx and is true. There is no limit in time: `websocket.close` ends a
---handshake that does not come to its end.
---@param id integer
---@param handle http.websocket.handle?
---@param protocol "ws"|"wss"|nil default ws; wss needs the config keys `certfile` and `keyfile`
---@param addr string? what `addrinfo` shows
---@param options http.websocket.options?
---@return boolean ok
---@return any error
function websocket.accept(id, handle, protocol, addr, options) end

---Connects as a client: `ws://host[:port][/path]` or `wss://…`. Raises `sockethelper.socket_error`, or a text that says
---what is wrong with the answer.
---@param url string
---@param header table<string, any>? besides those of the handshake
---@param timeout integer? centiseconds for the TCP connection
---@param options http.websocket.options?
---@return integer id
function websocket.connect(url, header, timeout, options) end

---The next message of a client's connection; false and the close frame's payload at the end. Raises
---`sockethelper.socket_error` when the connection is lost; it is to be closed then.
---@param id integer
---@return string|false data
---@return string? payload two bytes of code, and the reason
function websocket.read(id) end

---Sends a message.
---@param id integer
---@param data string
---@param fmt "text"|"binary"|nil default text
---@param mask integer? a mask of 32 bits
function websocket.write(id, data, fmt, mask) end

---Asks whether the other side is there.
---@param id integer
function websocket.ping(id) end

---Closes a connection, with a close frame. Nothing happens for an unknown id.
---@param id integer
---@param code integer?
---@param reason string?
function websocket.close(id, code, reason) end

---Whether an id is none of an open connection.
---@param id integer
---@return boolean
function websocket.is_close(id) end

---The address of the peer: what was given to `accept`, or the `host[:port]` of the url.
---@param id integer
---@return string?
function websocket.addrinfo(id) end

---The field `x-real-ip` of the handshake, which a proxy adds.
---@param id integer
---@return string?
function websocket.real_ip(id) end

return websocket
