-- Nodes from the domain name system: the SRV records of a service, where a node's name is the first label of its host
-- (room-0.room.game.svc.cluster.local: room-0), or the addresses of one host, which are the nodes' names as well.
--
-- An answer is asked for again when its time is over, which skynet.dns sees to, but not more often than every 5
-- seconds. A look-up that finds nothing changes nothing for a minute, and while no server answers, nothing changes.

local skynet = require "skynet"
local dns = require "skynet.dns"

local EVERY <const>, KEPT <const> = 500, 6000 -- centiseconds

local Source = {}
Source.__index = Source

local names = {}

function names.new(settings, nodes)
	if settings.server then
		dns.strict = true
		dns.server(settings.server)
	end
	return setmetatable({
		host = settings.host,
		port = settings.port,
		service = settings.service,
		nodes = nodes,
		status = { up = false },
	}, Source)
end

local function of_service(self)
	local found, why = dns.srv(self.service)
	local list = {}
	for _, record in ipairs(found or error(why, 0)) do
		local host = record.host:gsub("%.$", "")
		local name = host:match "^[^.]+"
		list[#list + 1] = { name = name, address = ("%s:%d"):format(host, record.port), labels = {} }
	end
	return list
end

local function of_host(self)
	local _, found = dns.resolve(self.host)
	if type(found) ~= "table" then
		found = { found }
	end
	local list = {}
	for _, ip in ipairs(found) do
		local shown = ip:find(":", 1, true) and ("[%s]"):format(ip) or ip
		list[#list + 1] = { name = ip, address = ("%s:%d"):format(shown, self.port), labels = {} }
	end
	return list
end

local function look(self)
	local ok, list = pcall(self.service and of_service or of_host, self)
	if ok and not list[1] then
		ok, list = false, "there are no addresses"
	end
	if ok then
		self.nodes:replace(list)
		self.found, self.why = skynet.now(), nil
	elseif list ~= self.why then
		self.why = list
		local what = self.service or self.host
		skynet.error(("warning: discovery: %s: %s; what was known stays for a minute"):format(what, list))
	end
	self.status.up = ok
	if not ok and self.found and skynet.now() - self.found > KEPT then
		self.nodes:replace {}
	end
end

-- Looks for ever.
function Source:run()
	while true do
		look(self)
		skynet.sleep(EVERY)
	end
end

return names
