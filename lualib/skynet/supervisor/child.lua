-- A child of a supervisor: how it is started, watched and ended.

local skynet = require "skynet"
local core = require "skynet.core"
local patient = require "skynet.patient"
local cluster -- loaded when a child has a name in it

require "skynet.manager"

local LOOK <const> = 100 -- centiseconds between two looks at the memory
local MISSES <const> = 3
-- What a killed service may take to come back from its last message.
local LAST_MESSAGE <const> = 500

local child = {}
child.__index = child

-- tell(id, reason, text) is called when it has ended, unless it was ended by `stop`.
function child.new(spec, tell)
	return setmetatable({ spec = spec, tell = tell, starts = 0 }, child)
end

local function launch(self)
	local spec = self.spec
	if spec.module then
		local line = spec.module .. " " .. table.concat(spec.args, " ")
		local handle = core.addresscommand("LAUNCH", line)
		if handle then
			core.bind(handle)
			return handle
		end
		return nil, "init", "the log above says why"
	end
	return patient(".launcher", "lua", "LAUNCHBOUND", spec.fatal or false, "snlua",
		spec.service or spec.supervisor, table.unpack(spec.args))
end

-- Whoever asks for it by name reaches this one from now on.
local function publish(self)
	local spec, handle = self.spec, self.handle
	if spec.name then
		skynet.name(spec.name:sub(1, 1) == "." and spec.name or "." .. spec.name, handle)
	end
	if spec.unique then
		skynet.call(".service", "lua", "PUT", spec.service or spec.supervisor, handle)
	end
	if spec.register then
		cluster = cluster or require "skynet.cluster"
		pcall(cluster.unregister, spec.register)
		cluster.register(spec.register, handle)
	end
end

-- Asks it now and then whether it is well. One that does not answer is told to give up what it does, and then ended.
local function probe(self, handle)
	local time, misses = self.spec.probe, 0
	while self.handle == handle do
		skynet.sleep(time)
		local ok, why = pcall(skynet.timeoutcall, time, handle, "debug", "PING")
		if self.handle ~= handle then
			return
		end
		-- Only silence counts: one that has ended is the watch's business.
		misses = (ok or not tostring(why):find("call timeout", 1, true)) and 0 or misses + 1
		if misses == MISSES and not self.spec.fatal then
			-- A loop ends with an error then, and the service goes on.
			core.command("SIGNAL", skynet.address(handle) .. " 0")
		elseif misses >= MISSES then
			core.end_because(handle, "stuck", ("%d pings without an answer"):format(misses))
			return
		end
	end
end

local function watch_memory(self, handle)
	local limit = self.spec.memlimit
	while self.handle == handle do
		skynet.sleep(LOOK)
		local bytes = core.memory(handle)
		if self.handle == handle and bytes and bytes > limit then
			core.end_because(handle, "memory", ("%d bytes, allowed are %d"):format(bytes, math.floor(limit)))
			return
		end
	end
end

-- Children that are started anew in place, by handle. The kernel tells when one of them has fallen (its reason), and
-- when it is up again.
local kept, keeping = {}, nil

local function on_notice(handle, msg, sz)
	local self = kept[handle]
	local word, text = core.tostring(msg, sz):match "^(%S+) ?(.*)$"
	if not self then
		return
	elseif self.rising then
		self.result = { word == "up", word, text ~= "" and text or nil }
		skynet.wakeup(self.rising)
	elseif self.handle == handle then
		self.handle, self.down = nil, handle
		if self.stopping then
			skynet.wakeup(self.stopping)
		else
			self.tell(self.spec.id, word, text ~= "" and text or nil)
		end
	end
end

local function keep(self, handle)
	keeping = keeping or core.notices(on_notice)
	kept[handle] = self
	core.keep(handle, keeping)
end

-- From now on its end is for good.
local function let_go(self)
	local handle = self.handle or self.down
	if handle and kept[handle] then
		kept[handle] = nil
		core.keep(handle, 0)
	end
end

-- One that was kept has gone nevertheless: it has panicked, or was in a loop.
local function on_loss(self, handle, why, more)
	kept[handle] = nil
	if self.down ~= handle then
		return
	end
	self.down, self.watch = nil, nil
	if self.rising then
		self.result = { false, why, more }
		skynet.wakeup(self.rising)
	end
end

local function look_after(self, handle)
	if self.spec.probe then
		skynet.fork(probe, self, handle)
	end
	if self.spec.memlimit then
		skynet.fork(watch_memory, self, handle)
	end
end

-- This service is the child from now on.
function child:adopt(handle)
	self.handle = handle
	self.watch = skynet.watch(handle, function(_, why, more)
		on_loss(self, handle, why, more)
		if self.handle ~= handle then
			return
		end
		self.handle, self.watch = nil, nil
		local successor = why == "restart" and more and tonumber(more:match "^:(%x+)$" or "", 16)
		if successor and not self.stopping then
			core.bind(successor)
			self:adopt(successor)
		elseif self.stopping then
			skynet.wakeup(self.stopping)
		else
			self.tell(self.spec.id, why, more)
		end
	end)
	if self.spec.keep then
		keep(self, handle)
	end
	look_after(self, handle)
end

-- The one that has fallen starts anew, in its place.
local function rise(self)
	local handle = self.down
	self.rising, self.result = {}, nil
	core.revive(handle)
	while not self.result do
		skynet.wait(self.rising)
	end
	self.rising = nil
	local ok, reason, text = table.unpack(self.result, 1, 3)
	if ok then
		self.handle, self.down = handle, nil
		self.since, self.starts = skynet.now(), self.starts + 1
		look_after(self, handle)
		return true
	end
	return false, reason, text
end

-- Starts it, and waits until its start function has ended. Returns true; or false, a reason and a text.
function child:start()
	if self.down then
		return rise(self)
	end
	local handle, reason, text = launch(self)
	if not handle then
		return false, reason or "exit", text
	end
	self.since, self.starts = skynet.now(), self.starts + 1
	self:adopt(handle)
	local ok, why = pcall(publish, self)
	if not ok then
		self:stop()
		return false, "init", why
	end
	return true
end

local function wait_for_end(self, cs)
	if self.handle then
		skynet.sleep(cs, self.stopping)
	end
	return not self.handle
end

-- Ends it, in order if there is time for that, and waits for its end. With `again` a kept one falls only: it is
-- started again.
function child:stop(again)
	if not again then
		let_go(self)
	end
	local handle, spec = self.handle, self.spec
	if not handle then
		if self.down and not again then
			skynet.kill(self.down)
			self.down = nil
		end
		return
	end
	self.stopping = {}
	local ended = false
	if spec.shutdown ~= "kill" then
		skynet.send(handle, "debug", "EXIT")
		ended = wait_for_end(self, spec.shutdown)
	end
	if not ended then
		if spec.shutdown ~= "kill" then
			skynet.error(("warning: supervisor: child '%s' (%s) has not ended within %s centiseconds, and is killed")
				:format(spec.id, skynet.address(handle), spec.shutdown))
		end
		skynet.kill(handle)
		ended = wait_for_end(self, LAST_MESSAGE)
	end
	if not ended then
		skynet.error(("error: supervisor: child '%s' (%s) does not come back from its last message"):format(spec.id,
			skynet.address(handle)))
		let_go(self)
		skynet.kill(handle)
		skynet.unwatch(self.watch)
		self.handle, self.watch = nil, nil
	end
	self.stopping = nil
	if self.down and not again then -- it fell just before
		skynet.kill(self.down)
		self.down = nil
	end
end

return child
