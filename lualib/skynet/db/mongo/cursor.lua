-- Cursors: the results of find and aggregate, batch by batch.
--
-- `__at` is the place in the batch of the next document, nil between two batches. `__cursor` is the server's number of
-- the cursor, 0 when there is none any more, nil before the first batch.

local bson = require "bson"
local check, raise = require("skynet.core").check, require("skynet.core").raise

local cursors = {}

local Cursor = {}
Cursor.__index = Cursor

local function new(class, coll, fields)
	fields.__collection = coll
	return setmetatable(fields, class)
end

-- One table by its own order, or several in theirs.
local function order_of(first, ...)
	if select("#", ...) == 0 then
		return bson.encode(first)
	end
	local keys = {}
	for _, item in ipairs { first, ... } do
		local key, direction = next(item)
		table.move({ key, direction }, 1, 2, #keys + 1, keys)
	end
	return bson.encode_order(table.unpack(keys))
end

function Cursor:sort(first, ...)
	self.__sort = order_of(first, ...)
	return self
end

function Cursor:skip(n)
	self.__skip = n
	return self
end

function Cursor:limit(n)
	self.__limit = n
	return self
end

local function failed(self, reply)
	self.__cursor, self.__batch, self.__at = 0, nil, nil
	raise(reply.errmsg or "Reply from mongod error")
end

-- The next batch has come; false if it is the last one and empty.
local function took(self, reply)
	local cursor = reply.cursor
	local batch = cursor.firstBatch or cursor.nextBatch
	self.__batch, self.__at, self.__cursor = batch, 1, cursor.id
	local limit = self.__limit
	if cursor.id ~= 0 and limit and limit > 0 then
		self.__limit = limit - #batch
		if self.__limit <= 0 then
			self:close()
		end
	end
	return #batch > 0 or self.__cursor ~= 0
end

function Cursor:hasNext()
	if self.__at then
		return true
	end
	local reply
	if self.__cursor == nil then
		reply = self:__first()
	elseif self.__cursor == 0 then
		return false
	else
		reply = self:__more()
	end
	if reply.ok ~= 1 then
		failed(self, reply)
	end
	return took(self, reply)
end

function Cursor:next()
	local at = self.__at
	check(at, "Call\thasNext\tfirst")
	local document = self.__batch[at]
	if at < #self.__batch then
		self.__at = at + 1
	else
		self.__at, self.__batch = nil, nil
	end
	return document
end

function Cursor:close()
	local id = self.__cursor
	if id and id ~= 0 then
		self.__cursor = 0
		local coll = self.__collection
		coll.database:send_command("killCursors", coll.name, "cursors", { bson.int64(id) })
	end
end

local function options(list, more)
	for _, pair in ipairs(more) do
		if pair[2] ~= nil then
			table.move(pair, 1, 2, #list + 1, list)
		end
	end
	return table.unpack(list)
end

-- find

local Find = setmetatable({}, { __index = Cursor })
Find.__index = Find

function cursors.find(coll, query, projection)
	return new(Find, coll, { __query = query, __projection = projection, __sort = bson.encode {} })
end

function Find:hint(index)
	self.__hint = index
	return self
end

function Find:maxTimeMS(ms)
	self.__maxTimeMS = ms
	return self
end

function Find:batchSize(n)
	self.__batchSize = n
	return self
end

function Find:__first()
	local coll = self.__collection
	return coll.database:runCommand("find", coll.name, options({
		"filter", self.__query, "sort", self.__sort, "projection", self.__projection,
	}, {
		{ "skip", self.__skip },
		{ "limit", self.__limit },
		{ "hint", self.__hint },
		{ "maxTimeMS", self.__maxTimeMS },
		{ "batchSize", self.__batchSize },
	}))
end

function Find:__more()
	local coll = self.__collection
	return coll.database:runCommand("getMore", bson.int64(self.__cursor), options({ "collection", coll.name },
		{ { "batchSize", self.__batchSize } }))
end

function Find:count(with_limit_and_skip)
	local coll = self.__collection
	local reply = coll.database:runCommand("count", coll.name, options({ "query", self.__query }, {
		{ "skip", with_limit_and_skip and (self.__skip or 0) or nil },
		{ "limit", with_limit_and_skip and (self.__limit or 0) or nil },
		{ "hint", self.__hint },
		{ "maxTimeMS", self.__maxTimeMS },
	}))
	if reply.ok ~= 1 then
		raise(reply.errmsg or "Reply from mongod error")
	end
	return reply.n
end

-- aggregate

local Aggregate = setmetatable({}, { __index = Cursor })
Aggregate.__index = Aggregate

function cursors.aggregate(coll, pipeline, given)
	return new(Aggregate, coll, { __pipeline = pipeline, __options = given })
end

-- The caller's stages, and those of sort, skip and limit; the caller's list stays as it is.
local function stages(self, sort, bounds)
	local list = table.move(self.__pipeline, 1, #self.__pipeline, 1, {})
	if sort and self.__sort then
		list[#list + 1] = { ["$sort"] = self.__sort }
	end
	if bounds and self.__skip and self.__skip > 0 then
		list[#list + 1] = { ["$skip"] = self.__skip }
	end
	if bounds and self.__limit and self.__limit > 0 then
		list[#list + 1] = { ["$limit"] = self.__limit }
	end
	return list
end

local function run(self, pipeline)
	local coll = self.__collection
	local list = { "pipeline", pipeline }
	if self.__options then
		for key, value in pairs(self.__options) do
			table.move({ key, value }, 1, 2, #list + 1, list)
		end
	else
		list[3], list[4] = "cursor", {}
	end
	return coll.database:runCommand("aggregate", coll.name, table.unpack(list))
end

function Aggregate:__first()
	return run(self, stages(self, true, true))
end

function Aggregate:__more()
	local coll = self.__collection
	return coll.database:runCommand("getMore", bson.int64(self.__cursor), "collection", coll.name)
end

function Aggregate:count(with_limit_and_skip)
	local list = stages(self, false, with_limit_and_skip)
	list[#list + 1] = { ["$count"] = "__count" }
	local reply = run(self, list)
	if reply.ok ~= 1 then
		raise(reply.errmsg or "Reply from mongod error")
	end
	return reply.cursor.firstBatch[1].__count
end

return cursors
