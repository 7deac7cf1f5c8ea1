-- A child of a supervisor: how it is started, watched and ended.

local skynet = require "skynet"
local core = require "skynet.core"
local cluster -- loaded when a child has a name in it

require "skynet.manager"

local FOREVER <const> = 100 * 86400 * 365 -- centiseconds, whatever `calltimeout` says
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
	return skynet.timeoutcall(FOREVER, ".launcher", "lua", "LAUNCHBOUND", spec.fatal or false, "snlua",
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

-- This service is the child from now on.
function child:adopt(handle)
	self.handle = handle
	self.watch = skynet.watch(handle, function(_, why, more)
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
	if self.spec.probe then
		skynet.fork(probe, self, handle)
	end
	if self.spec.memlimit then
		skynet.fork(watch_memory, self, handle)
	end
end

-- Starts it, and waits until its start function has ended. Returns true; or false, a reason and a text.
function child:start()
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

-- Ends it, in order if there is time for that, and waits for its end.
function child:stop()
	local handle, spec = self.handle, self.spec
	if not handle then
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
		skynet.unwatch(self.watch)
		self.handle, self.watch = nil, nil
	end
	self.stopping = nil
end

return child
