-- A small operating system in objects: tasks with queues of packets, devices, a scheduler by priority.
local n = tonumber((...)) or 400

local Task = {}
Task.__index = Task
local tasks, ready, handled = {}, {}, 0

local function task(id, priority, run)
	local t = setmetatable({ id = id, priority = priority, held = false, count = 0, run = run }, Task)
	tasks[id] = t
	ready[#ready + 1] = t
	return t
end

function Task:add(packet)
	packet.next = nil
	if self.last then
		self.last.next = packet
	else
		self.first = packet
	end
	self.last = packet
	self.count = self.count + 1
end

function Task:take()
	local packet = self.first
	if packet then
		self.first = packet.next
		if not self.first then
			self.last = nil
		end
		self.count = self.count - 1
	end
	return packet
end

function Task:runnable()
	return not self.held and self.first ~= nil
end

local function worker(self, packet)
	local data = packet.data
	for i = 1, 4 do
		data[i] = (data[i] + i * self.id) % 26
	end
	packet.hops = packet.hops + 1
	tasks[3 + packet.hops % 2]:add(packet)
end

local function device(self, packet)
	handled = handled + packet.data[1]
	packet.kind = packet.kind == "read" and "write" or "read"
	tasks[packet.kind == "read" and 1 or 2]:add(packet)
end

task(1, 10, worker)
task(2, 20, worker)
task(3, 30, device)
task(4, 40, device)
for i = 1, 8 do
	tasks[i % 2 + 1]:add { kind = "read", hops = 0, data = { i, i + 1, i + 2, i + 3 }, next = nil }
end
for _ = 1, n * 10 do
	local best
	for i = 1, #ready do
		local t = ready[i]
		if t:runnable() and (not best or t.priority > best.priority) then
			best = t
		end
	end
	best:run(best:take())
end
print(handled, tasks[1].count, tasks[2].count)
