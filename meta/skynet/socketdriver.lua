---@meta skynet.socketdriver

---The socket engine, used directly by libraries. Its events come as messages of type `socket` (6); applications use
---`skynet.socket`.
---
---Addresses: without a port, `addr` is `"host:port"` or `"[host]:port"`; with a port it is the host as it is.
---@class skynet.socketdriver
local driver = {}

---Bytes to send: a string or number; a list of them, sent as one; a block with its size, which belongs to the engine
---from now on; a userdata, of which a copy is made if needed.
---@alias skynet.socketdriver.data string|number|(string|number)[]|userdata|lightuserdata

---Begins a TCP connection; CONNECT or ERROR follows. Raises `Invalid port`, `Invalid address <addr>.`.
---@param addr string
---@param port integer?
---@return integer id -1 if there is none to give
---@return string? why then
function driver.connect(addr, port) end

---Listens; CONNECT with the bound address follows, connections only after `start`. Raises `Listen error`.
---@param addr string the empty string is 0.0.0.0
---@param port integer? 0: any that is free
---@param backlog integer? default: as many as the system allows
---@param tls skynet.socket.tls? connections have TLS
---@return integer id
function driver.listen(addr, port, backlog, tls) end

---TLS is to begin on a connection of this service: it is not read any more, which an event (type 10, ud 0) says behind
---what has been read. False and why, if it cannot begin. An addition to skynet (C).
---@param id integer
---@param tls skynet.socket.tls
---@return boolean
---@return string? why
function driver.hush(id, tls) end

---Begins TLS; `first` are the bytes that have been read already. An event (type 10, ud 1) says that the handshake has
---ended, or ERROR why not. An addition to skynet (C).
---@param id integer
---@param tls skynet.socket.tls
---@param first string?
---@return boolean
---@return string? why
function driver.secure(id, tls, first) end

---As socket.tlsinfo.
---@param id integer
---@return skynet.socket.tlsinfo?
function driver.tlsinfo(id) end

---Closes a socket when its queued output is sent; CLOSE follows unless it came before.
---@param id integer
function driver.close(id) end

---Closes a socket at once and discards its queued output; CLOSE follows unless it came before.
---@param id integer
function driver.shutdown(id) end

---Begins (or resumes) reading or accepting; the caller owns the socket from now on.
---@param id integer
function driver.start(id) end

---Stops reading; `start` resumes.
---@param id integer
function driver.pause(id) end

---Sets TCP_NODELAY.
---@param id integer
function driver.nodelay(id) end

---**Beyond skynet (C).** Another service will start this socket: it is not closed when this service ends, unless nobody
---has started it half a minute later.
---@param id integer
function driver.abandon(id) end

---**Beyond skynet (C).** How many connections that a listener has accepted are closed, but still there since their
---peers have not taken all output.
---@param id integer
---@return integer
function driver.lingering(id) end

---**Beyond skynet (C).** When this connection is closed, it is closed for writing only at first, and what still comes is
---forgotten until the peer has finished, for a second at most. So the peer's answer to the last words does not cost it
---those words.
---@param id integer
function driver.linger(id) end

---**Beyond skynet (C).** What the socket brings is sent on to `service`, in messages of the type `client`, as a gate
---does. The socket is not read while too many bytes of them wait there (the config key `socketinbox`). 0: to nobody.
---@param id integer
---@param service integer
function driver.feed(id, service) end

---Adopts a descriptor of the process; closing the socket leaves it open.
---@param osfd integer
---@return integer id
function driver.bind(osfd) end

---Sends; false if the id is invalid or the socket is closing.
---@param id integer
---@param data skynet.socketdriver.data
---@param sz integer?
---@return boolean
function driver.send(id, data, sz) end

---Sends with low priority: what `send` queues later may overtake it, but never split it. False if the id is invalid.
---@param id integer
---@param data skynet.socketdriver.data
---@param sz integer?
---@return boolean
function driver.lsend(id, data, sz) end

---Address and port that a connection goes to, or came from; nothing if the id is invalid. An addition to skynet (C).
---@param id integer
---@return string? ip
---@return integer? port
function driver.peer(id) end

