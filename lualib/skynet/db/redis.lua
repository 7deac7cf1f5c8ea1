-- Redis: commands, pipelines, and watchers for publish/subscribe.
--
-- A connection is a channel in order mode at index 1 of the object. Commands are methods that are made when they are
-- first used, in one table for all connections of the service. The native half writes commands and reads answers.

local skynet = require "skynet"
local socketchannel = require "skynet.socketchannel"
local core = require "skynet.db.redis.core"
local stats = require "skynet.db.stats"
local check = require("skynet.core").check

local write_command, write_pipeline, decode_reply = core.command, core.pipeline, core.reply

local MAX_REPLY <const> = 512 * 1024 * 1024 -- what servers allow a string to have

local redis = {}

-- Answers. The state of the decoder belongs to the connection.

local limits = setmetatable({}, { __mode = "k" }) -- channel -> its options

local function state_of(link)
	local channel = link.owner[1]
	local conf = channel and limits[channel] or {}
	local state = core.scanner(conf.maxreply or MAX_REPLY, conf.resp3)
	link.reply_state = state
	return state
end

local function read_reply(link)
	return link:decode(decode_reply, link.reply_state or state_of(link))
end

-- An error stays "not ok", and its text becomes true.
local function read_boolean(link)
	local ok, reply = read_reply(link)
	return ok, reply ~= 0
end

-- Connecting

local function login(conf)
	if conf.auth == nil and conf.db == nil and not conf.resp3 then
		return
	end
	return function(channel)
		if conf.resp3 then
			local user = conf.username or "default"
			channel:request(conf.auth and write_command("HELLO", 3, "AUTH", user, conf.auth)
				or write_command("HELLO", 3), read_reply)
		elseif conf.auth ~= nil then
			channel:request(conf.username and write_command("AUTH", conf.username, conf.auth)
				or write_command("AUTH", conf.auth), read_reply)
		end
		if conf.db ~= nil then
			channel:request(write_command("SELECT", conf.db), read_reply)
		end
	end
end

local function default_timeout()
	return tonumber(skynet.getenv "calltimeout")
end

local function new_channel(conf, auth, overload, timeout)
	local channel = socketchannel.channel {
		host = conf.host,
		port = conf.port or 6379,
		auth = auth,
		nodelay = true,
		tls = conf.tls,
		overload = overload,
		reconnect = conf.reconnect,
		timeout = timeout,
	}
	limits[channel] = conf
	channel:connect(true)
	stats.add("redis", channel, channel)
	return channel
end

-- Commands

local command = {}

local connection = {
	__index = setmetatable(command, {
		__index = function(_, name)
			local upper = string.upper(name)
			local function run(self, ...)
				return self[1]:request(write_command(upper, ...), read_reply)
			end
			command[name] = run
			return run
		end,
	}),
}

function command:disconnect()
	self[1]:close()
	setmetatable(self, nil)
end

function command:stats()
	return self[1]:stats()
end

-- Only the first argument is sent, as in skynet (C).
function command:exists(key)
	return self[1]:request(write_command("EXISTS", key), read_boolean)
end

function command:sismember(key, value)
	if type(key) == "table" then
		return self[1]:request(write_command("SISMEMBER", key), read_boolean)
	end
	return self[1]:request(write_command("SISMEMBER", key, value), read_boolean)
end

function command:pipeline(ops, resp)
	check(ops and #ops > 0, "pipeline is null")
	local count = #ops
	return self[1]:request(write_pipeline(ops), resp and function(link)
		for _ = 1, count do
			local ok, out = read_reply(link)
			resp[#resp + 1] = { ok = ok, out = out }
		end
		return true, resp
	end or function(link)
		for _ = 2, count do
			read_reply(link)
		end
		return read_reply(link)
	end)
end

function redis.connect(conf)
	local timeout = conf.timeout or default_timeout()
	return setmetatable({ new_channel(conf, login(conf), conf.overload, timeout) }, connection)
end

-- Watchers

local watcher = {}
watcher.__index = watcher

function redis.watch(conf)
	local channels, patterns = {}, {}
	local self = { __subscribe = channels, __psubscribe = patterns }
	local begin = login(conf)
	self.__sock = new_channel(conf, function(channel)
		if begin then
			begin(channel)
		end
		for pattern in pairs(patterns) do
			channel:request(write_command("PSUBSCRIBE", pattern))
		end
		for name in pairs(channels) do
			channel:request(write_command("SUBSCRIBE", name))
		end
	end)
	return setmetatable(self, watcher)
end

function watcher:disconnect()
	self.__sock:close()
	setmetatable(self, nil)
end

function watcher:stats()
	return self.__sock:stats()
end

for _, name in ipairs { "subscribe", "psubscribe", "unsubscribe", "punsubscribe" } do
	local upper = name:upper()
	watcher[name] = function(self, ...)
		for i = 1, select("#", ...) do
			self.__sock:request(write_command(upper, (select(i, ...))))
		end
	end
end

-- What a message of each kind does; those that are for the caller give true first.
local on = {}

function on.subscribe(self, name)
	self.__subscribe[name] = true
end

function on.psubscribe(self, pattern)
	self.__psubscribe[pattern] = true
end

function on.unsubscribe(self, name)
	if name then
		self.__subscribe[name] = nil
	end
end

function on.punsubscribe(self, pattern)
	if pattern then
		self.__psubscribe[pattern] = nil
	end
end

function on.message(_, name, data)
	return true, data, name
end

function on.pmessage(_, pattern, name, data)
	return true, data, name, pattern
end

function watcher:message()
	local channel = self.__sock
	while true do
		local reply = channel:response(read_reply)
		local f = on[reply[1]]
		if f then
			local found, data, name, pattern = f(self, reply[2], reply[3], reply[4])
			if pattern then
				return data, name, pattern
			elseif found then
				return data, name
			end
		end
	end
end

return redis
