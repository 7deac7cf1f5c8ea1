-- The functions of `skynet` that a typical service calls once or never. They live
-- here, in Lua, so that a service which uses none of them pays nothing: the native
-- `skynet` table loads this module at the first access to a key that it lacks and
-- copies everything from here into itself.

local skynet = require "skynet"
local core = require "skynet.core"

local lazy = {}

function lazy.newservice(name, ...)
	core.check(type(name) == "string", "the name of a service is a string, such as \"main\"")
	return skynet.call(".launcher", "lua", "LAUNCH", "snlua", name, ...)
end

-- The manager answers nil and a text when it cannot give a handle.
local function singleton(node_cmd, global_cmd, scope, ...)
	if scope == true then
		return core.check(skynet.call(".service", "lua", global_cmd, ...))
	end
	return core.check(skynet.call(".service", "lua", node_cmd, scope, ...))
end

function lazy.uniqueservice(...)
	return singleton("LAUNCH", "GLAUNCH", ...)
end

function lazy.queryservice(...)
	return singleton("QUERY", "GQUERY", ...)
end

-- What debug INFO answers; skynet.debugcmds reads it.
function lazy.info_func(f)
	require("skynet.debug").info = f
end

-- Equal stacks are shown once, with the sessions that wait there.
function lazy.uniqtask()
	local waiting = {}
	skynet.task(waiting)
	local groups = {}
	for title, stack in pairs(waiting) do
		local ids = groups[stack]
		if not ids then
			ids = {}
			groups[stack] = ids
		end
		ids[#ids + 1] = math.tointeger(title:match "session: (%d+)$")
	end
	local report = {}
	for stack, ids in pairs(groups) do
		table.sort(ids)
		local shown = table.concat(ids, ",", 1, math.min(#ids, 9))
		report[("%d\tsessions:[%s%s]\n"):format(#ids, shown, #ids > 10 and "..." or "")] = stack
	end
	return report
end

-- skynet.request: several requests at once, answers in the order of their arrival.
--
-- An object is a list of requests; select() sends them all. `pending` holds the
-- sessions without an answer, `ready` the answered requests (with `answers` beside
-- it), `head` the next one to hand out. Answers are collected in the dispatcher,
-- without a coroutine; the loop sleeps on the object itself.

---@class skynet.request
local Request = {}
Request.__index = Request

function Request:add(req)
	core.check(not self.pending, "assertion failed! (no request can be added after select)")
	self[#self + 1] = req
	return self
end

Request.__call = Request.add

local function unpack_answer(typename, msg, sz)
	return table.pack(core.unpack_as(typename, msg, sz))
end

local function decode(typename, msg, sz)
	local ok, answer = pcall(unpack_answer, typename, msg, sz)
	if ok then
		return answer
	end
	skynet.error(answer)
	return false
end

local function finish(self, req, answer)
	local n = #self.ready + 1
	self.ready[n], self.answers[n] = req, answer
end

local function await(self)
	while true do
		local at = self.head
		local req = self.ready[at]
		if req then
			self.head = at + 1
			return req, self.answers[at]
		end
		if self.timeout or not next(self.pending) then
			return nil
		end
		skynet.wait(self)
	end
end

function Request:select(timeout)
	core.check(not self.pending, "assertion failed! (select can be called once)")
	local pending = {}
	self.pending, self.ready, self.answers, self.head = pending, {}, {}, 1
	local unsent = {}
	for i = 1, #self do
		local req = self[i]
		local session = core.request_send(req[1], req[2], table.unpack(req, 3, req.n))
		if session then
			pending[session] = true
			core.on_answer(session, function(ok, msg, sz)
				pending[session] = nil
				finish(self, req, ok and decode(req[2], msg, sz))
				skynet.wakeup(self)
			end)
		else
			unsent[#unsent + 1] = req
		end
	end
	for i = #unsent, 1, -1 do
		finish(self, unsent[i], nil)
	end
	if timeout and next(pending) then
		self.clock = skynet.timer(timeout * 10, function()
			self.timeout = next(pending) and true
			skynet.wakeup(self)
		end)
	end
	return await, self, nil, self
end

function Request:close()
	local pending = self.pending
	if not pending then
		return
	end
	for session in pairs(pending) do
		core.forget(session)
		pending[session] = nil
	end
	if self.clock then
		self.clock:cancel()
		self.clock = nil
	end
end

Request.__close = Request.close

function lazy.request(first)
	return setmetatable({ first }, Request)
end

function lazy.reload(options)
	return require("skynet.reload").run(options)
end

function lazy.replace(...)
	return require("skynet.replace").run(...)
end

-- Ends of other services.

function lazy.watch(...)
	return require("skynet.ends").watch(...)
end

function lazy.unwatch(...)
	return require("skynet.ends").unwatch(...)
end

function lazy.link(...)
	return require("skynet.ends").link(...)
end

function lazy.unlink(...)
	return require("skynet.ends").unlink(...)
end

function lazy.trapexit(...)
	return require("skynet.ends").trapexit(...)
end

return lazy
