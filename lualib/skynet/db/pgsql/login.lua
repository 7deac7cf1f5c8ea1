-- Connections to PostgreSQL: where to connect to, TLS, and the dialogue until the server is ready.

local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local skynet = require "skynet"
local core = require "skynet.db.pgsql.core"
local check = require("skynet.core").check

local pack, unpack = string.pack, string.unpack

local VERSION <const> = 3 << 16
local TLS <const> = 80877103
local CANCEL <const> = 80877102
local GREETING <const> = 1024 * 1024 -- bytes that a server may say before it is ready

local login = {}

-- Errors

local Error = {}
Error.__index = Error

function Error:__tostring()
	return ("%s %s: %s"):format(self.severity or "ERROR", self.code or "?", self.message or "?")
end

local FIELDS <const> = {
	V = "severity", C = "code", M = "message", D = "detail", H = "hint", P = "position", W = "where", s = "schema",
	t = "table", c = "column", d = "datatype", n = "constraint",
}

-- The error, or notice, that a message tells.
function login.error(content)
	local fields = core.fields(content)
	local e = setmetatable({}, Error)
	for letter, name in pairs(FIELDS) do
		e[name] = fields[letter]
	end
	e.severity = e.severity or fields.S
	e.sqlstate = e.code
	e.position = math.tointeger(tonumber(e.position))
	return e
end

-- Options

local function decoded(text)
	return (text:gsub("%%(%x%x)", function(digits)
		return string.char(tonumber(digits, 16))
	end))
end

local function of_url(url)
	local rest = url:match "^postgres://(.*)$" or url:match "^postgresql://(.*)$"
	check(rest, "the url of a database is postgres://user:password@host:port/database")
	local before, options = rest:match "^([^?]*)%??(.*)$"
	local place, database = before:match "^([^/]*)/?(.*)$"
	local who, where = place:match "^(.*)@(.*)$"
	where = where or place
	local conf = { database = database ~= "" and decoded(database) or nil }
	if who then
		local user, password = who:match "^([^:]*):?(.*)$"
		conf.user, conf.password = decoded(user), password ~= "" and decoded(password) or nil
	end
	local host, port = where:match "^%[(.*)%]:?(%d*)$"
	if not host then
		host, port = where:match "^([^:]*):?(%d*)$"
	end
	conf.host = host and host ~= "" and decoded(host) or nil
	conf.port = math.tointeger(tonumber(port))
	for key, value in options:gmatch "([^&=]+)=([^&]*)" do
		if key == "sslmode" then
			local known = { disable = false, require = { verify = false }, ["verify-full"] = true, ["verify-ca"] = true }
			check(known[value] ~= nil, ("sslmode=%s: disable, require or verify-full"):format(value))
			conf.tls = known[value] or nil
		elseif key == "application_name" then
			conf.application_name = decoded(value)
		else
			check(false, ("%s: an option that a url cannot have here"):format(key))
		end
	end
	return conf
end

-- What connect is called with, as a table of its own.
function login.options(conf)
	if type(conf) == "string" then
		conf = of_url(conf)
	end
	local options = {}
	for key, value in pairs(conf) do
		options[key] = value
	end
	options.host = options.host or "127.0.0.1"
	options.port = options.port or 5432
	options.user = check(options.user, "user is missing")
	options.database = options.database or options.user
	for _, key in ipairs { "user", "database", "password", "application_name" } do
		check(not (options[key] and options[key]:find "\0"), key .. " has a zero byte")
	end
	return options
end

local function tls_options(conf)
	local options = { name = conf.host }
	for key, value in pairs(type(conf.tls) == "table" and conf.tls or {}) do
		options[key] = value
	end
	return options
end

-- Dialogues

