-- Where recorded scripts are played. A test connects to the port that is printed, and says what to do in frames with
-- four bytes of length: `N` starts a fresh service; `L<text>` runs Lua text in it; `E` asks for what it has emitted.
-- Answers are typed values in JSON.
local skynet = require "skynet"
require "skynet.manager"
local socket = require "skynet.socket"

local MODULES <const> = {
	redis = "skynet.db.redis",
	rediscluster = "skynet.db.redis.cluster",
	mysql = "skynet.db.mysql",
	mongo = "skynet.db.mongo",
	bson = "bson",
	dns = "skynet.dns",
	httpc = "http.httpc",
	httpd = "http.httpd",
	url = "http.url",
	websocket = "http.websocket",
	sockethelper = "http.sockethelper",
	tlshelper = "http.tlshelper",
	crypt = "skynet.crypt",
	md5 = "md5",
	socketchannel = "skynet.socketchannel",
}

local HEX <const> = {}
for i = 0, 255 do
	HEX[string.char(i)] = ("%02x"):format(i)
end

local function text(s)
	return ('{"t":"str","hex":"%s"}'):format(s:gsub(".", HEX))
end

-- Values that the recorded cases know by a name.
local function known(value)
	local channel = package.loaded["skynet.socketchannel"]
	local helper = package.loaded["http.sockethelper"]
	if helper and value == helper.socket_error then
		return '{"t":"http_socket_error"}'
	elseif channel and value == channel.error then
		return '{"t":"socket_error"}'
	end
end

local typed

local function table_value(t)
	local array, hash = {}, {}
	while rawget(t, #array + 1) ~= nil do
		array[#array + 1] = typed(t[#array + 1])
	end
	for k, v in next, t do
		if math.type(k) ~= "integer" or k < 1 or k > #array then
			hash[#hash + 1] = ("[%s,%s]"):format(typed(k), typed(v))
		end
	end
	return ('{"t":"table","array":[%s],"hash":[%s]}'):format(table.concat(array, ","), table.concat(hash, ","))
end

function typed(value)
	local kind = type(value)
	if kind == "nil" then
		return '{"t":"nil"}'
	elseif kind == "boolean" then
		return ('{"t":"bool","v":%s}'):format(value)
	elseif math.type(value) == "integer" then
		return ('{"t":"int","v":"%d"}'):format(value)
	elseif kind == "number" then
		return ('{"t":"num","bits":"%s"}'):format((string.pack(">d", value):gsub(".", HEX)))
	elseif kind == "string" then
		return text(value)
	elseif kind == "table" then
		return known(value) or table_value(value)
	end
	return ('{"t":"%s"}'):format(kind == "function" and "lua_function" or kind == "thread" and "lua_thread" or kind)
end

local function list(...)
	local values = table.pack(...)
	for i = 1, values.n do
		values[i] = typed(values[i])
	end
	return "[" .. table.concat(values, ",") .. "]"
end

-- A service in which the Lua text of a case runs.

local events = {}
local given = {}

function given.emit(...)
	events[#events + 1] = list(...)
end

function given.fork(f, ...)
	skynet.fork(f, ...)
end

function given.async(tag, f, ...)
	skynet.fork(function(...)
		given.emit(tag, pcall(f, ...))
	end, ...)
end

function given.listen(port, f)
	local id = assert(socket.listen("127.0.0.1", port))
	socket.start(id, f)
	return id
end

function given.unhex(s)
	return (s:gsub("%x%x", function(byte)
		return string.char(tonumber(byte, 16))
	end))
end

-- A function that reads from a list of pieces.
function given.feeder(pieces)
	local i, data = 0, ""
	local function more()
		i = i + 1
		if not pieces[i] then
			error("end of data", 0)
		end
		data = data .. pieces[i]
	end
	return function(n)
		if n then
			while #data < n do
				more()
			end
		elseif data == "" then
			more()
		end
		n = n or #data
		local result = data:sub(1, n)
		data = data:sub(n + 1)
		return result
	end
end

local function run_case()
	local env = setmetatable({ skynet = skynet, socket = socket }, {
		__index = function(_, name)
			local module = MODULES[name]
			if module then
				return require(module)
			end
			return given[name] or _G[name]
		end,
	})

	local function report(ok, ...)
		return (ok and '{"results":%s}' or '{"error":%s}'):format(list(...))
	end

	skynet.dispatch("lua", function(_, _, op, chunk)
		if op == "E" then
			local all = events
			events = {}
			return skynet.retpack("[" .. table.concat(all, ",") .. "]")
		end
		local response = skynet.response()
		skynet.timeout(5000, function()
			if response then
				response(true, report(false, "it takes longer than 50 s"))
				response = nil
			end
		end)
		local answer = report(pcall(assert(load(chunk, "=script", "t", env))))
		if response then
			response(true, answer)
			response = nil
		end
	end)
	skynet.start(function() end)
end

local function run_stage()
	local case
	local function serve(id)
		socket.start(id)
		while true do
			local length = socket.read(id, 4)
			if not length then
				return skynet.abort()
			end
			local frame = socket.read(id, (string.unpack(">I4", length)))
			local op, answer = frame:sub(1, 1), "[]"
			if op == "N" then
				if case then
					skynet.kill(case)
				end
				case = skynet.newservice(SERVICE_NAME, "case")
			else
				answer = skynet.call(case, "lua", op, frame:sub(2))
			end
			socket.write(id, string.pack(">s4", answer))
		end
	end
	skynet.start(function()
		local id, _, port = socket.listen("127.0.0.1", 0)
		socket.start(id, function(new)
			skynet.fork(serve, new)
		end)
		print("PORT " .. port)
		io.stdout:flush()
	end)
end

if ... == "case" then
	run_case()
else
	run_stage()
end
