-- Books on requests that may fail: each has one outcome, and somebody outside is told how many have succeeded.
local skynet = require "skynet"
local socket = require "skynet.socket"
local check = require "check"

local ledger = {}
ledger.__index = ledger

-- Writes "GOOD <number>" after every `every` successes.
function ledger.new(every)
	return setmetatable({ started = 0, good = 0, bad = 0, every = every, ends = {}, stopping = false }, ledger)
end

-- request(number) returns true and the answer, or false and why not; right(number, answer) judges the answer.
function ledger:one(request, right)
	self.started = self.started + 1
	local number = self.started
	local ok, answer = request(number)
	if self.ends[number] then
		check.ok("one outcome of request " .. number, false, "a second one")
	end
	self.ends[number] = true
	if ok then
		if not right(number, answer) then
			check.ok("the answer of request " .. number, false, check.show(answer))
		end
		self.good = self.good + 1
		if self.good % self.every == 0 then
			check.emit("GOOD ", tostring(self.good))
		end
	else
		self.bad = self.bad + 1
	end
	return ok
end

-- `number` coroutines that make requests until the ledger is closed.
function ledger:load(number, request, right)
	for _ = 1, number do
		skynet.fork(function()
			while not self.stopping do
				if not self:one(request, right) then
					skynet.sleep(math.random(1, 3)) -- no storm while there is nobody
				end
			end
		end)
	end
end

-- Waits for a line on standard input, and finishes.
function ledger:close()
	local id = socket.stdin()
	check.eq("told to stop", socket.readline(id), "stop")
	socket.close(id)
	self:finish()
end

-- Waits until every request has had its outcome.
function ledger:finish()
	self.stopping = true
	check.ok("every request has ended", check.wait(function()
		return self.started == self.good + self.bad
	end), ("%d started, %d good, %d bad"):format(self.started, self.good, self.bad))
	check.emit(("LEDGER %d requests, %d answered, %d failed"):format(self.started, self.good, self.bad))
end

-- No socket and no suspended coroutine is left in this node.
function ledger.empty()
	check.ok("no socket is left", check.wait(function()
		return #socket.netstat() == 0
	end), check.show(socket.netstat()))
	local tasks = {}
	check.ok("no coroutine waits", check.wait(function()
		tasks = {}
		skynet.task(tasks)
		return next(tasks) == nil
	end), check.show(tasks))
end

return ledger
