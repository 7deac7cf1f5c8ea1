---@meta skynet.socket

---TCP and UDP for coroutines. A socket is an integer id and belongs to the service that opened or started it. "Blocks":
---only the calling coroutine waits; one coroutine at a time may wait for a socket.
---
---Addresses: without a port, `addr` is `"host:port"` or `"[host]:port"`; with a port it is the host as it is.
---@class skynet.socket
local socket = {}

---Connects. Returns nil and the reason when it fails, such as `Connection refused`. Blocks.
---@param addr string
---@param port integer?
---@param begun fun(id: integer)? called at once; closing that id gives the attempt up. An addition to skynet (C).
---@return integer? id
---@return string? why
function socket.open(addr, port, begun) end

---Listens, and returns the address that it is bound to. Connections are accepted after `start(id, f)`. Raises
---`Listen error`. Blocks.
---@param host string
---@param port integer? 0: any that is free
---@param backlog integer? default: as many as the system allows
---@param tls skynet.socket.tls? connections have TLS; they are accepted when their handshake has ended
---@return integer id
---@return string ip
---@return integer port
function socket.listen(host, port, backlog, tls) end

---Options of TLS. Files are PEM, and are read again for the next connection when they have changed. An unknown key is an
---error.
---@class skynet.socket.tls
---@field role "client"|"server"|nil of `socket.tls`; default client
---@field name string? what the server's certificate has to be made out to, and what the server is told; default: the address of the connection
---@field verify boolean? false: the server is not verified at all, which the log says once for each peer; default: the config key `tlsverify`
---@field ca string? file of the authorities that are trusted instead of the system's; of a server: of those that the certificates of clients come from
---@field cert string? file of the own certificate, with those of intermediate authorities; a server needs one
---@field key string? file of its key; default: the file of the certificate
---@field clientcert "required"|"optional"|"none"|nil of a server: whether clients show a certificate; default required if there is `ca`, else none
---@field alpn string[]? protocols, the preferred one first
---@field timeout integer? centiseconds for the handshake; default 1000

---Begins TLS on a connection that this service has started. From then on it is a socket as before: reading, writing,
---limits, `close`, `abandon`. What has been read already, and nobody has taken, belongs to TLS; what is written meanwhile
---waits. If it fails, nil and the reason; only `close` makes sense then. Raises for options that are wrong. Blocks.
---@param id integer
---@param options skynet.socket.tls?
---@return integer? id
---@return string? why
function socket.tls(id, options) end

---What is known about a connection with TLS; nothing about others, and before the handshake has ended.
---@param id integer
---@return skynet.socket.tlsinfo?
function socket.tlsinfo(id) end

---@class skynet.socket.tlsinfo
---@field version "TLSv1.2"|"TLSv1.3"
---@field cipher string
---@field alpn string? what both sides have
---@field servername string? the name that a client has asked for
---@field verified boolean was the peer's certificate verified?
---@field names string[]? the names in it, if the peer has shown one

---Without a function: takes an accepted or abandoned socket over and begins to read it. With a function, on a listening
---socket: f(id, "ip:port") is called for each connection, which has to be started, handed on, or closed by close_fd.
---Returns nil and the reason when it fails. Blocks.
---@param id integer
---@param f fun(id: integer, from: string)?
---@return integer? id
---@return string? why
function socket.start(id, f) end

---Adopts a descriptor of the process; closing the socket leaves it open. Blocks.
---@param osfd integer
---@return integer? id
---@return string? why
function socket.bind(osfd) end

---The standard input of the process. Blocks.
---@return integer? id
---@return string? why
function socket.stdin() end

---Stops reading, until the next read that has to wait. Blocks for a moment.
---@param id integer
function socket.pause(id) end

---Ends the connection at once; queued output is discarded. `close` must follow.
---@param id integer
function socket.shutdown(id) end

---Closes an accepted socket that was never started. Raises `Use socket.close instead` for others.
---@param id integer
function socket.close_fd(id) end

---Closes; queued output is still sent, unread data is lost. A coroutine that reads gets its false first. Does nothing
---for an unknown id. Blocks.
---@param id integer
function socket.close(id) end

---Reads exactly n bytes, or without n whatever there is. When the connection ends before: false and the bytes that are
---left. Blocks.
---@param id integer
---@param n integer?
---@return string|false data
---@return string? rest
---@return string? cut with TLS: the connection has ended without a word, so that something may be missing
function socket.read(id, n) end

