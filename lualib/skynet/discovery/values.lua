-- What a node writes about itself into a store, as JSON, and what is read there. Others may write there as well:
-- nothing is taken for granted.

local cjson = require "cjson"

local values = {}

-- labels are texts; numbers and booleans become texts
function values.labels(labels)
	local list = {}
	for name, value in pairs(type(labels) == "table" and labels or {}) do
		if type(name) == "string" and (type(value) ~= "table" and value ~= cjson.null) then
			list[name] = tostring(value)
		end
	end
	return list
end

function values.write(node)
	return cjson.encode {
		address = node.address,
		admin = node.admin,
		labels = node.labels,
		started = node.since,
		draining = node.draining or nil,
	}
end

-- nil for a text that is none of ours.
function values.read(name, text, incarnation)
	local ok, value = pcall(cjson.decode, text)
	if not ok or type(value) ~= "table" or type(value.address) ~= "string" then
		return nil
	end
	return {
		name = name,
		address = value.address,
		admin = type(value.admin) == "string" and value.admin or nil,
		labels = values.labels(value.labels),
		since = tonumber(value.started),
		draining = value.draining == true,
		incarnation = incarnation,
	}
end

return values
