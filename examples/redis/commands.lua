-- What the server can do. A command gets the words of the request and returns the answer's bytes.

local skynet = require "skynet"
local resp = require "resp"

local values = {} -- key -> string
local due = {} -- key -> when it expires, in centiseconds of skynet.now

local function alive(key)
	local at = due[key]
	if at and at <= skynet.now() then
		values[key], due[key] = nil, nil
	end
	return values[key]
end

local function put(key, value)
	values[key], due[key] = value, nil
end

-- A pattern of Redis as one of Lua.
local function glob(pattern)
	local special = { ["*"] = ".*", ["?"] = "." }
	local text = pattern:gsub("[^%w]", function(c)
		return special[c] or "%" .. c
	end)
	return "^" .. text .. "$"
end

local NOT_A_NUMBER <const> = "ERR value is not an integer or out of range"

local function add(key, by)
	local n = math.tointeger(tonumber(alive(key) or "0"))
	if not n or not by then
		return resp.failure(NOT_A_NUMBER)
	elseif by > 0 and n > math.maxinteger - by or by < 0 and n < math.mininteger - by then
		return resp.failure "ERR increment or decrement would overflow"
	end
	values[key] = tostring(n + by)
	return resp.integer(n + by)
end

local function count(keys, f)
	local n = 0
	for i = 2, #keys do
		if alive(keys[i]) then
			n = n + 1
			if f then
				f(keys[i])
			end
		end
	end
	return resp.integer(n)
end

-- name -> { least number of words, function }
local command = {}

local function define(name, words, f)
	command[name] = { words = words, run = f }
end

define("PING", 1, function(r)
	return r[2] and resp.bulk(r[2]) or resp.status "PONG"
end)

define("ECHO", 2, function(r)
	return resp.bulk(r[2])
end)

define("QUIT", 1, function(r)
	r.quit = true
	return resp.ok
end)

define("SELECT", 2, function(r)
	return r[2] == "0" and resp.ok or resp.failure "ERR DB index is out of range"
end)

define("GET", 2, function(r)
	return resp.bulk(alive(r[2]))
end)

-- SET key value [NX | XX] [EX seconds | PX milliseconds]
define("SET", 3, function(r)
	local key, value, option, expires = r[2], r[3], {}, nil
	local i = 4
	while r[i] do
		local word = r[i]:upper()
		if word == "EX" or word == "PX" then
			local n = math.tointeger(tonumber(r[i + 1]))
			if not n or n <= 0 then
				return resp.failure(n and "ERR invalid expire time in 'set' command" or NOT_A_NUMBER)
			end
			expires = word == "EX" and n * 100 or (n + 9) // 10
			i = i + 1
		elseif word == "NX" or word == "XX" then
			option[word] = true
		else
			return resp.failure "ERR syntax error"
		end
		i = i + 1
	end
	local exists = alive(key)
	if option.NX and exists or option.XX and not exists then
		return resp.null
	end
	put(key, value)
	due[key] = expires and skynet.now() + expires
	return resp.ok
end)

define("MSET", 3, function(r)
	if #r % 2 == 0 then
		return resp.failure "ERR wrong number of arguments for 'mset' command"
	end
	for i = 2, #r, 2 do
		put(r[i], r[i + 1])
	end
	return resp.ok
end)

define("MGET", 2, function(r)
	local found = {}
	for i = 2, #r do
		found[i - 1] = alive(r[i])
	end
	return resp.list(found, #r - 1)
end)

define("DEL", 2, function(r)
	return count(r, function(key)
		put(key, nil)
	end)
end)

define("EXISTS", 2, function(r)
	return count(r)
end)

define("INCR", 2, function(r)
	return add(r[2], 1)
end)

define("DECR", 2, function(r)
	return add(r[2], -1)
end)

define("INCRBY", 3, function(r)
	return add(r[2], math.tointeger(tonumber(r[3])))
end)

local function all_keys(pattern)
	local keys = {}
	for key in pairs(values) do
		if key:find(pattern) then
			keys[#keys + 1] = key
		end
	end
	local n = 0
	for _, key in ipairs(keys) do
		if alive(key) then
			n = n + 1
			keys[n] = key
		end
	end
	return keys, n
end

define("KEYS", 2, function(r)
	return resp.list(all_keys(glob(r[2])))
end)

define("DBSIZE", 1, function()
	local _, n = all_keys ""
	return resp.integer(n)
end)

define("FLUSHALL", 1, function()
	values, due = {}, {}
	return resp.ok
end)
command.FLUSHDB = command.FLUSHALL

-- What the tools of Redis ask for when they connect.
define("COMMAND", 1, function()
	return resp.list {}
end)

define("CONFIG", 2, function(r)
	if r[2]:upper() ~= "GET" then
		return resp.failure "ERR this server has no settings"
	end
	local settings, found = { save = "", appendonly = "no" }, {}
	for i = 3, #r do
		local value = settings[r[i]:lower()]
		if value then
			table.move({ r[i], value }, 1, 2, #found + 1, found)
		end
	end
	return resp.list(found)
end)

define("INFO", 1, function()
	local lines = {
		"# Server",
		"redis_version:7.0.0",
		"server_name:skynet-rs",
		("uptime_in_seconds:%d"):format(skynet.now() // 100),
		"# Memory",
		("used_memory_lua:%d"):format(collectgarbage "count" * 1024 // 1),
	}
	return resp.bulk(table.concat(lines, "\r\n") .. "\r\n")
end)

local function run(request)
	local name = request[1]
	local c = command[name] or command[name:upper()]
	if not c then
		return resp.failure(("ERR unknown command '%s'"):format(name:sub(1, 128)))
	elseif #request < c.words then
		return resp.failure(("ERR wrong number of arguments for '%s' command"):format(name:lower()))
	end
	return c.run(request)
end

return run
