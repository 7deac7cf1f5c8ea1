---@meta http.tlshelper

---TLS over sockets of `skynet.socket`, for `http.httpc`, `http.websocket` and programs in their way. It needs no
---`enablessl`. New programs are better off with [`socket.tls`](skynet.socket.md), which is quicker and serves every
---kind of socket.
---
---A client made with a context of this module verifies the server: by the authorities of the system, or of a file.
---Where there is no name to verify, the certificate has to be made out to the address that the socket is connected to.
---@class http.tlshelper
local helper = {}

---What connections of one kind share. Options:
---
---* `verify`: false does without any verification, which the log says once for each peer. Default: as the config key
---  `tlsverify` says.
---* `ca`: a file with the certificates of the authorities that are trusted, instead of those of the system.
---* `cert`, `key`: files with the own certificate and its key. Without `key` it is in the file of the certificate.
---* `alpn`: an array of protocols, the preferred one first.
---* `clientcert`: for a server, whether clients show a certificate: `"required"` (the default if `ca` is set),
---  `"optional"`, `"none"`.
---@param options table?
---@return ltls.c.ctx
function helper.newctx(options) end

---One connection, for the functions below.
---@param method "client"|"server"
---@param ctx ltls.c.ctx
---@param hostname string? of a client: the server's name
---@param name string? what to verify, where no hostname is to be told to the server
---@return ltls.c.tls
function helper.newtls(method, ctx, hostname, name) end

---The handshake of a client; `f` raises why if it fails.
---@param fd integer
---@param tls ltls.c.tls
---@return fun(hostname: string?) f
function helper.init_requestfunc(fd, tls) end

---The handshake of a server, likewise.
---@param fd integer
---@param tls ltls.c.tls
---@return fun() f
function helper.init_responsefunc(fd, tls) end

---A function that frees the object.
---@param tls ltls.c.tls
---@return fun() f frees the object; the socket stays
function helper.closefunc(tls) end

---`f(n)` returns n bytes, `f()` what comes next, which may be "". A lost connection raises `socket_error` of
---`http.sockethelper`.
---@param fd integer
---@param tls ltls.c.tls
---@return fun(n: integer?): string f
function helper.readfunc(fd, tls) end

---`f(data)` sends. A lost connection raises `socket_error`, too.
---@param fd integer
---@param tls ltls.c.tls
---@return fun(data: string) f
function helper.writefunc(fd, tls) end

---`f()` returns everything until the peer closes.
---@param fd integer
---@param tls ltls.c.tls
---@return fun(): string f
function helper.readallfunc(fd, tls) end

return helper
