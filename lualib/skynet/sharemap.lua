-- A table with one writer and readers in all services of the node: a message of a sproto type in an stm.

local stm = require "skynet.stm"
local loader = require "sprotoloader"

local SLOT = 0 -- of the schema
local sharemap = {}
local schema

function sharemap.register(filename)
	return loader.register(filename, SLOT)
end

local function schema_of_node()
	schema = schema or loader.load(SLOT)
	return schema
end

-- Reading and writing its fields is reading and writing the data.
function sharemap.writer(typename, data)
	local proto = schema_of_node()
	data = data or {}
	local value = stm.new(proto:encode(typename, data))
	local writer = {}
	function writer.commit()
		value(proto:encode(typename, data))
	end
	function writer.copy()
		return stm.copy(value)
	end
	return setmetatable(writer, { __index = data, __newindex = data, __pairs = function() return pairs(data) end })
end

local function read_only()
	error("a reader of a sharemap is read-only", 2)
end

function sharemap.reader(typename, reference)
	local proto = schema_of_node()
	local value = stm.newcopy(reference)
	local meta = { __newindex = read_only }
	local function decode(msg, sz)
		return proto:decode(typename, msg, sz)
	end
	local reader = {}
	function reader.update()
		local new, data = value(decode)
		if not new then
			return false
		end
		meta.__index = data
		return true, data
	end
	function meta.__pairs()
		return pairs(meta.__index)
	end
	reader.update()
	return setmetatable(reader, meta)
end

return sharemap
