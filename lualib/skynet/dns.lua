-- Names to addresses: files of the system, what is known already, and name servers.
--
-- A server on this machine that the application has named itself is asked as skynet (C) asks (skynet.dns.plain), unless
-- `dns.strict` is set; all others in a way that strangers cannot answer (skynet.dns.query).

local skynet = require "skynet"
local core = require "skynet.core"
local Cache = require "skynet.dns.cache"
local files = require "skynet.dns.files"
local plain = require "skynet.dns.plain"
local query = require "skynet.dns.query"

local TYPE <const> = { v4 = 1, v6 = 28, services = 33 }
local NONE <const> = "timeout or no answer"
local DEADLINE <const> = 3000 -- for a name, in centiseconds
local TIMEOUT <const>, ATTEMPTS <const> = 2, 3 -- seconds for a datagram, rounds
local FRESH <const> = 6000 -- how long resolv.conf is taken for unchanged
local NEGATIVE <const> = 3600 -- seconds that "there is no such name" is believed at most

local dns = {
	DEFAULT_HOSTS = "/etc/hosts",
	DEFAULT_RESOLV_CONF = "/etc/resolv.conf",
	strict = nil,
}

local known = { v4 = Cache.new(), v6 = Cache.new(), services = Cache.new() }

-- Who is asked

local given -- servers that the application has named
local system -- { path, conf, time }: what resolv.conf says

function dns.server(ip, port)
	if ip == nil then
		given, system = nil, nil
		return
	end
	given = {}
	for i, text in ipairs(type(ip) == "table" and ip or { ip }) do
		local server = files.server(text, port or 53)
		core.check(server, ("%q is not the address of a name server, such as 192.0.2.1 or [2001:db8::1]:53"):format(text))
		given[i] = server
	end
end

local function conf_of_system()
	local path, now = dns.DEFAULT_RESOLV_CONF, skynet.now()
	if not system or system.path ~= path or now - system.time > FRESH then
		system = { path = path, conf = files.resolv(path), time = now }
	end
	return system.conf
end

local function conf()
	local found = given and { servers = given, search = {}, ndots = 1 } or conf_of_system()
	core.check(found.servers[1], "Call dns.server first")
	found.timeout, found.attempts = found.timeout or TIMEOUT, found.attempts or ATTEMPTS
	return found
end

-- On this machine, and named by the application: as in skynet (C).
local function trusted()
	if dns.strict or not given or #given > 1 then
		return false
	end
	local ip = given[1].ip
	return ip == "::1" or ip:find "^127%." ~= nil
end

-- Answers

local function remember(answer)
	for _, family in ipairs { "v4", "v6" } do
		if answer[family][1] then
			known[family]:put(answer.name, answer[family], answer.ttl)
		end
	end
end

local function ask_trusted(name, family)
	local answer = plain.ask(given[1], name, TYPE[family], remember)
	if answer and answer[family][1] then
		return answer[family]
	end
	return known[family]:get_old(name) or nil
end

-- The names that a name may stand for, in order: as it is, or in one of the search domains.
local function candidates(found, name)
	local absolute = name:match "^(.*)%.$"
	if absolute then
		return { absolute }
	end
	local list = {}
	for i, domain in ipairs(found.search) do
		list[i] = name .. "." .. domain
	end
	local _, dots = name:gsub("%.", "")
	table.insert(list, dots >= found.ndots and 1 or #list + 1, name)
	return list
end

-- What there is of one kind under a name, or nil and why. All of an answer's time is known under the name asked for.
local function look_up(found, name, kind, deadline)
	local cache = known[kind]
	local list = cache:get(name)
	if list then
		return list
	elseif list == false then
		return nil, "there is none"
	end
	local answer, why = query.ask(found, name, TYPE[kind], deadline)
	if not answer then
		return nil, why, cache:get_old(name) or nil
	end
	list = answer[kind]
	if list[1] then
		cache:put(name, list, answer.ttl)
		return list
	end
	cache:put(name, false, math.min(answer.negative_ttl or 0, NEGATIVE))
	return nil, "there is none"
end

local function ask(name, kind)
	local found = conf()
	local deadline = skynet.now() + DEADLINE
	local why, old
	for _, candidate in ipairs(candidates(found, name)) do
		local list
		list, why, old = look_up(found, candidate, kind, deadline)
		list = list or old
		if list then
			return list
		elseif why ~= "there is none" then
			break
		end
	end
	return nil, why
end

-- What applications call

local function legal(name)
	if #name < 1 or #name > 1024 or name:find "[^_a-z0-9.-]" then
		return false
	end
	for label in name:gmatch "[^.]+" do
		if #label > 63 then
			return false
		end
	end
	return true
end

local hosts -- { path, names }: the file is read once

local function in_hosts(name, family)
	local path = dns.DEFAULT_HOSTS
	if path and not (hosts and hosts.path == path) then
		local names = files.hosts(path)
		hosts = names and { path = path, names = names }
	end
	local host = path and hosts and hosts.names[name]
	return host and host[family][1] and host[family]
end

local function results(list)
	return list[1], table.move(list, 1, #list, 1, {})
end

function dns.resolve(name, ipv6)
	name = name:lower()
	if name:find "^[%d.]+$" or name:find(":", 1, true) then
		return name
	elseif not legal(name) then
		return nil, "illegal name"
	end
	local family = ipv6 and "v6" or "v4"
	local list = in_hosts(name, family)
	local why
	if not list then
		if trusted() then
			list = known[family]:get(name) or ask_trusted(name, family)
		else
			list, why = ask(name, family)
		end
	end
	if not list then
		core.raise(why and ("%s: %s: %s"):format(NONE, name, why) or NONE)
	end
	return results(list)
end

-- Hosts of a service in the order in which they are to be tried: by priority, and by chance with their weights.
local function ordered(services)
	local rest, list = {}, {}
	for i, service in ipairs(services) do
		rest[i] = service
	end
	table.sort(rest, function(a, b)
		return a.priority < b.priority
	end)
	while rest[1] do
		local n, sum = 0, 0
		while rest[n + 1] and rest[n + 1].priority == rest[1].priority do
			n = n + 1
			sum = sum + rest[n].weight
		end
		local chosen, left = 1, math.random(0, sum)
		while chosen < n and left > rest[chosen].weight do
			left = left - rest[chosen].weight
			chosen = chosen + 1
		end
		local service = table.remove(rest, chosen)
		list[#list + 1] = {
			host = service.target,
			port = service.port,
			priority = service.priority,
			weight = service.weight,
		}
	end
	return list
end

function dns.srv(name)
	name = name:lower()
	if not legal(name) then
		return nil, "illegal name"
	end
	local list, why = ask(name, "services")
	if not list then
		core.raise(("%s: %s: %s"):format(NONE, name, why))
	end
	return ordered(list)
end

function dns.flush()
	known = { v4 = Cache.new(), v6 = Cache.new(), services = Cache.new() }
end

return dns