---Reads until the peer closes. If it has: what is left, or false. Blocks.
---@param id integer
---@return string|false
function socket.readall(id) end

---Reads a line and returns it without its separator. When the connection ends before: false and the bytes that are
---left. Blocks.
---@param id integer
---@param sep string? default "\n"
---@return string|false line
---@return string? rest
function socket.readline(id, sep) end

---Reads with a decoder, such as those of the database drivers: f(state, buffer) is called when data has come, and returns
---nil and how many bytes the receive buffer has to hold before it is worth asking again; or true, and at most three
---results, which are returned. The functions of skynet.socketdriver read from the buffer. Returns nothing if the
---connection has ended before. Blocks.
---@generic T
---@param id integer
---@param f fun(state: T, buffer: userdata): true?, any, ...
---@param state T
---@return any ...
function socket.decode(id, f, state) end

---Waits until there is data to read; false if the connection has ended. Blocks.
---@param id integer
---@return boolean
function socket.block(id) end

---Sends; never waits. False if the id is invalid or the socket is closing. Any service may write to any socket.
---@param id integer
---@param data skynet.socketdriver.data
---@param sz integer?
---@return boolean
function socket.write(id, data, sz) end

---Sends with low priority: later writes may overtake it, but never split it.
---@param id integer
---@param data skynet.socketdriver.data
---@param sz integer?
---@return boolean
function socket.lwrite(id, data, sz) end

---The big-endian unsigned number in 1 to 4 bytes.
---@param s string
---@return integer
function socket.header(s) end

---True if this service has no such socket.
---@param id integer
---@return boolean
function socket.invalid(id) end

---True if the connection has ended and was not closed here; nil for an unknown id.
---@param id integer
---@return boolean?
function socket.disconnected(id) end

---Forgets a socket without closing it, so that another service can start it. Unread data is lost.
---@param id integer
function socket.abandon(id) end

---Limits the bytes that wait to be read: beyond n (unless a read of a number of bytes waits) the socket is closed.
---@param id integer
---@param n integer? nil: no limit
function socket.limit(id, n) end

---f(id, kilobytes) is called when output piles up, at 1 MiB and each doubling, and with 0 when all of it is gone.
---Without it, lines are logged.
---@param id integer
---@param f fun(id: integer, kb: integer)?
function socket.warning(id, f) end

---f(id) is called once when the connection ends, whoever ends it.
---@param id integer
---@param f fun(id: integer)?
function socket.onclose(id, f) end

---A UDP socket, bound if an address is given; f(data, address) is called for each datagram.
---@param f fun(data: string, address: string)
---@param host string?
---@param port integer?
---@return integer id
function socket.udp(f, host, port) end

---A bound UDP socket.
---@param addr string
---@param port integer?
---@param f fun(data: string, address: string)
---@return integer id
function socket.udp_listen(addr, port, f) end

---A UDP socket whose `write` goes to this address.
---@param addr string
---@param port integer?
---@param f fun(data: string, address: string)
---@return integer id
function socket.udp_dial(addr, port, f) end

---Sets where `write` on a UDP socket goes, and what handles its datagrams if f is given.
---@param id integer
---@param addr string
---@param port integer?
---@param f fun(data: string, address: string)?
function socket.udp_connect(id, addr, port, f) end

---Sends a datagram to the address of a received one.
---@param id integer
---@param address string
---@param data skynet.socketdriver.data
---@param sz integer?
---@return boolean
function socket.sendto(id, address, data, sz) end

---What the address of a datagram means.
---@param address string
---@return string ip
---@return integer port
function socket.udp_address(address) end

---All sockets of the node.
---@return skynet.socketdriver.info[]
function socket.netstat() end

---The addresses of a host name; stops the service while it asks. Raises the resolver's text.
---@param host string
---@return string[]
function socket.resolve(host) end

---The bytes of output that wait in the engine; nil if the id is invalid. An addition to skynet (C).
---@param id integer
---@return integer?
function socket.pending(id) end

---Caps the bytes of output that may wait: beyond it the socket is closed with an error. On a listener it holds for the
---connections that it accepts. 0: no cap. An addition to skynet (C).
---@param id integer
---@param bytes integer
function socket.writelimit(id, bytes) end

return socket