local function message(kind, content)
	return pack(">c1I4", kind, #content + 4) .. content
end

local function begin_tls(conf)
	return function(sock)
		if sock:read(1) ~= "S" then
			error("the server has no TLS", 0)
		end
		local ok, why = socket.tls(sock[1], tls_options(conf))
		if not ok then
			error(why, 0)
		end
		return true
	end
end

local function startup(conf)
	local words = {
		"user", conf.user, "database", conf.database, "client_encoding", "UTF8", "DateStyle", "ISO",
		"application_name", conf.application_name or "skynet", "",
	}
	local content = pack(">I4", VERSION) .. table.concat(words, "\0") .. "\0"
	return pack(">I4", #content + 4) .. content
end

local answers = {}

-- The password itself.
answers[3] = function(conf)
	if not (conf.tls or conf.cleartext) then
		error("the server wants the password itself, which is sent over TLS only, unless the option cleartext is set", 0)
	end
	return message("p", (conf.password or "") .. "\0")
end

answers[5] = function(conf, content)
	return message("p", core.md5(conf.user, conf.password or "", content:sub(1, 4)) .. "\0")
end

answers[10] = function(conf, content, state)
	if not ("\0" .. content):find("\0SCRAM-SHA-256\0", 1, true) then
		error("the server knows no way to log in by SCRAM-SHA-256", 0)
	end
	local first
	state.scram, first = core.scram(conf.password or "")
	return message("p", pack(">zs4", "SCRAM-SHA-256", first))
end

answers[11] = function(_, content, state)
	return message("p", core.scram_challenge(assert(state.scram, "a login that was not begun"), content))
end

answers[12] = function(_, content, state)
	core.scram_finish(assert(state.scram, "a login that was not begun"), content)
	state.scram = nil
end

-- A function that logs a connection in. `ready(key)` is told the key by which its queries can be cancelled.
function login.auth(conf, ready)
	return function(channel)
		if conf.tls then
			channel:request(pack(">I4I4", 8, TLS), begin_tls(conf))
		end
		local limit = { left = GREETING }
		local function read(sock)
			local kind, content = sock:decode(core.message, limit)
			return true, { kind, content }
		end
		local state, key, accepted = {}, nil, false
		local heard = channel:request(startup(conf), read)
		while true do
			local kind, content = heard[1], heard[2]
			if kind == "E" then
				error(login.error(content), 0)
			elseif kind == "R" then
				local code = unpack(">I4", content)
				if code == 0 then
					if state.scram then
						error("the server has not shown that it knows the password", 0)
					end
					accepted = true
				else
					local answer = answers[code]
					if not answer then
						error(("the server wants a login of kind %d; known are SCRAM-SHA-256, md5 and password"):format(code), 0)
					end
					local text = answer(conf, content:sub(5), state)
					if text then
						channel:request(text)
					end
				end
			elseif kind == "K" then
				key = content
			elseif kind == "Z" and accepted then
				return ready(key)
			elseif kind ~= "S" and kind ~= "N" then
				error(("the server says %q in the middle of a login"):format(kind), 0)
			end
			heard = channel:response(read)
		end
	end
end

-- Asks the server to give up what the connection with this key works on.
function login.cancel(conf, key)
	local id, why = socket.open(conf.host, conf.port)
	if not id then
		error(("pgsql: cancel: %s"):format(why), 0)
	end
	if conf.tls then
		socket.write(id, pack(">I4I4", 8, TLS))
		local ok
		ok, why = socket.read(id, 1) == "S", "the server has no TLS"
		if ok then
			ok, why = socket.tls(id, tls_options(conf))
		end
		if not ok then
			socket.close(id)
			error(("pgsql: cancel: %s"):format(why), 0)
		end
	end
	socket.write(id, pack(">I4I4", 8 + #key, CANCEL) .. key)
	socket.read(id) -- the server closes when it has seen it
	socket.close(id)
end

-- A channel that logs in by itself. What its last login has failed with is told by the second result. `overload` is told
-- when output piles up, and when it is gone.
function login.channel(conf, timeout, ready, overload)
	local failure = {}
	local auth = login.auth(conf, ready)
	local channel = socketchannel.channel {
		host = conf.host,
		port = conf.port,
		nodelay = true,
		timeout = timeout,
		overload = overload,
		auth = function(channel)
			local ok, why = pcall(auth, channel)
			failure.why = not ok and why or nil
			if not ok then
				error(why, 0)
			end
		end,
	}
	return channel, failure
end

-- Connects if there is no connection; raises why it cannot be had.
function login.connect(channel, failure)
	failure.why = nil
	local ok, why = pcall(channel.connect, channel, true)
	if not ok then
		if failure.why and failure.why ~= socketchannel.error then
			why = failure.why
		end
		error(why, 0)
	end
end

login.Error = Error
login.calltimeout = tonumber(skynet.getenv "calltimeout")

return login
