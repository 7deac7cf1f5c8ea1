-- skynet.db.mysql: bad luck, played by servers in the same service, and a real server, whose port is the config key
-- `dbport`.
local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local crypt = require "skynet.crypt"
local mysql = require "skynet.db.mysql"
local check = require "check"
local pair = require "pair"

local role, case = {}, {}

-- The other side of the protocol.

local SCRAMBLE <const> = "ABCDEFGHIJKLMNOPQRST"
local OK <const> = "\0\0\0\2\0\0\0"

local function packet(number, content)
	return string.pack("<I3B", #content, number) .. content
end

local function packets(number, ...)
	local all = {}
	for i, content in ipairs { ... } do
		all[i] = packet(number + i - 1, content)
	end
	return table.concat(all)
end

local function column(name, kind, flags, decimals)
	return string.pack("<s1s1s1s1s1s1", "def", "db", "t", "ot", name, "o" .. name)
		.. string.pack("<BI2I4BI2Bxx", 12, 33, 11, kind, flags or 0, decimals or 0)
end

local EOF <const> = "\xfe\0\0\2\0"

local function handshake(plugin)
	local capabilities = plugin and 0x8f7ff or 0xf7ff
	local first = SCRAMBLE:sub(1, 8)
	return string.pack("<Bz I4 c8x I2BI2I2B c10 z", 10, "8.0.40-fake", 77, first, capabilities & 0xffff, 33, 2,
		capabilities >> 16, 21, ("\0"):rep(10), SCRAMBLE:sub(9)) .. (plugin and plugin .. "\0" or "")
end

local function read_packet(id)
	local head = socket.read(id, 4)
	if not head then
		return nil
	end
	local size, number = string.unpack("<I3B", head)
	return size > 0 and socket.read(id, size) or "", number
end

-- A server that lets everybody in and answers with what answer(command, id, number of the connection) returns; it ends
-- a connection for which that is nil.
local function server(answer, login)
	local state = { connections = 0 }
	local port = pair.server(function(id)
		socket.start(id)
		state.connections = state.connections + 1
		local number = state.connections
		if login then
			login(id)
		else
			socket.write(id, packet(0, handshake()))
			read_packet(id)
			socket.write(id, packet(2, OK))
		end
		while true do
			local command = read_packet(id)
			local text = command and answer(command, id, number)
			if not text then
				break
			end
			socket.write(id, text)
		end
		socket.close(id)
	end)
	return port, state
end

local function connect(port, more)
	local conf = { host = "127.0.0.1", port = port, user = "me", password = "secret", database = "test" }
	for k, v in pairs(more or {}) do
		conf[k] = v
	end
	return mysql.connect(conf)
end

local function at_once(count, f)
	local outcomes, done = {}, 0
	for i = 1, count do
		outcomes[i] = {}
		skynet.fork(function()
			table.insert(outcomes[i], table.pack(pcall(f, i)))
			done = done + 1
		end)
	end
	check.ok("all calls end", check.wait(function()
		return done == count
	end))
	local once = true
	for i = 1, count do
		once = once and #outcomes[i] == 1
		outcomes[i] = outcomes[i][1]
	end
	check.ok("each has one outcome", once)
	return outcomes
end

local function all(outcomes, what, from)
	for i = from or 1, #outcomes do
		if outcomes[i][1] or outcomes[i][2] ~= what then
			return false
		end
	end
	return true
end

local HALF <const> = packets(1, "\1", column("a", 3), EOF, "\0011") .. packet(5, "\0012"):sub(1, 4)
local WHOLE <const> = packets(1, "\1", column("a", 3), EOF, "\0011", EOF)

function case.killed_in_an_answer()
	local port, state = server(function(_, id, number)
		if number == 1 then
			socket.write(id, HALF)
			return nil
		end
		return WHOLE
	end)
	local db = connect(port)
	local outcomes = at_once(3, function()
		return db:query "select"
	end)
	check.ok("all have lost it", all(outcomes, socketchannel.error))
	check.eq("the next call connects again", db:query "select", { { a = 1 } })
	check.eq("once", state.connections, 2)
	check.eq("counted", { db:stats().broken, db:stats().connects }, { 3, 2 })
end

function case.killed_in_a_transaction()
	local seen = {}
	local port = server(function(command, _, number)
		seen[#seen + 1] = number .. command:sub(2)
		return command:sub(2) ~= "commit" and packet(1, OK) or nil
	end)
	local db = connect(port)
	db:query "begin"
	db:query "update"
	local ok, err = pcall(db.query, db, "commit")
	check.ok("its end raises", not ok and err == socketchannel.error)
	check.eq("the next call is served", db:query("other").affected_rows, 0)
	check.eq("nothing is sent twice", seen, { "1begin", "1update", "1commit", "2other" })
end

function case.silence()
	local port, state = server(function(_, id, number)
		if number == 1 then
			socket.write(id, HALF)
			return ""
		end
		return WHOLE
	end)
	local db = connect(port, { timeout = 20 })
	local outcomes = at_once(2, function()
		return db:query "select"
	end)
	check.ok("the first is told so", all({ outcomes[1] }, socketchannel.timeout))
	check.ok("the one behind it has lost the connection", all(outcomes, socketchannel.error, 2))
	check.eq("the next call connects again", db:query "select", { { a = 1 } })
	check.eq("once", state.connections, 2)
end

function case.lying_answers()
	local answers = {
		{ "columns", packets(1, "\xfe\0\0\0\x80\0\0\0\0") }, -- 2^31 columns
		{ "ends too early", packets(1, "\1", "\3de") }, -- a column that is cut
		{ "ends too early", packets(1, "\1", column("a", 3), EOF, "\xfe\xff\xff\xff\xff\xff\xff\xff\x7f1") },
		{ "ends too early", packets(1, "\0") }, -- success, cut
		{ "ends too early", packets(1, "\xff\1") }, -- an error, cut
		{ "begins with 0xff", packets(1, "\1", "\xff" .. column("a", 3)), true },
		{ "file of this machine", packets(1, "\xfb/etc/passwd") },
		{ "maxreply", string.pack("<I3B", 0xffffff, 1) .. ("x"):rep(0xffffff) .. "\xff\xff\xff\2" },
		{ "timeout", "\5\0\0\1\1" }, -- a packet that is never whole
	}
	local port = server(function(command)
		local n = tonumber(command:sub(2))
		return n and answers[n][2] or packet(1, OK)
	end)
	local db = connect(port, { timeout = 100, maxreply = 20000000 })
	for i, answer in ipairs(answers) do
		if answer[3] then
			check.ok("an error that makes no sense", db:query(i).badresult)
		else
			check.fails(("answer %d"):format(i), answer[1], db.query, db, i)
		end
		check.eq("the next call is served", db:query("fine").affected_rows, 0)
	end
end

-- A value of more than a packet has, and bytes that are no UTF-8.
function case.long_values()
	local long = ("\xff\xfe\0"):rep(6000000)
	local row = string.pack("<Bs8", 0, ""):sub(1, 1) .. "" -- an empty first column
	row = "\0\xfe" .. string.pack("<s8", long)
	local port = server(function()
		return packets(1, "\2", column("a", 253), column("b", 252), EOF) ..
			string.pack("<I3B", 0xffffff, 5) .. row:sub(1, 0xffffff) ..
			string.pack("<I3B", #row - 0xffffff, 6) .. row:sub(0x1000000) .. packet(7, EOF)
	end)
	local db = connect(port)
	local rows = db:query "select"
	check.ok("as it was", #rows == 1 and rows[1].a == "" and rows[1].b == long)
	check.fails("a command that is too long", "16777214", db.query, db, ("x"):rep(0xffffff))
	check.eq("which is not sent", #db:query "select", 1)
end

function case.failed_logins()
	local function denied(id)
		socket.write(id, packet(0, handshake()))
		read_packet(id)
		socket.write(id, packet(2, "\xff\x15\4#28000Access denied"))
	end
	local port = server(function() end, denied)
	local ok, err = pcall(connect, port)
	check.ok("a wrong password", not ok and err == socketchannel.error)
	local function other(id)
		socket.write(id, packet(0, handshake()))
		read_packet(id)
		socket.write(id, packet(2, "\xfedialog\0more\0"))
	end
	port = server(function() end, other)
	check.ok("an unknown way to log in", not pcall(connect, port))
	for _, greeting in ipairs { "", "\10", "\10x", "\xff", "garbage" } do
		port = server(function() end, function(id)
			socket.write(id, packet(0, greeting))
		end)
		check.ok("a greeting that is none", not pcall(connect, port))
	end
	port = server(function() end, function() end)
	check.ok("no greeting", not pcall(connect, port, { timeout = 20 }))
end

-- caching_sha2_password, by a second implementation: the server has the password's hash in its cache, or not.
function case.sha2_login()
	local function expected(scramble)
		local once = crypt.sha256 "secret"
		return crypt.xor_str(once, crypt.sha256(crypt.sha256(once) .. scramble))
	end
	local seen
	local function login(how)
		return function(id)
			socket.write(id, packet(0, handshake "caching_sha2_password"))
			local answer = read_packet(id)
			local flags = string.unpack("<I4", answer)
			local user, token, database, plugin = string.unpack("<zs1zz", answer, 33)
			seen = { flags & 0x80000 ~= 0, user, token == expected(SCRAMBLE), database, plugin }
			how(id)
		end
	end
	local port = server(function()
		return packet(1, OK)
	end, login(function(id)
		socket.write(id, packets(2, "\1\3", OK))
	end))
	local db = connect(port)
	check.eq("what is sent", seen, { true, "me", true, "test", "caching_sha2_password" })
	check.eq("logged in", db:ping().affected_rows, 0)
	port = server(function() end, login(function(id)
		socket.write(id, packet(2, "\1\4"))
	end))
	check.ok("the password itself is not sent in the clear", not pcall(connect, port))

	-- A server that switches, to each of the two.
	for _, plugin in ipairs { "caching_sha2_password", "mysql_native_password" } do
		local other = ("z"):rep(20)
		local token
		port = server(function()
			return packet(1, OK)
		end, function(id)
			socket.write(id, packet(0, handshake()))
			read_packet(id)
			socket.write(id, packet(2, "\xfe" .. plugin .. "\0" .. other .. "\0"))
			token = read_packet(id)
			socket.write(id, packet(4, OK))
		end)
		connect(port)
		local once = crypt.sha1 "secret"
		local native = crypt.xor_str(once, crypt.sha1(other .. crypt.sha1(once)))
		check.ok(plugin, token == (plugin == "mysql_native_password" and native or expected(other)))
	end
end

-- A server that takes the password itself, enciphered with its key. OpenSSL is the other side of the cipher: the test
-- has put the two halves of a key into the folder.
function case.rsa_login()
	local function file(name)
		local f <close> = assert(io.open(name, "rb"))
		return f:read "a"
	end
	local public = file "public.pem"
	local asked, password
	local function login(key)
		return function(id)
			socket.write(id, packet(0, handshake "caching_sha2_password"))
			read_packet(id)
			socket.write(id, packet(2, "\1\4"))
			local sealed, number = read_packet(id)
			asked = sealed == "\2"
			if asked then
				socket.write(id, packet(number + 1, key))
				sealed, number = read_packet(id)
			end
			if not sealed then
				return
			end
			do
				local f <close> = assert(io.open("sealed", "wb"))
				f:write(sealed)
			end
			local pipe <close> = assert(io.popen("openssl pkeyutl -decrypt -inkey private.pem"
				.. " -pkeyopt rsa_padding_mode:oaep -in sealed"))
			password = crypt.xor_str(pipe:read "a", SCRAMBLE)
			socket.write(id, packet(number + 1, OK))
		end
	end
	local function to(key)
		return (server(function()
			return packet(1, OK)
		end, login(key)))
	end
	local long = ("long"):rep(40)
	for _, text in ipairs { "secret", "", "\xff\0x", long } do
		local db = connect(to(), { server_public_key = public, password = text })
		check.eq("the key was given", { asked, password }, { false, text .. "\0" })
		check.eq("logged in", db:ping().affected_rows, 0)
		db = connect(to("\1" .. public), { get_server_public_key = true, password = text })
		check.eq("the key was asked for", { asked, password }, { true, text .. "\0" })
		check.eq("logged in", db:ping().affected_rows, 0)
	end
	local function refused(name, key, conf)
		asked, password = nil, nil
		local ok, err = pcall(connect, to(key), conf)
		check.ok(name, not ok and err == socketchannel.error)
		check.eq(name .. ": no password was sent", password, nil)
	end
	refused("a key that is none", "\1garbage", { get_server_public_key = true })
	refused("no key", "\xff\x15\4#28000no RSA here", { get_server_public_key = true })
	refused("a password that is too long for the key", "\1" .. public,
		{ get_server_public_key = true, password = ("x"):rep(300) })
	refused("a given key that is none", nil, { server_public_key = "garbage" })
end

function case.many_waiting()
	local port, state = server(function(command)
		if command == "\0031" then
			skynet.sleep(20)
		end
		local text = command:sub(2)
		return packets(1, "\1", column("a", 253), EOF, string.char(#text) .. text, EOF)
	end)
	local db = connect(port, { timeout = 3000 })
	local outcomes = at_once(10000, function(i)
		return db:query(i)
	end)
	local right = true
	for i = 1, #outcomes do
		right = right and outcomes[i][1] and outcomes[i][2][1].a == tostring(i)
	end
	check.ok("each has its answer", right)
	check.eq("one connection", state.connections, 1)
end

-- With a real server.

local function real(more)
	return connect(tonumber(skynet.getenv "dbport"), more)
end

local function must(result)
	if result.badresult then
		error(("%d %s"):format(result.errno, result.err))
	end
	return result
end

function case.real_commands()
	local db = real { charset = "utf8mb4" }
	check.ok("a version", db:server_ver():find "MariaDB")
	must(db:query "create table people (id int auto_increment primary key, name varchar(40), score double)")
	local ok = must(db:query "insert into people (name, score) values ('Ann', 1.5), ('Bob', null)")
	check.eq("inserted", { ok.affected_rows, ok.insert_id }, { 2, 1 })
	check.eq("rows", db:query "select * from people order by id",
		{ { id = 1, name = "Ann", score = 1.5 }, { id = 2, name = "Bob" } })
	db:set_compact_arrays(true)
	check.eq("as arrays", db:query "select id, name from people order by id", { { 1, "Ann" }, { 2, "Bob" } })
	db:set_compact_arrays(false)
	local bad = db:query "selec"
	check.eq("an error", { bad.badresult, bad.errno, bad.sqlstate }, { true, 1064, "42000" })
	local many = db:query "select 1 as a; update people set score = 2; selec"
	check.eq("several results", { many.multiresultset, many[1], many[2].affected_rows, many.badresult },
		{ true, { { a = 1 } }, 2, true })
	local odd = "a'\"\\\0\n\r\t\26é"
	check.eq("quoted", db:query("select " .. mysql.quote_sql_str(odd) .. " as q")[1].q, odd)
	check.eq("ping", db:ping().affected_rows, 0)
	must(db:query "create procedure two() begin select 1 as a; select 2 as b; end")
	local called = db:query "call two()"
	check.eq("a procedure", { called[1], called[2], called[3].affected_rows }, { { { a = 1 } }, { { b = 2 } }, 0 })

	local stmt = db:prepare "insert into people (name, score) values (?, ?)"
	check.eq("a statement", { stmt.param_count, stmt.field_count }, { 2, 0 })
	check.eq("executed", must(db:execute(stmt, "Cy", 3)).insert_id, 3)
	must(db:execute(stmt, nil, nil))
	check.fails("too few arguments", "require stmt.param_count 2 get arg_num 1", db.execute, db, stmt, 1)
	check.fails("no value of SQL", "invalid parameter type table", db.execute, db, stmt, {}, 1)
	check.eq("reset", db:stmt_reset(stmt).affected_rows, 0)
	db:stmt_close(stmt)
	check.eq("closed", db:execute(stmt, 1, 2).errno, 1243)
	local long = ("x"):rep(20000000)
	check.eq("twenty million bytes", #db:query("select repeat('x', 20000000) as x")[1].x, #long)
	db:disconnect()
end

-- The same values by both ways, of all types, are the same but for numbers whose text is not exact.
function case.real_types()
	local db = real { charset = "utf8mb4" }
	must(db:query [[create table types (
		t tinyint, tu tinyint unsigned, s smallint, m mediumint, mu mediumint unsigned, i int, iu int unsigned,
		b bigint, bu bigint unsigned, f float, d double, n decimal(30, 10), da date, dt datetime, dt3 datetime(3),
		dt6 datetime(6), ts timestamp null, ti time, ti6 time(6), y year, c char(4), v varchar(10), bi binary(3),
		bl blob, tx text, e enum('a', 'b'), st set('x', 'y'), bt bit(9), js json)]])
	must(db:query [[insert into types values
		(-128, 255, -32768, -8388608, 16777215, -2147483648, 4294967295, -9223372036854775808, 9223372036854775807,
		 1.5, -1e300, 12.5, '2020-01-02', '2020-01-02 03:04:05', '2020-01-02 03:04:05.120', '2020-01-02 03:04:05.000001',
		 '2020-01-02 03:04:05', '-34:05:06', '838:59:59.000001', 2024, 'ab', 'é', x'00ff01', x'00ff', 'text', 'b', 'x,y',
		 b'100000001', '{"a":1}'),
		(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '0000-00-00', '0000-00-00 00:00:00', 0, 0, null, 0, 0, 0, '', '', '', '', '',
		 'a', '', 0, '[]'),
		(null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
		 null, null, null, null, null, null, null, null, null, null)]])
	local text = db:query "select * from types"
	local binary = db:execute(db:prepare "select * from types")
	check.eq("three rows", { #text, #binary }, { 3, 3 })
	for i = 1, 3 do
		for name, value in pairs(text[i]) do
			local other = binary[i][name]
			check.ok(("%s of row %d"):format(name, i), value == other or i == 2 and name:find "^dt"
				and tostring(other):sub(1, 19) == value:sub(1, 19) or i == 2 and name:find "^ti"
				and tostring(other):sub(1, 8) == value:sub(1, 8),
				("%s, and %s in binary"):format(value, other))
		end
		for name in pairs(binary[i]) do
			check.ok("nothing more", text[i][name] ~= nil, name)
		end
	end
	local row = binary[1]
	check.eq("integers", { row.t, row.tu, row.mu, row.iu, row.b, row.bu, row.y },
		{ -128, 255, 16777215, 4294967295, math.mininteger, math.maxinteger, 2024 })
	check.eq("times", { row.dt3, row.dt6, row.ti, row.ti6 },
		{ "2020-01-02 03:04:05.120", "2020-01-02 03:04:05.000001", "-34:05:06", "838:59:59.000001" })
	check.eq("the third row is empty", next(binary[3]), nil)
	check.eq("a number beyond", db:query "select 18446744073709551615 as n"[1].n, 18446744073709551615.0)
	check.eq("in binary", db:execute(db:prepare "select 18446744073709551615 as n")[1].n, -1)
end

function case.real_tls()
	local db = real { tls = { ca = "ca.pem" } }
	check.ok("a cipher", db:query "show status like 'Ssl_cipher'"[1].Value ~= "")
	check.eq("a long answer", #db:query "select repeat('x', 300000) as x"[1].x, 300000)
	local ok, err = pcall(real, { tls = { ca = "other.pem" } })
	check.ok("another authority", not ok and err == socketchannel.error)
	check.ok("without TLS, too", real():ping().affected_rows == 0)
	local port = server(function() end)
	check.ok("a server without TLS", not pcall(connect, port, { tls = true }))
end

-- Ten accounts, between which a hundred coroutines move money, while the server is killed and started again. No money
-- is made or lost, and each transaction has one outcome.
function case.real_restart()
	local setup = real()
	must(setup:query "create table accounts (id int primary key, gold bigint)")
	for i = 1, 10 do
		must(setup:query(("insert into accounts values (%d, 1000)"):format(i)))
	end
	must(setup:query "create table moves (id bigint primary key)")
	local committed, failed, unknown, stop, running, number = {}, {}, {}, false, 0, 0
	local function moves(db)
		while not stop do
			number = number + 1
			local id = number
			local from, to = math.random(10), math.random(10)
			local sent = false
			local ok, err = pcall(function()
				must(db:query "begin")
				must(db:query(("update accounts set gold = gold - 1 where id = %d"):format(math.min(from, to))))
				must(db:query(("update accounts set gold = gold + 1 where id = %d"):format(math.max(from, to))))
				must(db:query(("insert into moves values (%d)"):format(id)))
				sent = true
				must(db:query "commit")
			end)
			if ok then
				committed[#committed + 1] = id
			else
				local list = sent and unknown or failed
				list[#list + 1] = id
				pcall(db.query, db, "rollback")
				if err == socketchannel.error then
					skynet.sleep(5)
				end
			end
		end
		running = running - 1
	end
	for _ = 1, 20 do
		running = running + 1
		skynet.fork(moves, real { timeout = 1000 })
	end
	check.ok("moving", check.wait(function()
		return #committed > 200
	end))
	check.emit "KILL"
	check.ok("told", check.wait(function()
		return #failed + #unknown >= 20
	end))
	local before = #committed
	check.ok("moving again", check.wait(function()
		return #committed > before + 200
	end))
	stop = true
	check.ok("all have ended", check.wait(function()
		return running == 0
	end))
	check.eq("the same money", tonumber(setup:query "select sum(gold) as gold from accounts"[1].gold), 10000)
	local done = {}
	for _, row in ipairs(setup:query "select id from moves") do
		done[row.id] = true
	end
	local lost, extra = 0, 0
	for _, id in ipairs(committed) do
		lost = lost + (done[id] and 0 or 1)
	end
	for _, id in ipairs(failed) do
		extra = extra + (done[id] and 1 or 0)
	end
	check.eq("what was committed is there, what failed is not", { lost, extra }, { 0, 0 })
	check.eq("each has an outcome", #committed + #failed + #unknown, number)
end

return check.main(role, case, ...)
