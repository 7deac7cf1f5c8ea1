---@meta snax.loginserver

---What a login server is started with.
---@class snax.loginserver.conf
---@field host string? default 0.0.0.0
---@field port integer|string 0: any; becomes the bound port when it listens
---@field instance integer? slaves, which talk to the clients; default 8
---@field name string? the master's local name without the dot; default login
---@field multilogin boolean? the same user may be logging in several times at the same time
---@field maxclient integer? clients that are logging in, divided among the slaves; default 1024
---@field timeout integer? centiseconds for a client's part of a login; default 3000
---@field auth_handler fun(token: string): string, string the slave asks who it is: server, user; an error is a 401
---@field login_handler fun(server: string, user: string, secret: string): string? the subid; an error is a 403
---@field command_handler fun(cmd: string, ...): ... lua messages to the master; the results are the answer

---Makes this service a login server. The script is started again for each slave; auth_handler runs there, the other
---functions run in the master.
---@param conf snax.loginserver.conf
local function loginserver(conf) end

return loginserver
