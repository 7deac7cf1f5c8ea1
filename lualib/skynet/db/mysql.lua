-- MySQL and MariaDB: queries as text, prepared statements, several results.
--
-- A connection is a channel in order mode. The native half writes commands, and reads results packet by packet while
-- they come. Errors of SQL are tables that are returned; only what ends a connection is raised.

local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local crypt = require "skynet.crypt"
local core = require "skynet.db.mysql.core"
local stats = require "skynet.db.stats"
local check = require("skynet.core").check

local strchar, pack, unpack = string.char, string.pack, string.unpack
local sha1, sha256, xor = crypt.sha1, crypt.sha256, crypt.xor_str

local MAX_PACKET <const> = 1024 * 1024
local MAX_REPLY <const> = 1024 * 1024 * 1024

-- What clients of skynet (C) say that they can do, and that the name of the way to log in is sent as well.
local CAPABILITIES <const> = 260047
local PLUGIN_AUTH <const> = 0x80000
local TLS <const> = 0x800

local COMMAND <const> = { query = 0x03, ping = 0x0e, prepare = 0x16, stmt_close = 0x19, stmt_reset = 0x1a }

local mysql = { _VERSION = "0.14" }

-- Number of the default collation of each charset.
local charsets = {
	_default = 0, big5 = 1, dec8 = 3, cp850 = 4, hp8 = 6, koi8r = 7, latin1 = 8, latin2 = 9, swe7 = 10, ascii = 11,
	ujis = 12, sjis = 13, hebrew = 16, tis620 = 18, euckr = 19, koi8u = 22, gb2312 = 24, greek = 25, cp1250 = 26,
	gbk = 28, latin5 = 30, armscii8 = 32, utf8 = 33, ucs2 = 35, cp866 = 36, keybcs2 = 37, macce = 38, macroman = 39,
	cp852 = 40, latin7 = 41, utf8mb4 = 45, cp1251 = 51, utf16 = 54, utf16le = 56, cp1256 = 57, cp1257 = 59, utf32 = 60,
	binary = 63, geostd8 = 92, cp932 = 95, eucjpms = 97, gb18030 = 248,
}

-- Packets

local function reader_of(link, db)
	local reader = link.mysql_reader
	if not reader then
		reader = core.reader(db._max_reply)
		link.mysql_reader = reader
	end
	return reader
end

-- A function that reads a result, with rows in the binary form or as text.
local function result_reader(db, binary)
	return function(link)
		local reader = reader_of(link, db)
		core.begin(reader, db.compact, binary)
		return link:decode(core.result, reader)
	end
end

local function packet_reader(db)
	return function(link)
		local content, number = link:decode(core.packet, reader_of(link, db))
		return true, { content, number }
	end
end

