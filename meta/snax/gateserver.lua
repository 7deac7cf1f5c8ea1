---@meta snax.gateserver

---Makes a service a gate: it listens, accepts clients, and hands their frames (see skynet.netpack) to a handler.
---
---The service then answers the commands `open` (with a snax.gateserver.conf), `close` (stops listening, clients stay),
---and those of the handler.
---@class snax.gateserver
local gateserver = {}

---@class snax.gateserver.conf
---@field address string? default 0.0.0.0; may be "host:port"; becomes the bound ip
---@field port integer? becomes the bound port
---@field maxclient integer? default 1024: one less is served
---@field nodelay boolean?
---@field backlog integer? default: as many as the system allows
---@field tls skynet.socket.tls? clients have TLS, with this certificate; they are accepted when their handshake has ended

---@class snax.gateserver.handler
---@field connect fun(fd: integer, addr: string) accepted; not read before openclient
---@field message fun(fd: integer, msg: lightuserdata, sz: integer) a frame, which the handler owns
---@field disconnect fun(fd: integer)? the connection has ended; closeclient is still to be called
---@field error fun(fd: integer, text: string)? it failed; disconnect follows
---@field warning fun(fd: integer, kb: integer)? its output piles up, or is gone (0)
---@field open (fun(source: integer, conf: snax.gateserver.conf): ...)? it listens; the results are those of the command
---@field command fun(cmd: string, source: integer, ...): ... all other commands
---@field embed boolean? the caller runs skynet.start itself

---Makes this service a gate: it answers the commands `open` and `close`, and its clients are handled by these
---functions.
---@param handler snax.gateserver.handler
function gateserver.start(handler) end

---Begins to read a client.
---@param fd integer
function gateserver.openclient(fd) end

---Closes a client, or lets go of one that has ended.
---@param fd integer
function gateserver.closeclient(fd) end

return gateserver
