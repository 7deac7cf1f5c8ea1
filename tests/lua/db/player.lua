-- Runs the Lua text of recorded scripts. The Rust side (tests/src/dialogue) connects to the port that this program
-- prints, sends requests as strings with four bytes of length, and gets answers as JSON in the same form.
--
-- `new` ends the service of the last case and begins a fresh one; `lua <text>` runs a text in it; `events` returns
-- what it has emitted since the last time.
local skynet = require "skynet"
local socket = require "skynet.socket"
require "skynet.manager"

local role = ...

-- Values in the typed form of the vectors, as JSON.

local special = {} -- value -> its form

local function hex(text)
	return (text:gsub(".", function(byte)
		return ("%02x"):format(byte:byte())
	end))
end

local typed

local function list(values, n)
	local parts = {}
	for i = 1, n do
		parts[i] = typed(values[i])
	end
	return "[" .. table.concat(parts, ",") .. "]"
end

local plain = {
	["nil"] = function()
		return '{"t":"nil"}'
	end,
	boolean = function(v)
		return ('{"t":"bool","v":%s}'):format(v)
	end,
	number = function(v)
		if math.type(v) == "integer" then
			return ('{"t":"int","v":"%d"}'):format(v)
		end
		return ('{"t":"num","bits":"%s"}'):format(hex(string.pack(">d", v)))
	end,
	string = function(v)
		return ('{"t":"str","hex":"%s"}'):format(hex(v))
	end,
	table = function(v)
		local n = 0
		while rawget(v, n + 1) ~= nil do
			n = n + 1
		end
		local pairs_ = {}
		for key, value in next, v do
			if not (math.type(key) == "integer" and key >= 1 and key <= n) then
				pairs_[#pairs_ + 1] = "[" .. typed(key) .. "," .. typed(value) .. "]"
			end
		end
		table.sort(pairs_)
		return ('{"t":"table","array":%s,"hash":[%s]}'):format(list(v, n), table.concat(pairs_, ","))
	end,
}

function typed(v)
	local form = special[v]
	if form then
		return ('{"t":"%s"}'):format(form)
	end
	local f = plain[type(v)]
	return f and f(v) or ('{"t":"%s"}'):format(type(v))
end

-- The service of a case.

local modules = {
	redis = "skynet.db.redis",
	rediscluster = "skynet.db.redis.cluster",
	mysql = "skynet.db.mysql",
	mongo = "skynet.db.mongo",
	bson = "bson",
	crypt = "skynet.crypt",
	socketchannel = "skynet.socketchannel",
}

local function fresh_globals()
	local events = {}
	local globals = { skynet = skynet, socket = socket, fork = skynet.fork }

	function globals.emit(...)
		events[#events + 1] = table.pack(...)
	end

	function globals.async(tag, f, ...)
		skynet.fork(function(...)
			globals.emit(tag, pcall(f, ...))
		end, ...)
	end

	function globals.unhex(text)
		return (text:gsub("%x%x", function(byte)
			return string.char(tonumber(byte, 16))
		end))
	end

	return setmetatable(globals, {
		__index = function(t, name)
			if modules[name] then
				local module = require(modules[name])
				t[name] = module
				return module
			end
			return _G[name]
		end,
	}), events
end

if role == "case" then
	local globals, events = fresh_globals()
	skynet.start(function()
		special[require("skynet.socketchannel").error] = "socket_error"
		skynet.dispatch("lua", function(_, _, what, text)
			if what == "events" then
				local parts = {}
				for i, event in ipairs(events) do
					parts[i] = list(event, event.n)
					events[i] = nil
				end
				return skynet.ret(skynet.pack("[" .. table.concat(parts, ",") .. "]"))
			end
			local f, why = load(text, "=step", "t", globals)
			local results = f and table.pack(pcall(f)) or table.pack(false, why)
			if results[1] then
				results = ('{"results":%s}'):format(list({ table.unpack(results, 2, results.n) }, results.n - 1))
			else
				results = ('{"raised":%s}'):format(typed(results[2]))
			end
			skynet.ret(skynet.pack(results))
		end)
	end)
	return
end

skynet.start(function()
	local id, _, port = assert(socket.listen("127.0.0.1", 0))
	local service
	local function answer(request)
		local what, text = request:match "^(%S+) ?(.*)$"
		if what == "new" then
			if service then
				skynet.kill(service)
			end
			service = skynet.newservice(SERVICE_NAME, "case")
			return ('"%08x"'):format(service)
		elseif what == "end" then
			skynet.kill(service)
			service = nil
			return "true"
		end
		return skynet.call(service, "lua", what, text)
	end
	socket.start(id, function(client)
		socket.start(client)
		while true do
			local head = socket.read(client, 4)
			if not head then
				break
			end
			local size = string.unpack("<I4", head)
			local request = size > 0 and socket.read(client, size) or ""
			socket.write(client, string.pack("<s4", answer(request)))
		end
		skynet.abort()
	end)
	print("PORT " .. port)
	io.stdout:flush()
end)
