---@meta http.sockethelper

---Sockets as functions that read and write, which raise one and the same value when a connection is lost.
---@class http.sockethelper
---@field socket_error table What is raised: compare with `==`. Called with a text it keeps that text for the next `tostring`, and returns itself.
local sockethelper = {}

---A function that reads from a socket: the next bytes that come, or with a number exactly as many. Raises
---`socket_error` when the connection ends before they have come.
---@param fd integer
---@param preread string? bytes that were read already; they come first
---@return fun(n: integer?): string
function sockethelper.readfunc(fd, preread) end

---A function that writes to a socket. Raises `socket_error` when the connection is gone.
---@param fd integer
---@return fun(data: string)
function sockethelper.writefunc(fd) end

---Everything until the end of the connection.
---@param fd integer
---@return string|false data false if there was nothing, and the end had been noticed before
function sockethelper.readall(fd) end

---Connects. Raises `socket_error` if that fails or takes too long; its text says which.
---@param host string
---@param port integer
---@param timeout integer? centiseconds
---@return integer fd
function sockethelper.connect(host, port, timeout) end

---Closes a socket; see `socket.close`.
---@param fd integer
function sockethelper.close(fd) end

---Closes a socket at once; see `socket.shutdown`.
---@param fd integer
function sockethelper.shutdown(fd) end

return sockethelper
