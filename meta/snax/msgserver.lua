---@meta snax.msgserver

---Makes a service a gate for users that a login server has let in (see snax.loginserver): they show that they know
---their secret, send requests, and get each answer also if their connection breaks in between.
---
---The service then answers the commands `open` (with a snax.gateserver.conf that has a `servername` as well), `close`,
---`login`, `logout` and `kick`; the last three are the handlers of these names.
---@class snax.msgserver
local msgserver = {}

---@class snax.msgserver.conf
---@field login_handler fun(uid: string, secret: string, ...): ... calls msgserver.login
---@field logout_handler fun(uid: string, subid: string|integer): ... calls msgserver.logout
---@field kick_handler fun(uid: string, subid: string|integer): ... the user has logged in elsewhere
---@field request_handler fun(username: string, msg: string): string? a request; the answer. May block
---@field register_handler fun(server: string, address: string, port: integer): ... it listens; the results of `open`
---@field disconnect_handler fun(username: string)? a connection of the user has ended; the user stays logged in
---@field expired_number integer? so many answers are kept at least; default 128
---@field maxpending integer? requests of a user that are being worked on; default 1024
---@field maxoutput integer? bytes that may wait for a client; default 16 MiB, or the config key socketpending
---@field timeout integer? centiseconds for the handshake; default 3000

---Makes this service a message gate.
---@param conf snax.msgserver.conf
function msgserver.start(conf) end

---The name by which the gate knows a user.
---@param uid string
---@param subid string|integer what the login handler has given
---@param server string
---@return string
function msgserver.username(uid, subid, server) end

---The parts of a user's name.
---@param username string
---@return string uid
---@return string subid
---@return string server
function msgserver.userid(username) end

---Lets a user in: handshakes with this secret are good from now on. Raises an error if the user is in already.
---@param username string
---@param secret string 8 bytes, from the login
function msgserver.login(username, secret) end

---Closes the connections of a user and forgets all of it. Raises an error if the user is not in.
---@param username string
function msgserver.logout(username) end

---The address of the user's current connection, as ip:port.
---@param username string
---@return string? nil if there is none
function msgserver.ip(username) end

return msgserver
