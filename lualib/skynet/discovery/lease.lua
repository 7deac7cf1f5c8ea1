-- A lease of etcd that is kept alive.
--
-- Two things can become of it. It is *at risk* when two thirds of its time have passed since the last keep-alive that
-- was answered was sent: what must have one holder ends then, before etcd can give it to another. It is *lost* when
-- etcd says that it is over. The times are those of this machine's monotonic clock: clocks need not agree.

local skynet = require "skynet"

local Lease = {}
Lease.__index = Lease

local lease = {}

local function good(self, sent)
	if self.timer then
		self.timer:cancel()
	end
	local left = sent + self.ttl * 200 // 3 - skynet.now()
	self.timer = skynet.timer(math.max(left, 0) * 10 // 1 | 0, function()
		self.timer, self.risk = nil, true
		self.at_risk(("etcd has not answered for %.1f s"):format(self.ttl * 2 / 3))
	end)
	self.risk = false
end

local function over(self)
	if self.timer then
		self.timer:cancel()
		self.timer = nil
	end
	self.id = nil
	skynet.wakeup(self)
end

local function keep(self)
	while self.id do
		local id = self.id
		skynet.sleep(self.ttl * 100 // 3 | 0, self)
		if self.id ~= id then
			return
		end
		local sent = skynet.now()
		local ok, alive = pcall(self.etcd.keep_alive, self.etcd, id)
		if self.id ~= id then
			return
		elseif ok and alive then
			good(self, sent)
			self.heard(true)
		elseif ok then
			local known = self.risk
			over(self)
			if not known then
				self.risk = true
				self.at_risk "the lease is over"
			end
			return self.lost()
		else
			self.heard(false, alive)
		end
	end
end

local function nothing() end

-- Grants a lease of so many seconds and keeps it. hooks: at_risk(why), lost(), heard(ok, why). Raises.
function lease.grant(etcd, ttl, hooks)
	local sent = skynet.now()
	local self = setmetatable({
		etcd = etcd,
		ttl = ttl,
		at_risk = hooks.at_risk or nothing,
		lost = hooks.lost or nothing,
		heard = hooks.heard or nothing,
	}, Lease)
	self.id = etcd:grant(ttl)
	good(self, sent)
	skynet.fork(keep, self)
	return self
end

-- Gives it back: all that depends on it goes at once.
function Lease:revoke()
	local id = self.id
	if id then
		over(self)
		pcall(self.etcd.revoke, self.etcd, id)
	end
end

return lease
