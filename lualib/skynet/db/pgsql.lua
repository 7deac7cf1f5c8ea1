-- PostgreSQL: queries as text and with parameters, transactions, COPY, LISTEN.
--
-- A connection is a channel in order mode: queries of several coroutines are sent one behind the other, and their
-- answers come in that order. A transaction has the connection for itself; others wait in line meanwhile. `generation`
-- counts logins: what belongs to an earlier one (kept statements, transactions) is not sent to the next.

local skynet = require "skynet"
local socketchannel = require "skynet.socketchannel"
local core = require "skynet.db.pgsql.core"
local login = require "skynet.db.pgsql.login"
local Listener = require "skynet.db.pgsql.listener"
local stats = require "skynet.db.stats"
local check = require("skynet.core").check

local MAX_REPLY <const> = 1024 * 1024 * 1024
local STATEMENTS <const> = 256 -- kept for a connection
local JSON <const> = 5 -- the kind of a column

local pgsql = {
	null = setmetatable({}, {
		__tostring = function()
			return "NULL"
		end,
	}),
}

-- Values that are to be sent

local function quoted(value)
	return '"' .. tostring(value):gsub('[\\"]', "\\%0") .. '"'
end

local function array_text(list)
	local items = {}
	for i = 1, list.n or #list do
		local value = list[i]
		if value == nil or value == pgsql.null then
			items[i] = "NULL"
		elseif type(value) == "table" then
			items[i] = array_text(value)
		else
			items[i] = quoted(value)
		end
	end
	return "{" .. table.concat(items, ",") .. "}"
end

function pgsql.array(list)
	return array_text(list)
end

function pgsql.bytea(bytes)
	return "\\x" .. bytes:gsub(".", function(byte)
		return ("%02x"):format(byte:byte())
	end)
end

function pgsql.quote(text)
	check(not text:find "\0", "a text with a zero byte cannot be quoted")
	return (text:find("\\", 1, true) and " E'" or "'") .. text:gsub("'", "''"):gsub("\\", "\\\\") .. "'"
end

function pgsql.identifier(name)
	check(not name:find "\0", "a name with a zero byte cannot be quoted")
	return '"' .. name:gsub('"', '""') .. '"'
end

local function parameters(...)
	local list = table.pack(...)
	for i = 1, list.n do
		local value = list[i]
		if value == pgsql.null then
			list[i] = nil
		elseif value ~= value then
			list[i] = "NaN"
		elseif type(value) == "table" then
			check(false, ("parameter %d is a table: pgsql.array makes an array of it"):format(i))
		end
	end
	return list
end

-- Answers

local function decode_json(decode, result, names, kinds)
	for i, name in ipairs(names) do
		if kinds:byte(i) == JSON then
			for _, row in ipairs(result) do
				if row[name] ~= nil then
					row[name] = decode(row[name])
				end
			end
		end
	end
end

local event = {}

event["T"] = function(_, state, content)
	state.names, state.kinds = core.columns(content)
	state.rows = { columns = state.names }
end

event["C"] = function(db, state, content)
	local result = state.rows or {}
	result.command = content:sub(1, -2)
	result.count = math.tointeger(tonumber(result.command:match "%d+$"))
	if db.json and state.rows and state.names then
		decode_json(db.json, result, state.names, state.kinds)
	end
	state.rows, state.names, state.kinds = nil, nil, nil
	table.insert(state.results, result)
end

event["I"] = function(_, state)
	table.insert(state.results, { command = "" })
end

event["E"] = function(_, state, content)
	local e = login.error(content)
	state.rows, state.failure = nil, e
	if e.severity == "FATAL" or e.severity == "PANIC" then
		error(e, 0) -- nothing comes after it
	end
end

event["N"] = function(db, _, content)
	if db.conf.on_notice then
		skynet.fork(db.conf.on_notice, login.error(content))
	end
end

event["H"] = function(_, state)
	state.rows = {}
end

event["d"] = function(_, state, content)
	if state.sink then
		local ok, why = pcall(state.sink, content)
		if not ok then
			state.sink = function() end
			state.failure = state.failure or why
		end
	else
		table.insert(state.rows, content)
	end
end

event["G"] = function(_, state)
	if not state.copies then
		error("pgsql: COPY FROM STDIN goes by copy_in", 0)
	end
	state.begun = true
end

local function nothing() end
for letter in ("123cnsSAtv"):gmatch "." do
	event[letter] = nothing
