---@meta ltls.c

---TLS as objects that do no I/O, as skynet (C) has them: the program reads and writes the socket. `http.tlshelper` does
---that; [`socket.tls`](skynet.socket.md) does the whole inside the engine. It needs `enablessl = true` in the config.
---
---Objects made here verify nobody, as in skynet (C), unless the config says `tlsverify = "strict"`, or they are made
---with options.
---@class ltls.c
local ltls = {}

---What connections of one kind share. The files are read again for the next connection when they have changed.
---@class ltls.c.ctx
local ctx = {}

---The own certificate, with those of intermediate authorities, and its key; both in PEM.
---@param certfile string
---@param keyfile string
function ctx:set_cert(certfile, keyfile) end

---Always raises: what it sets in skynet (C) is something else, so that no list of ciphers is good.
---@param list string
function ctx:set_ciphers(list) end

---One connection.
---@class ltls.c.tls
local tls = {}

---Takes what the peer has sent, and returns what is to be sent to it; nothing if there is nothing, or if the handshake
---has just ended: then `write` has the rest. Raises `SSL_do_handshake error:1 ret:-1` when it fails; `reason` says why.
---@param cipher string?
---@return string?
function tls:handshake(cipher) end

---Has the handshake ended?
---@return boolean
function tls:finished() end

---Takes what the peer has sent; all plaintext that there is, or "".
---@param cipher string?
---@return string
function tls:read(cipher) end

---What is to be sent to the peer: this plaintext, after what waits from the handshake.
---@param plain string?
---@return string
function tls:write(plain) end

---The name of the server, before the handshake: it is told to the server, unless it is an address, and verified.
---@param name string
---@return integer 1
function tls:set_ext_host_name(name) end

---Ends it. Other methods raise `context is closed` from then on.
function tls:close() end

---Why it has failed, and what to set; nil if it has not.
---@return string?
function tls:reason() end

---After a failure, once: what tells the peer, or "".
---@return string
function tls:last() end

---The name that is verified, or nil.
---@return string?
function tls:name() end

---What is known after the handshake: `version`, `cipher`, `alpn`, `servername` (that a client asked for), `verified`,
---`names` (of the peer's certificate, if it has shown one).
---@return table?
function tls:info() end

---What connections of one kind share.
---@param options table? of `http.tlshelper.newctx`; without it nobody is verified
---@return ltls.c.ctx
function ltls.newctx(options) end

---One connection. Raises `invalid method:… e.g[server, client]` and `need sslctx`.
---@param method "client"|"server"
---@param ctx ltls.c.ctx
---@param hostname string? of a client: the server's name
---@param name string? what to verify, where no hostname is to be told to the server
---@return ltls.c.tls
function ltls.newtls(method, ctx, hostname, name) end

return ltls
