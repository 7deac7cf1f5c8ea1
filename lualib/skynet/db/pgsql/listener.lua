-- Messages of NOTIFY. They come at any time, so a connection of their own is read all the time; it is made again when
-- it is lost.

local skynet = require "skynet"
local core = require "skynet.db.pgsql.core"
local login = require "skynet.db.pgsql.login"

local PAUSE <const> = 100 -- before a connection is made again

local Listener = {}
Listener.__index = Listener

local function identifier(name)
	return '"' .. name:gsub('"', '""') .. '"'
end

function Listener.new(conf)
	local self = setmetatable({ handlers = {}, count = 0, tokens = {} }, Listener)
	self.channel, self.failure = login.channel(conf, nil, function() end)
	return self
end

local function reader(self)
	return function(sock)
		while true do
			local kind, content = sock:decode(core.message, { left = 16 * 1024 * 1024 })
			if kind == "A" then
				local pid, name, payload = string.unpack(">I4zz", content)
				local f = self.handlers[name]
				if f then
					skynet.fork(f, payload, name, pid)
				end
			elseif kind == "E" then
				local e = login.error(content)
				skynet.error("pgsql: listen: " .. tostring(e))
				if e.severity == "FATAL" or e.severity == "PANIC" then
					error(e, 0)
				end
			elseif kind == "Z" and self.tokens[1] then
				skynet.wakeup(table.remove(self.tokens, 1))
			end
		end
	end
end

local function run(self)
	while self.count > 0 and not self.closed do
		local all = {}
		for name in pairs(self.handlers) do
			all[#all + 1] = "LISTEN " .. identifier(name) .. ";"
		end
		local ok, why = pcall(function()
			login.connect(self.channel, self.failure)
			self.channel:request(core.simple(table.concat(all)), reader(self))
		end)
		if not ok and self.count > 0 and not self.closed then
			skynet.error("pgsql: listen: " .. tostring(why))
			skynet.sleep(PAUSE)
		end
	end
	self.running = false
end

-- Sends what a connection that is there does not know yet, and waits until the server has heard it.
local function tell(self, sql)
	local token = {}
	table.insert(self.tokens, token)
	if not self.running then
		self.running = true
		skynet.fork(run, self)
	else
		pcall(self.channel.request, self.channel, core.simple(sql)) -- or it is told at the next connection
	end
	skynet.sleep(1000, token)
end

function Listener:listen(name, f)
	if not self.handlers[name] then
		self.count = self.count + 1
	end
	self.handlers[name] = f
	tell(self, "LISTEN " .. identifier(name))
end

function Listener:unlisten(name)
	if self.handlers[name] then
		self.handlers[name] = nil
		self.count = self.count - 1
		if self.count == 0 then
			self.channel:close() -- ends what runs
		else
			tell(self, "UNLISTEN " .. identifier(name))
		end
	end
end

function Listener:close()
	self.closed = true
	self.channel:close()
end

return Listener