end

-- With `stops` it ends when the server waits for the data of a COPY, too: false then.
local function reader(db, copies, sink, stops)
	return function(sock)
		local state = { left = db.maxreply, null = pgsql.null, results = {}, copies = copies, sink = sink }
		while true do
			if stops and state.begun then
				return true, false
			end
			local kind, content = sock:decode(core.message, state)
			if kind == "Z" then
				if state.failure then
					return false, state.failure
				end
				return true, state.results
			end
			local f = event[kind]
			if not f then
				error(("pgsql: a message of kind %q is not known"):format(kind), 0)
			end
			f(db, state, content)
		end
	end
end

-- Connections

local connection = {}
connection.__index = connection

function pgsql.connect(conf)
	conf = login.options(conf)
	local db = setmetatable({
		conf = conf,
		maxreply = conf.maxreply or MAX_REPLY,
		json = conf.json,
		generation = 0,
		count = 0, -- of statements that have ever been prepared
		waiting = {}, -- those that wait for the end of a transaction
	}, connection)
	db.channel, db.failure = login.channel(conf, conf.timeout or login.calltimeout, function(key)
		db.generation = db.generation + 1
		db.key = key
		db.statements, db.names, db.stale = {}, {}, {}
	end, function(high)
		db.full = high
		if not high and db.drained then
			skynet.wakeup(db.drained)
		end
	end)
	login.connect(db.channel, db.failure)
	stats.add("pgsql", db, db.channel)
	return db
end

-- Waits until no other transaction has the connection.
local function enter(db, tx)
	check(not db.closed, "the connection is closed")
	if tx then
		check(db.owner == tx, "the transaction has ended")
		return
	end
	while db.owner do
		local token = {}
		table.insert(db.waiting, token)
		skynet.wait(token)
		check(not db.closed, "the connection is closed")
	end
end

local function leave(db)
	db.owner = nil
	local waiting = db.waiting
	db.waiting = {}
	for _, token in ipairs(waiting) do
		skynet.wakeup(token)
	end
end

-- make() gives the bytes of a request, when there is a connection for it.
local function send(db, tx, make, read)
	repeat
		enter(db, tx)
		login.connect(db.channel, db.failure)
	until not db.owner or db.owner == tx -- a transaction may have begun meanwhile
	if tx and tx.generation and tx.generation ~= db.generation then
		error("pgsql: the transaction has lost its connection", 0)
	end
	return db.channel:request(make(), read)
end

local function simple(db, tx, sql, read)
	return send(db, tx, function()
		return core.simple(sql)
	end, read or reader(db))
end

-- It is not used any more; the server is told with the next one.
local function forget(db, sql)
	local name = db.statements[sql]
	if name then
		db.statements[sql] = nil
		table.insert(db.stale, name)
		for i, known in ipairs(db.names) do
			if known == sql then
				table.remove(db.names, i)
				break
			end
		end
	end
end

