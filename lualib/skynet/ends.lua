-- skynet.watch, link and trapexit: who wants to know of the ends of other services, and what is done then.
--
-- The kernel tells this service of an end once, whatever number of functions wait for it here.

local skynet = require "skynet"
local core = require "skynet.core"

local ends = {}

local watches = {} -- handle -> list of { id, address as it was given, f }
local watched = {} -- id -> handle
local last_id = 0
local watch_session, trap_session, trap

-- A handle of this node; nil for a name that nobody has.
local function handle_of(addr, what)
	local handle = addr
	if type(addr) == "string" then
		if addr:sub(1, 1) == "." then
			return skynet.localname(addr)
		end
		local hex = addr:match "^:(%x+)$"
		handle = hex and tonumber(hex, 16)
	end
	core.check(math.type(handle) == "integer", ("%s: %s is no address of a service (a handle, \":0000000a\" or \".name\")")
		:format(what, core.shown(addr)))
	local _, remote = skynet.harbor(handle)
	core.check(not remote, ("%s: %s lives on another node"):format(what, skynet.address(handle)))
	core.check(handle ~= skynet.self(), what .. ": this is the service itself")
	return handle
end

-- The reason and the text of a notice.
local function read(msg, sz)
	local reason, text = core.tostring(msg, sz):match "^(%S+) ?(.*)$"
	return reason, text ~= "" and text or nil
end

local function on_end(handle, msg, sz)
	local list = watches[handle]
	watches[handle] = nil
	local reason, text = read(msg, sz)
	for _, watch in ipairs(list or {}) do
		watched[watch.id] = nil
		skynet.fork(watch.f, watch.addr, reason, text)
	end
end

function ends.watch(addr, f)
	core.check(type(f) == "function", "skynet.watch: a function expected")
	local handle = handle_of(addr, "skynet.watch")
	watch_session = watch_session or core.notices(on_end)
	last_id = last_id + 1
	local list = handle and watches[handle]
	if not list then
		if not handle or not core.watch(handle, watch_session) then
			skynet.fork(f, addr, "gone")
			return last_id
		end
		list = {}
		watches[handle] = list
	end
	list[#list + 1] = { id = last_id, addr = addr, f = f }
	watched[last_id] = handle
	return last_id
end

function ends.unwatch(id)
	local handle = watched[id]
	if not handle then
		return
	end
	watched[id] = nil
	local list = watches[handle]
	for i, watch in ipairs(list) do
		if watch.id == id then
			table.remove(list, i)
			break
		end
	end
	if #list == 0 then
		watches[handle] = nil
		core.unwatch(handle, watch_session)
	end
end

function ends.link(addr)
	local handle = handle_of(addr, "skynet.link")
	if handle and core.link(handle) then
		return
	end
	if not trap then
		core.raise(("skynet.link: there is no service %s"):format(core.shown(addr)))
	end
	skynet.fork(trap, addr, "gone")
end

function ends.unlink(addr)
	local handle = handle_of(addr, "skynet.unlink")
	if handle then
		core.unlink(handle)
	end
end

local function on_linked_end(handle, msg, sz)
	if trap then
		skynet.fork(trap, handle, read(msg, sz))
	end
end

function ends.trapexit(f)
	core.check(f == nil or type(f) == "function", "skynet.trapexit: a function expected, or nil")
	trap = f
	trap_session = trap_session or core.notices(on_linked_end)
	core.trap(f and trap_session or 0)
end

return ends
