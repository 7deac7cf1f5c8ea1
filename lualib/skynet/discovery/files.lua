-- Nodes from a file, which is looked at every second: the file of the key `cluster` with tables beside addresses,
-- `db = { address = "10.0.0.5:2528", labels = { role = "db" } }`. A file with a mistake changes nothing.

local skynet = require "skynet"

local EVERY <const> = 100 -- centiseconds
local LIMIT <const> = 4 << 20 -- bytes

local Source = {}
Source.__index = Source

local files = {}

function files.new(settings, nodes)
	return setmetatable({ path = settings.path, nodes = nodes, status = { up = false } }, Source)
end

local function node_of(name, value)
	if type(value) == "string" then
		value = { address = value }
	end
	local address = type(value) == "table" and value.address
	if type(name) ~= "string" or type(address) ~= "string" or not address:find ":%d+$" then
		error(("`%s` has no address such as \"10.0.0.5:2528\""):format(tostring(name)), 0)
	end
	local labels = {}
	for k, v in pairs(value.labels or {}) do
		labels[tostring(k)] = tostring(v)
	end
	return { name = name, address = address, labels = labels, draining = value.draining == true }
end

-- The nodes that a text declares. Raises what is wrong with it.
local function evaluate(path, text)
	local values = {}
	assert(load(text, "@" .. path, "t", values))()
	local list = {}
	for name, value in pairs(values) do
		local option = type(name) == "string" and name:find "^__"
		if value and not option then
			list[#list + 1] = node_of(name, value)
		end
	end
	return list
end

local function read(path)
	local file <close> = assert(io.open(path, "rb"))
	local text = file:read(LIMIT + 1) or ""
	assert(#text <= LIMIT, path .. " is larger than 4 MiB")
	return text
end

local function look(self)
	local ok, text = pcall(read, self.path)
	if not ok then
		return false, text
	elseif text == self.text then
		return self.status.up, self.why
	end
	self.text = text
	local good, list = pcall(evaluate, self.path, text)
	if not good then
		return false, list
	end
	self.nodes:replace(list)
	return true
end

local function report(self, up, why)
	if why and why ~= self.why then
		skynet.error(("warning: discovery: %s; what was known stays"):format(why))
	end
	self.status.up, self.why = up, why
end

-- Looks for ever.
function Source:run()
	while true do
		report(self, look(self))
		skynet.sleep(EVERY)
	end
end

return files