-- The name of a kept statement; a second result if the server does not know it yet.
local function statement(db, sql)
	local name = db.statements[sql]
	if name then
		return name
	end
	if #db.names >= STATEMENTS then
		forget(db, db.names[1])
	end
	local close = ""
	for _, old in ipairs(db.stale) do
		close = close .. string.pack(">c1I4c1z", "C", 6 + #old, "S", old)
	end
	db.stale = {}
	db.count = db.count + 1
	name = "s" .. db.count
	db.statements[sql] = name
	table.insert(db.names, sql)
	return name, sql, close
end

local function extended(db, tx, sql, list, again)
	local is_new
	local ok, results = pcall(send, db, tx, function()
		local name, text, close = statement(db, sql)
		is_new = text
		return (close or "") .. core.extended(name, text, list, list.n)
	end, reader(db))
	if ok then
		return results
	end
	local code = getmetatable(results) == login.Error and results.code
	if is_new or code == "26000" or code == "0A000" then
		forget(db, sql)
		-- It has not been done: the server does not know the statement any more.
		if code == "26000" and not again and not tx then
			return extended(db, tx, sql, list, true)
		end
	end
	error(results, 0)
end

local function query(db, tx, sql, ...)
	local results
	if select("#", ...) == 0 then
		results = simple(db, tx, sql)
	else
		results = extended(db, tx, sql, parameters(...))
	end
	return table.unpack(results)
end

local function framed(kind, content)
	return string.pack(">c1I4", kind, #content + 4) .. content
end

-- Sends the pieces while the source gives them, and waits when the server is slower. Raises what the source raises.
local function send_pieces(db, source)
	for piece in source do
		if piece ~= "" then
			db.channel:request(framed("d", piece))
		end
		while db.full and not db.closed do
			db.drained = {}
			skynet.sleep(100, db.drained)
			db.drained = nil
			if not db.channel:stats().connected then
				error(socketchannel.error)
			end
		end
	end
end

-- A COPY whose data is not there yet. Its caller has the connection for itself, which is not made again meanwhile: what
-- is still to be sent would mean nothing to the next one.
local function stream_in(db, tx, sql, source)
	local results = simple(db, tx, sql, reader(db, true, nil, true))
	if results then
		error("pgsql: copy_in is for COPY … FROM STDIN", 0)
	end
	db.channel.only_once = true
	local function finish()
		local ok, why = pcall(send_pieces, db, source)
		local last = ok and framed("c", "") or framed("f", "the source of the data has failed\0")
		local done, got = pcall(db.channel.request, db.channel, last, reader(db, true))
		if not ok then
			error(why, 0)
		elseif not done then
			error(got, 0)
		end
		return got
	end
	local ok, got = pcall(finish)
	db.channel.only_once = false
	if not ok then
		error(got, 0)
	end
	return got
end

local function copy_in(db, tx, sql, source)
	if type(source) == "function" then
		if tx then
			return stream_in(db, tx, sql, source)[1]
		end
		enter(db)
		local alone = {}
		db.owner = alone
		local ok, results = pcall(stream_in, db, alone, sql, source)
		leave(db)
		if not ok then
			error(results, 0)
		end
		return results[1]
	end
	local parts = {}
	for i, piece in ipairs(type(source) == "table" and source or { source }) do
		parts[i] = piece ~= "" and framed("d", piece) or ""
	end
	local results = send(db, tx, function()
		return core.simple(sql) .. table.concat(parts) .. framed("c", "")
	end, reader(db, true))
	return results[1]
end

local function copy_out(db, tx, sql, sink)
	return simple(db, tx, sql, reader(db, false, sink))[1]
end

function connection:query(sql, ...)
	return query(self, nil, sql, ...)
end

function connection:copy_in(sql, source)
	return copy_in(self, nil, sql, source)
end

function connection:copy_out(sql, sink)
	return copy_out(self, nil, sql, sink)
end

-- Transactions

local transaction = {}
transaction.__index = transaction

function transaction:query(sql, ...)
	return query(self.db, self, sql, ...)
end

function transaction:copy_in(sql, source)
	return copy_in(self.db, self, sql, source)
end

function transaction:copy_out(sql, sink)
	return copy_out(self.db, self, sql, sink)
end

local function run(db, tx, f, mode)
	simple(db, tx, "BEGIN " .. (mode or ""))
	tx.generation = db.generation
	local results = table.pack(pcall(f, tx))
	if not results[1] then
		pcall(simple, db, tx, "ROLLBACK")
		error(results[2], 0)
	end
	if simple(db, tx, "COMMIT")[1].command == "ROLLBACK" then
		error("pgsql: the transaction was rolled back, since one of its queries had failed", 0)
	end
	return table.unpack(results, 2, results.n)
end

function connection:transaction(f, mode)
	check(not mode or mode:find "^[%a ,]+$", "the mode of a transaction is such as ISOLATION LEVEL SERIALIZABLE")
	enter(self)
	local tx = setmetatable({ db = self }, transaction)
	self.owner = tx
	local results = table.pack(pcall(run, self, tx, f, mode))
	leave(self)
	if not results[1] then
		error(results[2], 0)
	end
	return table.unpack(results, 2, results.n)
end

-- The rest

function connection:listen(name, f)
	self.listener = self.listener or Listener.new(self.conf)
	self.listener:listen(name, f)
end

function connection:unlisten(name)
	if self.listener then
		self.listener:unlisten(name)
	end
end

function connection:notify(name, payload)
	self:query("SELECT pg_notify($1, $2)", name, payload or "")
end

function connection:cancel()
	login.cancel(self.conf, check(self.key, "the server has given no key to cancel with"))
end

function connection:stats()
	return self.channel:stats()
end

function connection:disconnect()
	if not self.closed then
		self.closed = true
		self.channel:close()
		if self.listener then
			self.listener:close()
		end
		leave(self)
	end
end

return pgsql
