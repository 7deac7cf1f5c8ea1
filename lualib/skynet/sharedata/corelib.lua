-- Proxies: how a service sees a shared document (see skynet.sharedata).
--
-- A proxy is an empty table, so that every assignment is noticed. Its metatable is its state; the field `__index` there
-- is a plain table, the cache, which holds what was read before. So reading a field again calls nothing. Only what the
-- cache does not have is looked up in the document.

local core = require "skynet.sharedata.core"

local STATE = {} -- the key of the state in a cache

---@class skynet.sharedata.state
---@field box userdata? the document; nil when the path of this proxy has gone
---@field table integer? the number of its table there
---@field proxy table
---@field parent skynet.sharedata.state?
---@field key string|integer? its key in the parent
---@field __index table the cache

local lib = {}
local load_field = {} -- metatable of the caches

local function path(state)
	local parent = state.parent
	return parent and ("%s.%s"):format(path(parent), state.key) or ""
end

local function newindex(proxy)
	error(("Error newindex, the key [%s]"):format(path(getmetatable(proxy))), 2)
end

local function length(proxy)
	local state = getmetatable(proxy)
	return core.len(state.box, state.table)
end

local function next_pair(proxy, last)
	local state = getmetatable(proxy)
	local key, value, child = core.next(state.box, state.table, last)
	if child then
		value = proxy[key]
	end
	return key, value
end

local function pairs_of(proxy)
	return next_pair, proxy, nil
end

local function new_proxy(box, number, parent, key)
	local cache, proxy = setmetatable({}, load_field), {}
	local state = {
		__index = cache, __newindex = newindex, __len = length, __pairs = pairs_of,
		box = box, table = number, proxy = proxy, parent = parent, key = key,
	}
	cache[STATE] = state
	return setmetatable(proxy, state)
end

function load_field.__index(cache, key)
	local state = cache[STATE]
	local value, child = core.get(state.box, state.table, key)
	if child then
		value = new_proxy(state.box, child, state, key)
	end
	if value ~= nil then
		cache[key] = value
	end
	return value
end

local function vanished(proxy)
	error(("The key [%s] doesn't exist after update"):format(path(getmetatable(proxy))), 2)
end

-- The path of a proxy is no table any more, nor is anything below it.
local function retire(state)
	for key, value in next, state.__index do
		if key ~= STATE and type(value) == "table" then
			retire(getmetatable(value))
		end
	end
	state.__index, state.__newindex, state.__len, state.__pairs = vanished, vanished, vanished, vanished
	state.box, state.table = nil, nil
end

local function point_at(state, box, number)
	local cache = state.__index
	state.box, state.table = box, number
	for key, value in next, cache do
		if key == STATE then
			goto continue
		end
		if type(value) == "table" then
			local _, child = core.get(box, number, key)
			if child then
				point_at(getmetatable(value), box, child)
				goto continue
			end
			retire(getmetatable(value))
		end
		cache[key] = nil
		::continue::
	end
end

-- The proxy of a document that another service has shared.
---@param pointer lightuserdata
function lib.box(pointer)
	local box = core.box(pointer)
	return new_proxy(box, core.root(box))
end

-- Lets a proxy of `box`, and all that were read from it, show another document.
function lib.update(proxy, pointer)
	local box, state = core.box(pointer), getmetatable(proxy)
	local old = state.box
	point_at(state, box, core.root(box))
	if not state.parent then
		core.empty(old) -- no proxy shows it any more
	end
end

-- Lets go of the document of a proxy that nobody uses any more.
function lib.close(proxy)
	core.empty(getmetatable(proxy).box)
end

-- An ordinary table with what is below the keys.
function lib.copy(proxy, ...)
	local state = getmetatable(proxy)
	return core.copy(state.box, state.table, ...)
end

-- Proxies follow an update at once: nothing is left to do for one that was not read since.
function lib.flush() end

-- Documents by their pointers, for applications that share without the service sharedatad. `new` returns a pointer with
-- one reference, which `delete` gives back; proxies in any service have references of their own.
local host = {}
lib.host = host

local held = {} -- pointer -> box with a reference for `incref`, and how many of them there are

function host.new(value)
	local box = core.new(value)
	local pointer = core.share(box)
	core.empty(box)
	return pointer
end

host.delete = core.release

function host.getref(pointer)
	local entry = held[pointer]
	return entry and entry.count or 0
end

function host.incref(pointer)
	local entry = held[pointer] or { box = core.box(pointer), count = 0 }
	held[pointer] = entry
	entry.count = entry.count + 1
	return entry.count
end

function host.decref(pointer)
	local entry = held[pointer]
	if not entry then
		return 0
	end
	entry.count = entry.count - 1
	if entry.count == 0 then
		held[pointer] = nil
		core.empty(entry.box)
	end
	return entry.count
end

-- What has changed is told to proxies by `update`, whether they were marked or not.
function host.markdirty() end

return lib
