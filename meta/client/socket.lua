---@meta client.socket

---Sockets for programs that are no services, such as test clients: `skynet lua` has it. In a service it holds up a
---worker; see skynet.socket.
---@class client.socket
local socket = {}

---Connects, and waits for that. Raises an error if it fails.
---@param address string
---@param port integer
---@return integer fd
function socket.connect(address, port) end

---Sends all of it, and waits until it is sent.
---@param fd integer
---@param text string
function socket.send(fd, text) end

---What has come, up to 4,096 bytes; nothing if there is nothing yet; "" when there will be no more.
---@param fd integer
---@return string?
function socket.recv(fd) end

---Ends one direction or both.
---@param fd integer
---@param how "r"|"w"|"rw"
function socket.shutdown(fd, how) end

---Closes the connection.
---@param fd integer
function socket.close(fd) end

---Sleeps.
---@param microseconds integer
function socket.usleep(microseconds) end

---A line of standard input; nothing if there is none yet. After the last line the program ends with status 1.
---@return string?
function socket.readstdin() end

return socket