---The bytes of output that wait in the engine; nil if the id is invalid. An addition to skynet (C).
---@param id integer
---@return integer?
function driver.pending(id) end

---Caps the bytes of output that may wait: beyond it the socket is closed with an ERROR. On a listener it holds for the
---connections that it accepts. 0: no cap. An addition to skynet (C).
---@param id integer
---@param bytes integer
function driver.limit(id, bytes) end

---A UDP socket, bound if an address is given. Raises `udp init failed`.
---@param addr string?
---@param port integer?
---@return integer id
function driver.udp(addr, port) end

---Sets where `send` on a UDP socket goes. Raises `udp connect failed`.
---@param id integer
---@param addr string
---@param port integer?
function driver.udp_connect(id, addr, port) end

---A UDP socket with a destination. Raises `udp dial host failed`.
---@param addr string
---@param port integer?
---@return integer id
function driver.udp_dial(addr, port) end

---A bound UDP socket. Raises `udp listen host failed`.
---@param addr string
---@param port integer?
---@return integer id
function driver.udp_listen(addr, port) end

---Sends a datagram to an encoded address, as it came with a received one.
---@param id integer
---@param address string
---@param data skynet.socketdriver.data
---@param sz integer?
---@return boolean
function driver.udp_send(id, address, data, sz) end

---What an encoded address means. Raises `Invalid udp address`.
---@param address string
---@return string ip
---@return integer port
function driver.udp_address(address) end

---The addresses of a host name; stops the service while it asks. Raises the resolver's text.
---@param host string
---@return string[]
function driver.resolve(host) end

---@class skynet.socketdriver.info
---@field id integer
---@field address integer the owner's handle
---@field type "LISTEN"|"TCP"|"UDP"|"BIND"|"CLOSING"|string
---@field accept integer? connections accepted (LISTEN)
---@field read integer? bytes
---@field write integer? bytes
---@field wbuffer integer? bytes of output that wait
---@field rtime integer centiseconds since the start of the node
---@field wtime integer?
---@field reading boolean?
---@field writing boolean?
---@field sock string? `ip:port` (LISTEN)
---@field peer string? `ip:port`

---All sockets of the node, latest slot first.
---@return skynet.socketdriver.info[]
function driver.info() end

---The parts of an engine message: its type (1 data, 2 connect, 3 close, 4 accept, 5 error, 6 udp, 7 warning), socket,
---number, and data (a block that the caller owns, or text); for UDP also the sender's encoded address.
---@param msg lightuserdata
---@param sz integer
---@return integer type
---@return integer id
---@return integer ud
---@return lightuserdata|string|nil data
---@return string? address
function driver.unpack(msg, sz) end

---A new receive buffer.
---@return userdata
function driver.buffer() end

---Appends a block, which then belongs to the buffer; returns the bytes that are in it.
---@param buffer userdata
---@param pool table any table, the same for all buffers: its content is private
---@param msg lightuserdata
---@param sz integer
---@return integer total
function driver.push(buffer, pool, msg, sz) end

---Takes n bytes (nil if n is 0 or there are fewer), and says how many are left.
---@param buffer userdata
---@param pool table
---@param n integer
---@return string?
---@return integer left
function driver.pop(buffer, pool, n) end

---Takes everything.
---@param buffer userdata
---@param pool table
---@return string
function driver.readall(buffer, pool) end

---Discards everything.
---@param buffer userdata?
---@param pool table
function driver.clear(buffer, pool) end

---Takes a line and returns it without the separator; nothing if it is not complete. Without a pool it only looks: true
---if there is one.
---@param buffer userdata
---@param pool table?
---@param sep string
---@return string|true|nil
function driver.readline(buffer, pool, sep) end

---Frees a block.
---@param msg lightuserdata
---@param sz integer
function driver.drop(msg, sz) end

---A block with the bytes of a string; its receiver owns it.
---@param s string
---@return lightuserdata
---@return integer sz
function driver.str2p(s) end

---The big-endian unsigned number in 1 to 4 bytes.
---@param s string
---@return integer
function driver.header(s) end

return driver
