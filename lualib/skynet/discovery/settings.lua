-- What the config says about discovery. Every error names the key.

local settings = {}

local LABEL <const> = "^[%w_.-]+$"

-- A URL may have a password.
local function fail(key, text, ...)
	local shown = ("config key %s: " .. text):format(key, ...):gsub("//[^`]*@", "//(user)@")
	error(shown, 0)
end

local function positive(read, key, default)
	local text = read(key)
	if text == nil then
		return default
	end
	local n = tonumber(text)
	if not n or n <= 0 or n > 86400 then
		fail(key, "`%s` is no number of seconds from above 0 to 86400", text)
	end
	return n
end

-- `name=value name=value` as a table.
local function labels(text)
	local list = {}
	for word in (text or ""):gmatch "%S+" do
		local name, value = word:match "^([^=]+)=(.*)$"
		if not name or not name:find(LABEL) then
			fail("nodelabels", "`%s` is no label; write name=value, with letters, digits, `_`, `.` and `-` in the name", word)
		end
		list[name] = value
	end
	return list
end

-- "host:port", "[::1]:port"
local function is_address(text)
	local port = text:match "^[^:%s]+:(%d+)$" or text:match "^%[[%x:.]+%]:(%d+)$"
	return port and tonumber(port) <= 65535
end

local function host_list(text)
	local list = {}
	for word in text:gmatch "[^,]+" do
		if not is_address(word) then
			fail("discovery", "`%s` is no host:port", word)
		end
		list[#list + 1] = word
	end
	return list
end

local kinds = {}

function kinds.etcd(found, rest, read, secret)
	local hosts, prefix = rest:match "^//([^/]+)/([%w_.-]+)$"
	if not hosts then
		fail("discovery", "`etcd:%s` is not etcd://HOST:PORT[,HOST:PORT…]/NAME", rest)
	end
	found.endpoints, found.prefix = host_list(hosts), "/skynet/" .. prefix .. "/"
	local ca, cert, key = read "etcdca", read "etcdcert", read "etcdkey"
	if (cert == nil) ~= (key == nil) then
		fail(cert and "etcdkey" or "etcdcert", "is missing; the certificate and its key belong together")
	end
	if ca or cert then
		found.tls = { ca = ca, cert = cert, key = key }
	end
	found.user, found.password = read "etcduser", secret and secret "etcdpassword"
end

function kinds.etcds(found, rest, read, secret)
	kinds.etcd(found, rest, read, secret)
	found.tls = found.tls or {}
	found.kind = "etcd"
end

function kinds.redis(found, rest)
	local place, db, prefix = rest:match "^//([^/]+)/(%d+)/([%w_.-]+)$"
	local login, host = (place or ""):match "^(.*)@([^@]+)$"
	host = host or place
	if not host or not is_address(host) then
		fail("discovery", "`redis:%s` is not redis://[USER:PASSWORD@]HOST:PORT/DATABASE/NAME", rest)
	end
	local user, password = (login or ""):match "^([^:]*):(.*)$"
	found.endpoints, found.db, found.prefix = { host }, tonumber(db), "skynet:" .. prefix .. ":"
	found.user, found.password = user ~= "" and user or nil, password
end

function kinds.file(found, rest)
	if rest == "" then
		fail("discovery", "`file:` names no file")
	end
	found.path = rest
end

function kinds.dns(found, rest)
	local server, query = rest:match "^//([^/]+)/(.*)$"
	if server then
		found.server, rest = host_list(server)[1], query
	end
	local host, port = rest:match "^([%w_.-]+):(%d+)$"
	if not host and not rest:find "^_[%w_.-]+$" then
		fail("discovery", "`dns:%s` is neither dns:_SERVICE._tcp.DOMAIN nor dns:HOST:PORT "
			.. "(dns://SERVER:PORT/… asks a certain server)", rest)
	end
	found.host, found.port, found.service = host, tonumber(port), not host and rest or nil
end

-- read(key) gives a key's text, or nil; secret(key) what services cannot read.
function settings.read(read, secret)
	local url = secret and secret "discovery" or read "discovery"
	local kind, rest = url:match "^(%l+):(.*)$"
	if not kinds[kind] then
		fail("discovery", "`%s` begins with none of etcd:// etcds:// file: dns: redis://", url)
	end
	local found = {
		kind = kind,
		name = read "nodename",
		address = read "nodeaddress",
		labels = labels(read "nodelabels"),
		open = read "nodeopen" ~= "false",
		ttl = positive(read, "discoveryttl", 10),
		grace = positive(read, "discoverygrace", 5),
	}
	kinds[kind](found, rest, read, secret)
	if found.address then
		if not found.name then
			fail("nodename", "is missing; `nodeaddress` says how others reach this node, `nodename` under which name")
		elseif not is_address(found.address) then
			fail("nodeaddress", "`%s` is no host:port", found.address)
		end
	end
	return found
end

return settings
