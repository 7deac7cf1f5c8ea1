---@meta skynet.dns

---Names to addresses: by the file of hosts, by what is known already, and by name servers.
---@class skynet.dns
---@field DEFAULT_HOSTS string|false? the file of hosts; default /etc/hosts. It is read once
---@field DEFAULT_RESOLV_CONF string|false? the file that names the servers; default /etc/resolv.conf
---@field strict boolean? true: a server on this machine is asked like any other, see below
local dns = {}

---A host of a service.
---@class skynet.dns.service
---@field host string
---@field port integer
---@field priority integer
---@field weight integer

---Names the servers to ask, instead of those of the file. Nothing: those of the file again.
---@param ip string|string[]? addresses, each with its own port if it has one: 192.0.2.1, 192.0.2.1:5353
---@param port integer? default 53
function dns.server(ip, port) end

---The addresses of a name. Blocks. An address is returned as it is, alone. Raises an error if there are none, or if
---nobody answers within half a minute.
---@param name string
---@param ipv6 boolean? addresses of IPv6 instead of IPv4
---@return string? first nil, if the name cannot be one
---@return string[]|string all or what is wrong with the name
function dns.resolve(name, ipv6) end

---The hosts of a service, in the order in which they are to be tried: by priority, and by chance with their weights.
---Blocks. Raises errors as `resolve` does.
---@param name string such as _game._tcp.example.org
---@return skynet.dns.service[]? nil, if the name cannot be one
---@return string? why
function dns.srv(name) end

---Forgets what is known.
function dns.flush() end

return dns
