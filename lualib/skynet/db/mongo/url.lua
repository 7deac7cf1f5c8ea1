-- Connection strings of MongoDB: mongodb://user:password@host1:port,host2/database?options, and mongodb+srv://, whose
-- hosts are asked of DNS.

local dns = require "skynet.dns"
local check = require("skynet.core").check

local DEFAULT_PORT <const> = 27017
local FORM <const> = "a connection string is mongodb://user:password@host:port,host:port/database?option=value"

local function decoded(text)
	return (text:gsub("%%(%x%x)", function(digits)
		return string.char(tonumber(digits, 16))
	end))
end

local function boolean(key, value)
	check(value == "true" or value == "false", ("%s=%s: true or false"):format(key, value))
	return value == "true"
end

local function milliseconds(key, value)
	local ms = math.tointeger(tonumber(value))
	check(ms and ms >= 0, ("%s=%s: milliseconds"):format(key, value))
	return ms > 0 and (ms + 9) // 10 or nil
end

local mechanisms <const> = {
	["SCRAM-SHA-1"] = "scram_sha1",
	["SCRAM-SHA-256"] = "scram_sha256",
	["MONGODB-CR"] = "mongodb_cr",
}

local option = {}

function option.replicaset(conf, _, value)
	conf.set = value
end

function option.authsource(conf, _, value)
	conf.authdb = value
end

function option.authmechanism(conf, _, value)
	conf.authmod = check(mechanisms[value], ("authMechanism=%s: SCRAM-SHA-256, SCRAM-SHA-1 or MONGODB-CR"):format(value))
end

function option.tls(conf, key, value)
	conf.tls = boolean(key, value) and (conf.tls or {}) or nil
	conf.plain = not conf.tls
end

option.ssl = option.tls

function option.tlscafile(conf, _, value)
	conf.tls = conf.tls or {}
	conf.tls.ca = value
end

function option.tlscertificatekeyfile(conf, _, value)
	conf.tls = conf.tls or {}
	conf.tls.cert, conf.tls.key = value, value
end

function option.tlsallowinvalidcertificates(conf, key, value)
	conf.tls = conf.tls or {}
	conf.tls.verify = not boolean(key, value)
end

function option.sockettimeoutms(conf, key, value)
	conf.timeout = milliseconds(key, value)
end

-- What other drivers need, and what is so here anyway: one connection, which reads and writes at the primary.
for _, name in ipairs {
	"appname", "maxpoolsize", "minpoolsize", "connecttimeoutms", "serverselectiontimeoutms", "retrywrites", "retryreads",
	"compressors", "directconnection",
} do
	option[name] = function() end
end

local function address(text)
	local host, port = text:match "^%[([%x:.]+)%]:?(%d*)$"
	if not host then
		host, port = text:match "^([^:]+):?(%d*)$"
	end
	check(host, FORM)
	port = port ~= "" and math.tointeger(tonumber(port)) or DEFAULT_PORT
	check(port >= 1 and port <= 65535, ("the port of %s is no port"):format(text))
	return { host = decoded(host), port = port }
end

local function hosts_of_service(name)
	check(not name:find "[,:]", "mongodb+srv has one name without a port")
	local found, why = dns.srv("_mongodb._tcp." .. name)
	check(found and found[1], ("mongodb+srv: %s has no hosts: %s"):format(name, why or "none found"))
	local list = {}
	for i, service in ipairs(found) do
		list[i] = { host = service.host, port = service.port }
	end
	return list
end

-- The configuration that a connection string stands for.
return function(text)
	local kind, rest = text:match "^(mongodb[+srv]*)://(.+)$"
	check(kind == "mongodb" or kind == "mongodb+srv", FORM)
	local before, options = rest:match "^([^?]*)%??(.*)$"
	local place, database = before:match "^([^/]*)/?(.*)$"
	local who, where = place:match "^(.*)@(.*)$"
	where = where or place
	local conf = {}
	if kind == "mongodb+srv" then
		conf.tls = {}
	end
	if who then
		local user, password = who:match "^([^:]*):?(.*)$"
		conf.username, conf.password = decoded(user), decoded(password)
		conf.authmod = "scram_sha256"
		conf.authdb = database ~= "" and decoded(database) or nil
	end
	for key, value in options:gmatch "([^&=]+)=([^&]*)" do
		local f = option[key:lower()]
		check(f, ("%s: an option that a connection string cannot have here"):format(key))
		f(conf, key, decoded(value))
	end
	if conf.plain then
		conf.tls = nil
	end
	local list = {}
	if kind == "mongodb+srv" then
		list = hosts_of_service(where)
	else
		for part in where:gmatch "[^,]+" do
			list[#list + 1] = address(part)
		end
	end
	check(list[1], FORM)
	conf.host, conf.port = list[1].host, list[1].port
	conf.hosts = list
	return conf
end
