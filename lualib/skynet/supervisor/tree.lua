-- A supervisor at work: carries out, one after another, what the policy decides.

local skynet = require "skynet"
local core = require "skynet.core"
local policy = require "skynet.supervisor.policy"
local new_child = require("skynet.supervisor.child").new
local spec_of_child = require("skynet.supervisor.spec").child

local tree = {}
tree.__index = tree

local function milliseconds()
	return skynet.hpc() // 1000000
end

function tree.new(settings, specs, gave_up)
	local self = setmetatable({
		settings = settings,
		gave_up = gave_up,
		policy = policy.new(settings, specs),
		order = {}, -- ids
		children = {}, -- id -> child
		queue = {}, -- what is to be done: functions
		restarts = 0,
	}, tree)
	for _, spec in ipairs(specs) do
		self:adopt(spec)
	end
	return self
end

function tree:adopt(spec)
	self.order[#self.order + 1] = spec.id
	self.children[spec.id] = new_child(spec, function(id, reason, text)
		self:later(self.on_end, id, reason, text)
	end)
end

function tree:forget(id)
	self.children[id] = nil
	for at, other in ipairs(self.order) do
		if other == id then
			table.remove(self.order, at)
			return
		end
	end
end

-- Jobs are done one at a time, so that a decision is carried out before the next one is made.
function tree:later(job, ...)
	self.queue[#self.queue + 1] = table.pack(job, ...)
	if self.working then
		return
	end
	self.working = true
	skynet.fork(function()
		while #self.queue > 0 do
			local next_one = table.remove(self.queue, 1)
			local ok, why = xpcall(next_one[1], debug.traceback, self, table.unpack(next_one, 2, next_one.n))
			if not ok then
				skynet.error("error: supervisor: " .. why)
			end
		end
		self.working = false
	end)
end

-- The same, and its results.
function tree:now(job, ...)
	local done, results = {}, nil
	self:later(function(...)
		results = table.pack(pcall(job, ...))
		skynet.wakeup(done)
	end, ...)
	while not results do
		skynet.wait(done)
	end
	if not results[1] then
		error(results[2], 0)
	end
	return table.unpack(results, 2, results.n)
end

-- Starts those of a list, in its order. The first one that fails ends it, as if it had died.
local function start_all(self, ids)
	for _, id in ipairs(ids) do
		local child = self.children[id]
		if child and not child.handle and not self.ending then
			child.waiting = nil
			local ok, reason, text = child:start()
			if ok then
				self.policy:started(id, milliseconds())
			else
				return self:on_end(id, reason, text)
			end
		end
	end
end

local function shown(id, reason, text)
	return ("child '%s' has ended: %s%s"):format(id, reason, text and ": " .. text or "")
end

function tree:on_end(id, reason, text)
	local child = self.children[id]
	if not child or self.ending then
		return
	end
	child.last = text and reason .. " " .. text or reason
	local decision = self.policy:ended(id, reason, milliseconds())
	if decision.what ~= "restart" then
		child:stop() -- one that is kept holds its place
	end
	if decision.what == "leave" then
		return
	elseif decision.what == "forget" then
		self:forget(id)
		if reason ~= "exit" then
			skynet.error("warning: supervisor: " .. shown(id, reason, text))
		end
		return
	elseif decision.what == "give up" then
		return self:give_up(("%s; more than %g restarts in %g seconds"):format(shown(id, reason, text),
			self.settings.intensity, self.settings.period))
	end
	self.restarts = self.restarts + 1
	skynet.error(("warning: supervisor: %s; it is started again%s"):format(shown(id, reason, text),
		decision.delay > 0 and (" in %g ms"):format(decision.delay) or ""))
	for _, other in ipairs(decision.stop) do
		self.children[other]:stop(true)
	end
	for _, other in ipairs(decision.forget) do
		self.children[other]:stop()
		self:forget(other)
	end
	if decision.delay <= 0 then
		return start_all(self, decision.start)
	end
	-- A later decision about one of them takes it out of this round.
	local round = {}
	for _, other in ipairs(decision.start) do
		self.children[other].waiting = round
	end
	skynet.timer(decision.delay, function()
		self:later(function()
			local left = {}
			for _, other in ipairs(decision.start) do
				local waits = self.children[other]
				if waits and waits.waiting == round then
					left[#left + 1] = other
				end
			end
			start_all(self, left)
		end)
	end)
end

-- Ends all children, the last one first.
function tree:stop_all()
	self.ending = true
	for at = #self.order, 1, -1 do
		self.children[self.order[at]]:stop()
	end
end

function tree:give_up(why)
	skynet.error("error: supervisor: " .. why .. "; the supervisor and its children end")
	if self.gave_up then
		self.gave_up()
	end
	core.end_because(skynet.self(), "intensity", why)
	skynet.exit()
end

-- The first start of all. An error ends those that have been started.
function tree:start()
	for _, id in ipairs(self.order) do
		local child = self.children[id]
		local ok, reason, text = child:start()
		if ok then
			self.policy:started(id, milliseconds())
		elseif child.spec.start == "lazy" then
			self:later(self.on_end, id, reason, text)
		else
			self:stop_all()
			error(("supervisor: %s"):format(shown(id, reason, text)), 0)
		end
	end
end

-- Commands

function tree:add(given)
	local spec = spec_of_child(given, #self.order + 1)
	core.check(not self.children[spec.id], ("supervisor: there is a child with the id '%s'"):format(spec.id))
	self:adopt(spec)
	self.policy:add(spec)
	local ok, reason, text = self.children[spec.id]:start()
	if ok then
		self.policy:started(spec.id, milliseconds())
		return self.children[spec.id].handle
	elseif spec.start == "lazy" then
		return self:on_end(spec.id, reason, text)
	end
	self.policy:remove(spec.id)
	self:forget(spec.id)
	error(("supervisor: %s"):format(shown(spec.id, reason, text)), 0)
end

local function known(self, id)
	return core.check(self.children[id], ("supervisor: there is no child '%s'"):format(core.shown(id)))
end

function tree:remove(id)
	known(self, id):stop()
	self.policy:remove(id)
	self:forget(id)
end

-- By hand: it does not count as a failure, and concerns this child only.
function tree:restart(id)
	local child = known(self, id)
	child:stop(true)
	self.policy:stopped(id)
	start_all(self, { id })
	return child.handle
end

function tree:list()
	local list = {}
	for at, id in ipairs(self.order) do
		local child = self.children[id]
		local spec = child.spec
		list[at] = {
			id = id,
			what = spec.service or spec.supervisor or spec.module,
			kind = spec.module and "module" or spec.supervisor and "supervisor" or "service",
			handle = child.handle,
			restart = spec.restart,
			restarts = math.max(child.starts - 1, 0),
			state = child.handle and "running" or child.waiting and "waiting" or "ended",
			last = child.last,
		}
	end
	return list
end

return tree
