-- A pool of connections to one database: any number of coroutines share a few objects, each of which one of them has
-- for itself at a time.
--
-- While the database cannot be reached, one coroutine at a time tries to connect, and after a failure nobody does for a
-- while: those who ask then fail at once.

local skynet = require "skynet"
local socketchannel = require "skynet.socketchannel"
local stats = require "skynet.db.stats"
local check, raise = require("skynet.core").check, require("skynet.core").raise

local SIZE <const>, WAITING <const> = 8, 1000
local IDLE <const> = 3000 -- centiseconds, after which a connection is checked before it is used
local SHORTEST <const>, LONGEST <const> = 10, 500 -- centiseconds without an attempt to connect

local full_error = setmetatable({}, {
	__tostring = function()
		return "[Error: pool is full]"
	end,
})

local Pool = {}
Pool.__index = Pool

local function is_lost(err)
	return err == socketchannel.error or err == socketchannel.timeout
end

local function discard(self, db)
	self.made = self.made - 1
	pcall(self.close_one, db)
end

-- Is there a free place, or a connection that nobody has?
local function has_room(self)
	return #self.idle > 0 or self.made < self.size and not self.connecting
end

-- The first of the line goes on.
local function call_next(self)
	local line = self.line
	while line.first <= line.last and has_room(self) do
		local waiter = line[line.first]
		line[line.first] = nil
		line.first = line.first + 1
		if not waiter.gone then
			waiter.called = true
			skynet.wakeup(waiter)
			return
		end
	end
end

local function wait_in_line(self)
	local line = self.line
	if self.waiting >= self.limit then
		self.refused = self.refused + 1
		error(full_error)
	end
	local waiter = {}
	line.last = line.last + 1
	line[line.last] = waiter
	self.waiting = self.waiting + 1
	local due = self.timeout and skynet.now() + self.timeout
	repeat
		if not due then
			skynet.wait(waiter)
		elseif due > skynet.now() then
			skynet.sleep(due - skynet.now(), waiter)
		else
			waiter.gone = true
		end
	until waiter.called or waiter.gone or self.closed
	self.waiting = self.waiting - 1
	if self.closed then
		error(socketchannel.error)
	elseif waiter.gone then
		error(socketchannel.timeout)
	end
end

local function connect(self)
	if self.down_until > skynet.now() then
		call_next(self)
		error(socketchannel.error)
	end
	self.connecting, self.made = true, self.made + 1
	local ok, db = pcall(self.connect)
	self.connecting = false
	if not ok then
		self.made = self.made - 1
		self.failed = self.failed + 1
		self.pause = math.min(LONGEST, math.max(SHORTEST, self.pause * 2))
		self.down_until = skynet.now() + self.pause
		call_next(self) -- who fails at once, as do those behind it
		error(db, 0)
	elseif self.closed then
		discard(self, db)
		error(socketchannel.error)
	end
	self.connects, self.pause, self.down_until = self.connects + 1, 0, 0
	call_next(self)
	return db
end

-- A connection that has been idle for long may be dead.
local function is_healthy(self, item)
	if not self.check or skynet.now() - item.since < self.idle_limit then
		return true
	end
	local ok, good = pcall(self.check, item.db)
	return ok and good ~= false
end

function Pool:take()
	check(not self.closed, "assertion failed! (the pool is closed)")
	-- Whoever comes while others wait stands behind them.
	if self.waiting > 0 or not has_room(self) then
		wait_in_line(self)
	end
	while true do
		local item = table.remove(self.idle)
		if not item then
			if self.made < self.size and not self.connecting then
				local ok, db = pcall(connect, self)
				if not ok then
					error(db, 0)
				end
				self.used[db] = true
				return db
			end
			wait_in_line(self)
		elseif is_healthy(self, item) then
			self.used[item.db] = true
			call_next(self)
			return item.db
		else
			discard(self, item.db)
		end
	end
end

function Pool:give(db, broken)
	check(self.used[db], "assertion failed! (the pool has not given this connection)")
	self.used[db] = nil
	if broken or self.closed then
		discard(self, db)
	else
		table.insert(self.idle, { db = db, since = skynet.now() })
	end
	call_next(self)
end

local function finish(self, db, ok, ...)
	if ok then
		self:give(db)
		return ...
	end
	local err = ...
	local broken = is_lost(err)
	if broken then
		-- What lies idle has most likely lost its connection as well.
		for i = #self.idle, 1, -1 do
			discard(self, table.remove(self.idle, i).db)
		end
	elseif self.reset then
		broken = not pcall(self.reset, db)
	end
	self:give(db, broken)
	error(err, 0)
end

function Pool:with(f, ...)
	local db = self:take()
	return finish(self, db, pcall(f, db, ...))
end

function Pool:stats()
	local busy = 0
	for _ in pairs(self.used) do
		busy = busy + 1
	end
	return {
		size = self.size,
		idle = #self.idle,
		busy = busy,
		waiting = self.waiting,
		connects = self.connects,
		failed = self.failed,
		refused = self.refused,
	}
end

function Pool:close()
	self.closed = true
	for i = #self.idle, 1, -1 do
		discard(self, table.remove(self.idle, i).db)
	end
	local line = self.line
	for at = line.first, line.last do
		skynet.wakeup(line[at])
	end
end

local pool = { full = full_error }

function pool.new(conf)
	check(type(conf.connect) == "function", "a pool needs the function connect")
	local size = conf.size or SIZE
	if math.type(size) ~= "integer" or size < 1 then
		raise(("size of a pool: %s: write a whole number from 1"):format(size))
	end
	local self = setmetatable({
		connect = conf.connect,
		close_one = conf.close or function(db)
			db:disconnect()
		end,
		check = conf.check,
		reset = conf.reset,
		size = size,
		limit = conf.waiting or WAITING,
		timeout = conf.timeout,
		idle_limit = conf.idle or IDLE,
		made = 0,
		idle = {},
		used = {},
		line = { first = 1, last = 0 },
		waiting = 0,
		connecting = false,
		down_until = 0,
		pause = 0,
		connects = 0,
		failed = 0,
		refused = 0,
		closed = false,
	}, Pool)
	stats.add("pool", self, self, conf.name)
	return self
end

return pool
