-- skynet.db.pgsql: with a real server, whose port is the config key dbport, and with servers that the cases play.
local skynet = require "skynet"
local pgsql = require "skynet.db.pgsql"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local check = require "check"
local pair = require "pair"

local role, case = {}, {}

local function open(more)
	local conf = { host = "127.0.0.1", port = tonumber(skynet.getenv "dbport"), user = "me", password = "secret",
		database = "test" }
	for key, value in pairs(more or {}) do
		conf[key] = value
	end
	while true do
		local ok, db = pcall(pgsql.connect, conf)
		if ok then
			return db
		elseif type(db) ~= "table" or db.code ~= "57P03" then -- else it is starting up
			error(db, 0)
		end
		skynet.sleep(10)
	end
end

-- The error that f(...) raises.
local function error_of(f, ...)
	local ok, e = pcall(f, ...)
	check.ok("it fails", not ok)
	return e
end

local function fails(name, code, f, ...)
	local e = error_of(f, ...)
	check.eq(name, type(e) == "table" and e.sqlstate or tostring(e), code)
	return e
end

-- With a real server

function case.real_tls()
	local db = open { tls = { ca = "ca.pem" } }
	check.eq("it is TLS", db:query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")[1].ssl, true)
	check.eq("a long answer", #db:query("SELECT repeat('x', 300000) AS x")[1].x, 300000)
	db:disconnect()
	db = open { user = "plain", tls = { ca = "ca.pem" } }
	check.eq("the password itself may be shown", db:query("SELECT 1 AS n")[1].n, 1)
	db:disconnect()
	check.ok("another authority", not pcall(open, { tls = { ca = "other.pem" } }))
	db = open()
	check.eq("without TLS, too", db:query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")[1].ssl, false)
	db:disconnect()
end

function case.real_logins()
	for _, user in ipairs { "me", "old" } do
		local db = open { user = user }
		check.eq("user", db:query("SELECT current_user AS u")[1].u, user)
		db:disconnect()
		fails("a wrong password of " .. user, "28P01", open, { user = user, password = "guess" })
	end
	check.fails("the password itself", "over TLS only", open, { user = "plain" })
	local db = open { user = "plain", cleartext = true }
	check.eq("when it may be", db:query("SELECT 1 AS n")[1].n, 1)
	fails("no such database", "3D000", open, { database = "nowhere" })
	check.fails("no TLS there", "the server has no TLS", open, { tls = true })
	local url = "postgres://me:s%%65cret@127.0.0.1:%s/test?application_name=a%%20b"
	db = pgsql.connect(url:format(skynet.getenv "dbport"))
	check.eq("by url", db:query("SHOW application_name")[1].application_name, "a b")
	db:disconnect()
	check.fails("closed", "the connection is closed", db.query, db, "SELECT 1")
end

function case.real_types()
	local db = open()
	local row = db:query([==[SELECT 1::int2 AS a, -2147483648 AS b, 9223372036854775807 AS c, 1.5::float4 AS d,
		'NaN'::float8 AS e, 12.50::numeric AS f, true AS g, false AS h, NULL AS i, 'te''xt' AS j, '\x00ff'::bytea AS k,
		'{"a": [1]}'::jsonb AS l, '2026-01-02 03:04:05'::timestamp AS m, '2026-01-02'::date AS n, '-infinity'::float8 AS o,
		'6f1c2f54-66a5-4d0a-9d4a-1f1d3b0f0a55'::uuid AS p, '{}'::int[] AS q]==])[1]
	check.eq("e", row.e ~= row.e, true)
	row.e = nil
	check.eq("one of each", row, { a = 1, b = -2147483648, c = 9223372036854775807, d = 1.5, f = "12.50", g = true,
		h = false, j = "te'xt", k = "\0\xff", l = '{"a": [1]}', m = "2026-01-02 03:04:05", n = "2026-01-02", o = -math.huge,
		p = "6f1c2f54-66a5-4d0a-9d4a-1f1d3b0f0a55", q = {} })
	row = db:query([==[SELECT ARRAY[1,NULL,3] AS a, ARRAY['x','a "b" \ {c},','NULL',NULL] AS b, ARRAY[[1,2],[3,4]] AS c,
		ARRAY[true,false] AS d, ARRAY['\x00'::bytea] AS e, ARRAY[1.5] AS f, '[0:1]={7,8}'::int[] AS g]==])[1]
	check.eq("arrays", row, { a = { 1, pgsql.null, 3 }, b = { "x", 'a "b" \\ {c},', "NULL", pgsql.null },
		c = { { 1, 2 }, { 3, 4 } }, d = { true, false }, e = { "\0" }, f = { "1.5" }, g = { 7, 8 } })
	-- And back, as parameters.
	row = db:query("SELECT $1::int AS a, $2::text AS b, $3::float8 AS c, $4::bool AS d, $5::bytea AS e, $6::int[] AS f,"
		.. " $7::text[] AS g, $8::text AS h, $9::float8 AS i", 7, "'; DROP", 0.1, true, pgsql.bytea "\0\xff\\",
		pgsql.array { 1, pgsql.null, 3 }, pgsql.array { 'a"b\\', "NULL", "" }, nil, 0 / 0)[1]
	check.ok("not a number", row.i ~= row.i)
	row.i = nil
	check.eq("there and back", row, { a = 7, b = "'; DROP", c = 0.1, d = true, e = "\0\xff\\", f = { 1, pgsql.null, 3 },
		g = { 'a"b\\', "NULL", "" } })
	for _, text in ipairs { "it's", "a\\b", "", "\\'; --" } do
		check.eq("quoted", db:query("SELECT " .. pgsql.quote(text) .. " AS " .. pgsql.identifier 'a"b')[1]['a"b'], text)
	end
	local with = open { json = function(text) return { text } end }
	check.eq("decoded", with:query("SELECT '[1]'::json AS j, 2 AS n")[1], { j = { "[1]" }, n = 2 })
	check.fails("a table", "pgsql.array makes an array", db.query, db, "SELECT $1", {})
	check.fails("a function", "bad parameter 1", db.query, db, "SELECT $1", print)
end

function case.real_queries()
	local db = open()
	local result = db:query "CREATE TABLE t (id serial PRIMARY KEY, name text UNIQUE)"
	check.eq("command", result.command, "CREATE TABLE")
	result = db:query("INSERT INTO t (name) VALUES ($1), ($2) RETURNING id", "a", "b")
	check.eq("returning", { result[1].id, result[2].id, result.count, result.command }, { 1, 2, 2, "INSERT 0 2" })
	check.eq("columns", db:query("SELECT name, id FROM t").columns, { "name", "id" })
	local first, second, third = db:query "SELECT 1 AS n; UPDATE t SET name = 'c' WHERE id = 2; SELECT 2 AS n"
	check.eq("several results", { first[1].n, second.count, third[1].n }, { 1, 1, 2 })
	check.eq("none", db:query("").command, "")
	-- Errors say what is wrong; the connection goes on.
	local e = fails("syntax", "42601", db.query, db, "SELEC 1")
	check.eq("where", { e.position, e.severity, e.message }, { 1, "ERROR", 'syntax error at or near "SELEC"' })
	check.ok("as text", tostring(e):find "^ERROR 42601: syntax error")
	e = fails("constraint", "23505", db.query, db, "INSERT INTO t (name) VALUES ($1)", "a")
	check.eq("which", { e.constraint, e.table, e.schema }, { "t_name_key", "t", "public" })
	fails("in the second of two", "22012", db.query, db, "SELECT 1; SELECT 1/0")
	fails("a parameter", "22P02", db.query, db, "SELECT $1::int", "x")
	fails("a missing parameter", "08P01", db.query, db, "SELECT $1::int + $2::int", 1)
	check.fails("a zero byte", "pgsql: ", db.query, db, "SELECT '\0'")
	check.fails("no UTF-8", "not UTF-8", db.query, db, "SELECT '\xff'")
	-- Statements are kept, and made again when the server has lost them, or what they are about has changed.
	local function kept()
		return db:query("SELECT count(*)::int AS n FROM pg_prepared_statements")[1].n
	end
	db:query("SELECT $1::int + 1 AS n", 0)
	local before = kept()
	for i = 1, 20 do
		check.eq("kept", db:query("SELECT $1::int + 1 AS n", i)[1].n, i + 1)
	end
	check.eq("one of them", kept(), before)
	db:query "DISCARD ALL"
	check.eq("again", db:query("SELECT $1::int + 1 AS n", 5)[1].n, 6)
	db:query("SELECT * FROM t WHERE id = $1", 1)
	db:query "ALTER TABLE t ADD extra int DEFAULT 5"
	pcall(db.query, db, "SELECT * FROM t WHERE id = $1", 1)
	check.eq("changed", db:query("SELECT * FROM t WHERE id = $1", 1)[1].extra, 5)
	for i = 1, 600 do
		db:query(("SELECT %d + $1::int AS n"):format(i), 1)
	end
	check.ok("not all of them", kept() <= 256, kept())
	-- Many at a time, in order.
	local jobs = {}
	for i = 1, 200 do
		jobs[i] = pair.background(db.query, db, i % 3 == 0 and "SELECT 1/0" or "SELECT $1::int AS n", i % 3 ~= 0 and i or nil)
	end
	local wrong = 0
	for i, job in ipairs(jobs) do
		pair.finished(job)
		local good = i % 3 == 0 and not job.ok or job.ok and job[1][1].n == i
		wrong = wrong + (good and 0 or 1)
	end
	check.eq("each its own", wrong, 0)
	check.eq("large", #db:query("SELECT repeat('x', 3000000) AS x")[1].x, 3000000)
	check.eq("many rows", #db:query "SELECT generate_series(1, 50000) AS n", 50000)
	local notices = {}
	local other = open { on_notice = function(notice) notices[#notices + 1] = notice.message end }
	other:query "DO $$ BEGIN RAISE NOTICE 'hello'; END $$"
	check.ok("a notice", check.wait(function() return notices[1] == "hello" end))
	local small = open { maxreply = 1000 }
	check.fails("a limit", "above its limit", small.query, small, "SELECT repeat('x', 2000)")
	check.eq("the next one", small:query("SELECT 1 AS n")[1].n, 1)
	check.ok("statistics", db:stats().requests > 600)
end

function case.real_transactions()
	local db = open()
	db:query "CREATE TABLE account (id int PRIMARY KEY, money int CHECK (money >= 0))"
	db:query "INSERT INTO account VALUES (1, 100), (2, 0)"
	local function move(n)
		return db:transaction(function(tx)
			tx:query("UPDATE account SET money = money + $1 WHERE id = 2", n)
			skynet.sleep(0)
			tx:query("UPDATE account SET money = money - $1 WHERE id = 1", n)
			return "moved", n
		end)
	end
	check.returns("results", { "moved", 30 }, move, 30)
	fails("not enough", "23514", move, 71)
	check.fails("an error of the function", "own error", db.transaction, db, function(tx)
		tx:query "UPDATE account SET money = 0"
		error "own error"
	end)
	local function money()
		local rows = db:query "SELECT money FROM account ORDER BY id"
		return { rows[1].money, rows[2].money }
	end
	check.eq("undone", money(), { 70, 30 })
	check.fails("a failure that was hidden", "rolled back", db.transaction, db, function(tx)
		tx:query "UPDATE account SET money = 0"
		pcall(tx.query, tx, "SELECT 1/0")
	end)
	check.eq("undone as well", money(), { 70, 30 })
	-- Others do not get in between.
	local jobs = {}
	for i = 1, 40 do
		jobs[i] = i % 2 == 0 and pair.background(move, 1) or pair.background(function()
			local sum = db:query("SELECT sum(money)::int AS s FROM account")[1].s
			assert(sum == 100, sum)
		end)
	end
	for i, job in ipairs(jobs) do
		pair.finished(job)
		check.ok("job " .. i, job.ok, tostring(job[1]))
	end
	check.eq("all moved", money(), { 50, 50 })
	local kept
	db:transaction(function(tx)
		kept = tx
		check.eq("mode", tx:query("SHOW transaction_isolation")[1].transaction_isolation, "serializable")
	end, "ISOLATION LEVEL SERIALIZABLE")
	check.fails("after its end", "the transaction has ended", kept.query, kept, "SELECT 1")
	-- The connection dies in the middle: nothing of it is done on the next one.
	check.fails("lost", "", db.transaction, db, function(tx)
		tx:query "UPDATE account SET money = 0"
		local pid = tx:query("SELECT pg_backend_pid() AS p")[1].p
		local killer = open()
		killer:query("SELECT pg_terminate_backend($1)", pid)
		pcall(tx.query, tx, "SELECT 1")
		tx:query "UPDATE account SET money = 1"
	end)
	check.eq("nothing was done", money(), { 50, 50 })
end

function case.real_copy()
	local db = open()
	db:query "CREATE TABLE c (a int, b text)"
	check.eq("a text", db:copy_in("COPY c FROM STDIN", "1\tone\n2\ttwo\n").count, 2)
	check.eq("a list", db:copy_in("COPY c FROM STDIN (FORMAT csv)", { "3,th", "ree\n", "", '4,"fo,ur"\n' }).count, 2)
	local n = 4
	check.eq("a function", db:copy_in("COPY c FROM STDIN", function()
		n = n + 1
		return n <= 1000 and ("%d\tx\n"):format(n) or nil
	end).count, 996)
	check.fails("a function that fails", "own error", db.copy_in, db, "COPY c FROM STDIN", function() error "own error" end)
	n = 0
	fails("a bad piece in the middle", "22P02", db.copy_in, db, "COPY c FROM STDIN", function()
		n = n + 1
		return n < 100 and (n == 50 and "x\ty\n" or ("%d\tx\n"):format(n)) or nil
	end)
	n = 0
	local others = 0
	for _ = 1, 5 do
		skynet.fork(function()
			local rows = #db:query "SELECT 1"
			others = others + rows
		end)
	end
	local peak = 0
	db:query "CREATE TABLE big (b text)"
	check.eq("64 MiB in pieces, while others wait", db:copy_in("COPY big FROM STDIN", function()
		n = n + 1
		if n % 100 == 0 then
			peak = math.max(peak, collectgarbage "count")
		end
		return n <= 1024 and ("y"):rep(65535) .. "\n" or nil
	end).count, 1024)
	check.ok("never all of it in memory", peak < 32 * 1024, peak)
	check.ok("the others were served", check.wait(function() return others == 5 end))
	check.eq("inside a transaction", db:transaction(function(tx)
		local once = true
		return tx:copy_in("COPY big FROM STDIN", function()
			local piece = once and "one\n" or nil
			once = false
			return piece
		end).count
	end), 1)
	check.fails("what is no COPY", "FROM STDIN", db.copy_in, db, "SELECT 1", function() end)
	fails("a bad line", "22P02", db.copy_in, db, "COPY c FROM STDIN", "x\ty\n")
	fails("no such table", "42P01", db.copy_in, db, "COPY nowhere FROM STDIN", "1\n")
	local out = db:copy_out "COPY (SELECT * FROM c WHERE a < 5 ORDER BY a) TO STDOUT"
	check.eq("out", { #out, out[1], out[4], out.count }, { 4, "1\tone\n", "4\tfo,ur\n", 4 })
	local sum = 0
	db:copy_out("COPY c (a) TO STDOUT", function(line) sum = sum + tonumber(line) end)
	check.eq("to a function", sum, 500500)
	check.fails("that fails", "own error", db.copy_out, db, "COPY c TO STDOUT", function() error "own error" end)
	check.eq("it goes on", db:query("SELECT count(*)::int AS n FROM c")[1].n, 1000)
	check.fails("by query", "goes by copy_in", db.query, db, "COPY c FROM STDIN")
	check.eq("on the next connection", db:query("SELECT count(*)::int AS n FROM c")[1].n, 1000)
end

function case.real_messages()
	local db, other = open(), open()
	local got = {}
	local function note(payload, name)
		got[#got + 1] = name .. ":" .. payload
	end
	db:listen("news", note)
	db:listen('a "b"', note)
	other:notify("news", "one")
	other:notify('a "b"', "two")
	other:query "NOTIFY nobody, 'three'"
	check.ok("heard", check.wait(function() return #got == 2 end))
	check.eq("what", got, { "news:one", 'a "b":two' })
	other:query [[SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%LISTEN%'
		AND pid <> pg_backend_pid()]]
	check.ok("heard by a new connection", check.wait(function()
		other:notify("news", "again")
		return got[#got] == "news:again"
	end))
	db:unlisten "news"
	local before = #got
	other:notify("news", "late")
	other:notify('a "b"', "last")
	check.ok("the other one", check.wait(function() return #got > before end))
	check.eq("only that", got[#got], 'a "b":last')
	db:unlisten 'a "b"'
end

function case.real_bad_luck()
	local db = open()
	local job = pair.background(db.query, db, "SELECT pg_sleep(60)")
	skynet.sleep(10)
	db:cancel()
	pair.finished(job)
	check.eq("cancelled", job[1].sqlstate, "57014")
	check.eq("goes on", db:query("SELECT 1 AS n")[1].n, 1)
	local slow = open { timeout = 30 }
	check.eq("late", error_of(slow.query, slow, "SELECT pg_sleep(60)"), socketchannel.timeout)
	check.eq("goes on", slow:query("SELECT 1 AS n")[1].n, 1)
	-- The connection is killed while it works: an error, and never a second time.
	db:query "CREATE TABLE once (n int)"
	job = pair.background(db.query, db, "INSERT INTO once SELECT 1 FROM pg_sleep(60)")
	skynet.sleep(10)
	local killer = open()
	killer:query [[SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO once%']]
	pair.finished(job)
	check.eq("told why", { job.ok, job[1].sqlstate }, { false, "57P01" })
	check.eq("not done", db:query("SELECT count(*)::int AS n FROM once")[1].n, 0)
end

-- Calls that wait behind a slow one, with parameters and without.
function case.real_waiting()
	local db = open { timeout = 3000 }
	local answers, done = {}, 0
	skynet.fork(db.query, db, "SELECT pg_sleep(0.3)")
	for i = 1, 10000 do
		skynet.fork(function()
			local ok, rows = pcall(function()
				if i % 2 == 0 then
					return db:query("SELECT $1::int AS n", i)
				end
				return db:query(("SELECT %d AS n"):format(i))
			end)
			answers[i] = ok and rows[1].n or tostring(rows)
			done = done + 1
		end)
	end
	check.ok("all calls end", check.wait(function()
		return done == 10000
	end))
	local wrong = 0
	for i = 1, 10000 do
		wrong = wrong + (answers[i] == i and 0 or 1)
	end
	check.eq("each has its own answer", wrong, 0)
	db:disconnect()
end

-- The Rust side kills the server when it is told so, and starts it again.
function case.real_restart()
	local db = open()
	db:query "CREATE TABLE bank (id int PRIMARY KEY, money int)"
	db:query "INSERT INTO bank SELECT g, 100 FROM generate_series(1, 10) g"
	local stop, outcomes, begun = false, 0, 0
	local function clerk(seed)
		for i = 1, 10000 do
			if stop then
				return
			end
			begun = begun + 1
			local from, to = (seed * i) % 10 + 1, (seed + i) % 10 + 1
			pcall(db.transaction, db, function(tx)
				tx:query("UPDATE bank SET money = money - 1 WHERE id = $1", from)
				tx:query("UPDATE bank SET money = money + 1 WHERE id = $1", to)
			end)
			outcomes = outcomes + 1
			skynet.sleep(1)
		end
	end
	local jobs = {}
	for seed = 1, 5 do
		jobs[seed] = pair.background(clerk, seed)
	end
	skynet.sleep(50)
	print "KILL"
	skynet.sleep(150)
	check.ok("it works again", check.wait(function()
		return pcall(db.query, db, "SELECT 1")
	end))
	skynet.sleep(30)
	stop = true
	for _, job in ipairs(jobs) do
		pair.finished(job)
	end
	check.eq("each has its outcome", outcomes, begun)
	check.eq("no money made or lost", db:query("SELECT sum(money)::int AS s FROM bank")[1].s, 1000)
end

-- With servers that are played

local function message(kind, content)
	return string.pack(">c1I4", kind, #content + 4) .. content
end

local READY <const> = message("Z", "I")

-- A server that lets everybody in; f(id) says the rest.
local function server(f, hello)
	local port, listener = pair.server(function(id)
		socket.start(id)
		local head = socket.read(id, 4)
		if head then
			socket.read(id, (">I4"):unpack(head) - 4)
			socket.write(id, hello or message("R", "\0\0\0\0") .. message("K", "12345678") .. READY)
			f(id)
		end
	end)
	return port, listener
end

-- The content of the next request.
local function request(id)
	local head = socket.read(id, 5)
	return head and socket.read(id, (">I4"):unpack(head, 2) - 4)
end

local function query_of(answer, more)
	local port = server(function(id)
		while request(id) do
			socket.write(id, answer)
			if more then
				more(id)
			end
		end
	end)
	local db = open { port = port }
	return pcall(db.query, db, "SELECT 1")
end

local function columns(...)
	local parts = {}
	for i, oid in ipairs { ... } do
		parts[i] = string.pack(">zI4I2I4I2I4I2", "c" .. i, 0, 0, oid, 0, 0, 0)
	end
	return message("T", string.pack(">I2", #parts) .. table.concat(parts))
end

local function row(...)
	local parts = {}
	for i, text in ipairs { ... } do
		parts[i] = string.pack(">s4", text)
	end
	return message("D", string.pack(">I2", #parts) .. table.concat(parts))
end

local DONE <const> = message("C", "SELECT 1\0")

function case.lies()
	local ok, result = query_of(columns(23) .. row "7" .. DONE .. READY)
	check.eq("good", { ok, result[1].c1 }, { true, 7 })
	local bad = {
		["a length of 3"] = "D\0\0\0\3",
		["a bulk of 1 GiB"] = "D\x40\0\0\0",
		["an unknown kind"] = message("?", ""),
		["a value that is longer than its row"] = columns(23) .. message("D", string.pack(">I2I4", 1, 1000) .. "x"),
		["fewer values than it says"] = columns(23) .. message("D", "\xff\xff"),
		["fewer columns than it says"] = message("T", "\xff\xff"),
		["a column without an end"] = message("T", "\0\1name"),
		["an array of depth 100,000"] = columns(1007) .. row(("{"):rep(100000)),
		["an array without an end"] = columns(1007) .. row "{1,2",
	}
	for name, bytes in pairs(bad) do
		local done, why = query_of(bytes .. READY)
		check.ok(name, not done, "it was taken")
		check.ok(name .. ", told", tostring(why):find "pgsql: " or why == socketchannel.error, tostring(why))
	end
	-- What is no number stays a text; more values than columns are left out.
	ok, result = query_of(columns(23, 701, 17) .. row("x", "y", "z", "more") .. DONE .. READY)
	check.eq("other texts", { ok, result[1].c1, result[1].c2, result[1].c3 }, { true, "x", "y", "z" })
	ok, result = query_of(columns(25) .. row "\xff\xfe" .. DONE .. READY)
	check.eq("broken UTF-8", { ok, result[1].c1 }, { true, "\xff\xfe" })
end

function case.logins()
	local function hello(bytes, more)
		local port = server(function(id)
			for _, text in ipairs(more or {}) do
				request(id)
				socket.write(id, text)
			end
		end, bytes)
		return function()
			return open { port = port, timeout = 100 }
		end
	end
	local function auth(code, rest)
		return message("R", string.pack(">I4", code) .. (rest or ""))
	end
	check.fails("Kerberos", "a login of kind 7", hello(auth(7)))
	check.fails("no SCRAM", "no way to log in by SCRAM-SHA-256", hello(auth(10, "OTHER\0\0")))
	check.fails("a login that was not begun", "not begun", hello(auth(11, "r=x,s=x,i=1")))
	local for_ever = auth(11, "r=x,s=eA==,i=2147483647")
	check.fails("hashed for ever", "hashed more than", hello(auth(10, "SCRAM-SHA-256\0\0"), { for_ever }))
	check.fails("a server that skips its part", "has not shown", hello(auth(10, "SCRAM-SHA-256\0\0"), { auth(0) }))
	check.fails("another protocol", "", hello "HTTP/1.1 400 Bad Request\r\n\r\n")
	check.fails("silence", "", hello "")
	check.fails("a query as greeting", "in the middle of a login", hello(message("D", "")))
end

-- Half an answer, silence, and an end: each call has its outcome, and nothing is sent a second time.
function case.half_answers()
	local asked = 0
	local port = server(function(id)
		request(id)
		asked = asked + 1
		socket.write(id, (columns(23) .. row "7"):sub(1, 30))
		if asked > 1 then
			socket.close(id)
		end
	end)
	local db = open { port = port, timeout = 30 }
	check.eq("silence", error_of(db.query, db, "SELECT 1"), socketchannel.timeout)
	check.eq("an end", error_of(db.query, db, "SELECT 1"), socketchannel.error)
	check.eq("each was sent once", asked, 2)
	local jobs = {}
	for i = 1, 1000 do
		jobs[i] = pair.background(db.query, db, "SELECT 1")
	end
	for i, job in ipairs(jobs) do
		check.ok("job " .. i, pair.finished(job) and not job.ok)
	end
end

function case.mistakes()
	check.fails("no url", "the url of a database is", pgsql.connect, "mysql://x")
	check.fails("no user", "user is missing", pgsql.connect, {})
	check.fails("an option", "cannot have here", pgsql.connect, "postgres://u@h/d?x=y")
	check.fails("sslmode", "disable, require or verify-full", pgsql.connect, "postgres://u@h/d?sslmode=maybe")
	check.fails("a zero byte", "user has a zero byte", pgsql.connect, { user = "a\0b" })
	check.eq("nobody there", error_of(open, { port = pair.dead_port() }), socketchannel.error)
	check.fails("quote", "zero byte", pgsql.quote, "\0")
	check.fails("identifier", "zero byte", pgsql.identifier, "\0")
end

return check.main(role, case, ...)