local function send_packet(channel, content, number, response)
	return channel:request(pack("<I3B", #content, number) .. content, response)
end

local function error_of(content)
	local errno, at = unpack("<I2", content, 2)
	local sqlstate
	if content:byte(at) == 35 then -- #
		sqlstate = content:sub(at + 1, at + 5)
		at = at + 6
	end
	return content:sub(at), errno, sqlstate
end

-- Login

local tokens = {}

function tokens.mysql_native_password(password, scramble)
	if password == "" then
		return ""
	end
	local once = sha1(password)
	return xor(once, sha1(scramble .. sha1(once)))
end

function tokens.caching_sha2_password(password, scramble)
	if password == "" then
		return ""
	end
	local once = sha256(password)
	return xor(once, sha256(sha256(once) .. scramble))
end

local function raise_error(content)
	local text, errno, sqlstate = error_of(content)
	error(("errno:%d, msg:%s,sqlstate:%s"):format(errno, text, sqlstate))
end

-- The first packet of the server: what it is, the bytes to log in with, and how it wants that.
local function read_greeting(db, content)
	local at
	db.protocol_ver, db._server_ver, at = unpack("<Bz", content)
	-- After the number of the connection.
	local first, low, language, status, high, size, rest = unpack("<c8xI2BI2I2Bx", content, at + 4)
	rest = rest + 9 -- in all ten bytes of nothing
	db._server_lang, db._server_status = language, status
	db._server_capabilities = low | high << 16
	local second = content:sub(rest, rest + 11)
	local plugin
	if high << 16 & PLUGIN_AUTH ~= 0 then
		plugin = content:match("^[^\0]+", rest + math.max(13, size - 8))
	end
	return first .. second, plugin
end

local function read_handshake(db, content)
	if content:byte() == 0xff and #content > 2 then
		raise_error(content)
	end
	local ok, scramble, plugin = pcall(read_greeting, db, content)
	if not ok or db.protocol_ver ~= 10 then
		error "the greeting of the server is not that of MySQL or MariaDB"
	end
	return scramble, plugin
end

local function charset_number(name)
	local number = charsets[name or "_default"]
	if not number then
		skynet.error(("mysql: unknown charset %s; for all of Unicode it is utf8mb4"):format(name))
	end
	return strchar(number)
end

-- Sends the password itself: over TLS as it is, else enciphered for the owner of the server's public key.
local function send_password(channel, conf, scramble, read, number)
	local password = conf.password or ""
	if conf.tls then
		send_packet(channel, password .. "\0", number + 1)
		return
	end
	local key = conf.server_public_key
	if not key then
		if not conf.get_server_public_key then
			error("caching_sha2_password: the server wants the password itself, which is sent over TLS only (option tls);"
				.. " or enciphered, with the server's public key (option server_public_key, or get_server_public_key to"
				.. " ask for it on a network that you trust); or log in once by another client, which makes the server"
				.. " remember it")
		end
		local packet = send_packet(channel, "\2", number + 1, read)
		key, number = packet[1], packet[2]
		if key:byte() == 0xff then
			raise_error(key)
		end
		key = key:sub(2)
	end
	send_packet(channel, core.seal(key, password, scramble), number + 1)
end

-- Answers what the server asks about the password, until it accepts or refuses it.
local function finish_login(db, channel, conf, plugin, scramble)
	local read = packet_reader(db)
	while true do
		local packet = channel:response(read)
		local content, number = packet[1], packet[2]
		local kind = content:byte()
		if kind == 0xff then
			raise_error(content)
		elseif kind == 0xfe then
			local name, data = content:match "^.([^\0]+)\0(.*)$"
			if not name then
				error "old pre-4.1 authentication protocol not supported"
			elseif not tokens[name] then
				error(("login by %s is not supported, only by mysql_native_password or caching_sha2_password"):format(name))
			end
			plugin, scramble = name, data:sub(1, 20)
			send_packet(channel, tokens[name](conf.password or "", scramble), number + 1)
		elseif kind == 1 and plugin == "caching_sha2_password" then
			-- 3: the server has it in its cache, and says OK next.
			if content:byte(2) == 4 then
				send_password(channel, conf, scramble, read, number)
			end
		else
			return
		end
	end
end

-- Asks for TLS and begins it. The server has to be able to.
local function begin_tls(db, channel, conf, flags, charset, number)
	if db._server_capabilities & TLS == 0 then
		error "the server has no TLS (option tls)"
	end
	send_packet(channel, pack("<I4I4c1c23", flags, db._max_packet_size, charset, ("\0"):rep(23)), number)
	local options = { name = conf.host }
	for key, value in pairs(conf.tls == true and {} or conf.tls) do
		options[key] = value
	end
	local ok, why = socket.tls(channel.__sock[1], options)
	if not ok then
		error("TLS: " .. why)
	end
end

local function login(db, conf)
	return function(channel)
		local packet = channel:response(packet_reader(db))
		local scramble, plugin = read_handshake(db, packet[1])
		local flags = CAPABILITIES
		local by = "mysql_native_password"
		if plugin == "caching_sha2_password" then
			flags, by = flags | PLUGIN_AUTH, plugin
		end
		local charset, number = charset_number(conf.charset), packet[2] + 1
		if conf.tls then
			flags = flags | TLS
			begin_tls(db, channel, conf, flags, charset, number)
			number = number + 1
		end
		local token = tokens[by](conf.password or "", scramble)
		local answer = pack("<I4I4c1c23zs1z", flags, db._max_packet_size, charset, ("\0"):rep(23),
			conf.user or "", token, conf.database or "")
		if by == plugin then
			answer = answer .. plugin .. "\0"
		end
		send_packet(channel, answer, number)
		finish_login(db, channel, conf, by, scramble)
		if conf.on_connect then
			conf.on_connect(db)
		end
	end
end

-- Commands

local connection = { _VERSION = mysql._VERSION }
connection.__index = connection

function mysql.connect(conf)
	local db = setmetatable({
		packet_no = 0,
		compact = conf.compact_arrays,
		_max_packet_size = conf.max_packet_size or MAX_PACKET,
		_max_reply = conf.maxreply or MAX_REPLY,
	}, connection)
	db._text, db._binary = result_reader(db, false), result_reader(db, true)
	local channel = socketchannel.channel {
		host = conf.host,
		port = conf.port or 3306,
		auth = login(db, conf),
		overload = conf.overload,
		reconnect = conf.reconnect,
		timeout = conf.timeout or tonumber(skynet.getenv "calltimeout"),
	}
	db.sockchannel = channel
	stats.add("mysql", db, channel)
	channel:connect(true)
	return db
end

function connection:disconnect()
	self.sockchannel:close()
	setmetatable(self, nil)
end

function connection:query(sql)
	return self.sockchannel:request(core.command(COMMAND.query, sql), self._text)
end

function connection:ping()
	return self.sockchannel:request(core.command(COMMAND.ping, ""), self._text)
end

function connection:server_ver()
	return self._server_ver
end

function connection:set_compact_arrays(flag)
	self.compact = flag
end

function connection:stats()
	return self.sockchannel:stats()
end

-- Statements

local function kind_of(content)
	local kind = content:byte()
	if kind == 0 then
		return "OK"
	elseif kind == 0xff then
		return "ERR"
	elseif kind == 0xfe and #content < 9 then
		return "EOF"
	end
	return "DATA"
end

local function broken_answer(errno, text)
	return false, { badresult = true, errno = errno, err = text }
end

-- Reads what `count` columns or parameters are, and the end of their list.
local function read_columns(read, link, count)
	local list = {}
	for i = 1, count do
		local _, packet = read(link)
		if kind_of(packet[1]) ~= "DATA" then
			return nil, ("bad field packet type: %s"):format(kind_of(packet[1]))
		end
		local name, kind, flags = core.column(packet[1])
		list[i] = { name = name, type = kind, is_signed = flags & 0x20 == 0 or nil }
	end
	if count > 0 then
		local _, packet = read(link)
		if kind_of(packet[1]) ~= "EOF" then
			return nil, ("unexpected packet type %s while eof packet is expected"):format(kind_of(packet[1]))
		end
	end
	return list
end

local function statement_reader(db)
	local read = packet_reader(db)
	return function(link)
		local _, packet = read(link)
		local content = packet[1]
		if content == "" then
			return broken_answer(300101, "empty packet")
		end
		local kind = kind_of(content)
		if kind == "ERR" then
			local text, errno, sqlstate = error_of(content)
			return true, { badresult = true, errno = errno, err = text, sqlstate = sqlstate }
		elseif kind ~= "OK" then
			return broken_answer(300201, "first typ must be OK,now" .. kind)
		end
		local id, fields, params, warnings = unpack("<I4I2I2xI2", content, 2)
		local stmt = { prepare_id = id, param_count = params, field_count = fields, warning_count = warnings }
		local why
		stmt.params, why = read_columns(read, link, params)
		if stmt.params then
			stmt.fields, why = read_columns(read, link, fields)
		end
		if why then
			return broken_answer(300101, why)
		end
		return true, stmt
	end
end

function connection:prepare(sql)
	return self.sockchannel:request(core.command(COMMAND.prepare, sql), statement_reader(self))
end

function connection:execute(stmt, ...)
	local given = select("#", ...)
	check(given == stmt.param_count,
		("require stmt.param_count %d get arg_num %d"):format(stmt.param_count, given))
	return self.sockchannel:request(core.execute(stmt.prepare_id, ...), self._binary)
end

function connection:stmt_reset(stmt)
	return self.sockchannel:request(core.command(COMMAND.stmt_reset, pack("<I4", stmt.prepare_id)), self._text)
end

function connection:stmt_close(stmt)
	self.sockchannel:request(core.command(COMMAND.stmt_close, pack("<I4", stmt.prepare_id)))
end

mysql.quote_sql_str = core.quote

return mysql
