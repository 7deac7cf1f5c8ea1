-- Requests and answers over one TCP connection, which is made when it is needed.
--
-- A *channel* is what the application holds: where to connect to, and how. A *link* is one
-- connection, with the requests that wait on it and a coroutine, its server, that reads the
-- answers and hands them out. A link that breaks fails all its waiters, once, and is never used
-- again; the channel makes the next one at its next request. A link does not keep its channel
-- alive, so that a channel which nobody holds any more can be collected and its link closed.
--
-- In order mode a waiter brings the function that reads its answer, and waiters stand in a
-- line (from `first` to `last`). In session mode the channel's `response` reads every answer, and
-- its session finds the waiter.

local skynet = require "skynet"
local socket = require "skynet.socket"
local driver = require "skynet.socketdriver"
local check = require("skynet.core").check

local wait, wakeup = skynet.wait, skynet.wakeup

-- Looked up at each line: applications put their own there.
local function log(...)
	skynet.error(...)
end

local socket_error = setmetatable({}, {
	__tostring = function()
		return "[Error: socket]"
	end,
})

local timeout_error = setmetatable({}, {
	__tostring = function()
		return "[Error: timeout]"
	end,
})

local socketchannel = { error = socket_error, timeout = timeout_error }

-- Waiters

---@class skynet.socketchannel.waiter
---@field response any the function (order mode) or session that it waits with
---@field parts table? what has come of an answer in parts
---@field outcome "done"|"refused"|"broken"|"late"|nil
---@field value any

local function settle(waiter, outcome, value)
	if not waiter.outcome then
		waiter.outcome, waiter.value = outcome, value
		wakeup(waiter)
	end
end

-- One more part of the answer; true if it was the last.
local function take(waiter, ok, data, more)
	local parts = waiter.parts
	if not ok then
		settle(waiter, "refused", data)
		return true
	elseif more then
		parts = parts or {}
		waiter.parts = parts
		parts[#parts + 1] = data
		return false
	elseif parts then
		parts[#parts + 1] = data
		data = parts
	end
	settle(waiter, "done", data)
	return true
end

-- Links

---@class skynet.socketchannel.link
---@field [1] integer the socket
---@field owner table its channel at 1, weak
---@field place string host and port
---@field broken boolean
---@field sessions table<any, skynet.socketchannel.waiter> session mode
---@field line skynet.socketchannel.waiter[] order mode
---@field first integer whose turn it is in the line
---@field last integer
---@field idle boolean order mode: the server waits for a request
---@field heard integer session mode: how many answers have come
---@field counts table<string, integer> those of its channel

local methods = {}

function methods:read(n)
	return socket.read(self[1], n) or error(socket_error)
end

function methods:readline(sep)
	return socket.readline(self[1], sep) or error(socket_error)
end

-- Decoders never give nil first.
local function decoded(first, ...)
	if first == nil then
		error(socket_error)
	end
	return first, ...
end

function methods:decode(f, state)
	return decoded(socket.decode(self[1], f, state))
end

-- Fails everybody who waits. `why` nil: because of the connection.
local function fail_waiters(link, why)
	local sessions, line, first, last = link.sessions, link.line, link.first, link.last
	link.sessions, link.line, link.first, link.last = {}, {}, 1, 0
	for at = first, last do
		settle(line[at], "broken", why)
	end
	for _, waiter in pairs(sessions) do
		settle(waiter, "broken", why)
	end
	if link.idle then
		wakeup(link)
	end
end

-- `__sock` of a channel is its link while that stands.
local function retire(link)
	link.broken = true
	local channel = link.owner[1]
	if channel and channel.__sock == link then
		channel.__sock = nil
	end
end

-- A finalizer cannot wait for the end of the connection, so it lets go of it.
local function let_go(id)
	if not socket.invalid(id) then
		socket.abandon(id)
		socket.close_fd(id)
	end
end

local function release(link)
	if not link.broken then
		retire(link)
		let_go(link[1])
		if link.idle then
			wakeup(link)
		end
	end
end

local function close_socket(id)
	if coroutine.isyieldable() then
		socket.close(id)
	else
		let_go(id)
	end
end

local function break_link(link, why)
	if not link.broken then
		retire(link)
		fail_waiters(link, why)
		socket.onclose(link[1], nil)
		close_socket(link[1])
	end
end

local function reason(err)
	if err and err ~= socket_error then
		return err
	end
end

local function serve_in_order(link)
	while not link.broken do
		local turn = link.first
		local waiter = link.line[turn]
		if waiter then
			local ok, good, data, more = pcall(waiter.response, link)
			if not ok then
				return break_link(link, reason(good))
			elseif take(waiter, good, data, more) and not link.broken then
				link.line[turn] = nil
				if turn == link.last then
					link.first, link.last = 1, 0
				else
					link.first = turn + 1
				end
			end
		else
			link.idle = true
			wait(link)
			link.idle = false
		end
	end
end

local function serve_by_session(link, response)
	while not link.broken do
		local ok, session, good, data, more = pcall(response, link)
		if not ok or not session then
			return break_link(link, reason(session))
		end
		link.heard = link.heard + 1
		local waiter = link.sessions[session]
		if not waiter then
			log("socket: unknown session :", session)
		elseif take(waiter, good, data, more) then
			link.sessions[session] = nil
		end
	end
end

local weak_values = { __mode = "v" }

local function new_link(id, place, channel)
	local response = channel.response_of_all
	local link = setmetatable({
		id,
		owner = setmetatable({ channel }, weak_values),
		place = place,
		broken = false,
		sessions = {},
		line = {},
		first = 1,
		last = 0,
		idle = false,
		heard = 0,
	}, channel.class)
	if response then
		skynet.fork(serve_by_session, link, response)
		return link
	end
	-- Nobody reads an idle connection, so nobody else would notice its end. The callback must not keep the link.
	local weak = setmetatable({ link = link }, weak_values)
	socket.onclose(id, function()
		local gone = weak.link
		if gone and not gone.broken and gone.first > gone.last then
			log("socket closed by peer : " .. place)
			break_link(gone)
		end
	end)
	skynet.fork(serve_in_order, link)
	return link
end


-- Channels

---@class skynet.socketchannel.channel
---@field __sock skynet.socketchannel.link? programs take the socket from there: channel.__sock[1]
local Channel = {}
Channel.__index = Channel

function Channel:__gc()
	if self.__sock then
		release(self.__sock)
	end
end

local function place_of(host, port)
	return port and ("%s %s"):format(host, port) or tostring(host)
end

local function recover(load)
	if load.high then
		load.high = false
		load.tell(false)
	end
end

-- The overload callback hears true when output piles up and false when it is gone. `load` outlives the link.
local function watch(load, id, place)
	socket.warning(id, function(_, kb)
		if kb == 0 then
			recover(load)
		elseif load.high then
			log(("WARNING: %d K bytes need to send out (fd = %d %s)"):format(kb, id, place))
		else
			load.high = true
			load.tell(true)
		end
	end)
end

-- Runs the application's authentication on a new link; only this coroutine may use it.
local function authenticate(self, link)
	self.trial, self.authenticator = link, coroutine.running()
	self.__sock = link
	local ok, err = pcall(self.auth, self)
	self.trial, self.authenticator = nil, nil
	if not ok then
		if err ~= socket_error then
			log("socket: auth failed", err)
		end
		break_link(link)
	end
	return ok and not link.broken
end

-- A link to this place, or nil and why not.
-- Options of TLS for a server: it is verified by the name that the channel connects to, unless they have one.
local function tls_for(options, host)
	local own = { name = host:match "^%[?(.-)%]?:%d+$" or host }
	for key, value in pairs(options) do
		own[key] = value
	end
	return own
end

local function dial(self, host, port)
	local id, err = socket.open(host, port, function(attempt)
		self.dialling = attempt
		if self.deadline then
			skynet.timeout(self.deadline, function()
				if self.dialling == attempt then
					close_socket(attempt)
				end
			end)
		end
	end)
	if id and self.tls then
		local ok, why = socket.tls(id, tls_for(self.tls, host))
		if not ok then
			socket.close(id)
			id, err = nil, why
		end
	end
	self.dialling = nil
	local counts = self.counts
	if not id then
		counts.failed = counts.failed + 1
		return nil, err
	end
	counts.connects = counts.connects + 1
	if self.nodelay then
		driver.nodelay(id)
	end
	local place = place_of(host, port)
	if self.load then
		watch(self.load, id, place)
	end
	local link = new_link(id, place, self)
	if self.auth and not authenticate(self, link) then
		return nil, "no more backup host"
	end
	return link
end

-- The next backup that has not been tried. The list is looked at each time: authentication may change it.
local function next_backup(self, tried)
	for _, entry in ipairs(self.backup or {}) do
		local host, port = entry, self.port
		if type(entry) == "table" then
			host, port = entry.host, entry.port or port
		end
		if not tried[place_of(host, port)] then
			return host, port
		end
	end
end

-- One round over the host and the backups: true, or false and why.
local function try_all(self)
	local host, port = self.host, self.port
	local target, tried, failure = place_of(host, port), {}, nil
	while host do
		local link, err = dial(self, host, port)
		if self.closed then
			if link then
				break_link(link)
			end
			return false, "channel closed"
		elseif place_of(self.host, self.port) ~= target then -- changehost in the meantime
			if link then
				break_link(link)
			end
			return try_all(self)
		elseif link then
			self.host, self.port, self.__sock, self.had_link = host, port, link, true
			if self.load then
				recover(self.load)
			end
			return true
		end
		failure = err
		-- The host itself may be among the backups, and then has a second chance, as in skynet (C).
		host, port = next_backup(self, tried)
		if host then
			tried[place_of(host, port)] = true
			log("socket: connect to backup host", place_of(host, port))
		end
	end
	return false, failure
end

local function try_until_connected(self, attempt)
	local pause = 0
	while not self.closed do
		local ok, err = try_all(self)
		local place = place_of(self.host, self.port)
		if ok then
			log("socket: connect to", place)
			return
		elseif self.closed then
			return
		end
		log("socket: connect", err)
		local again = pause > 1000
		if again then
			log("socket: try to reconnect", place)
		end
		skynet.sleep(pause, attempt) -- close() ends the sleep
		pause = again and 0 or pause + 100
	end
end

-- An attempt to connect, and the coroutines that wait for its end. Closed also when its coroutine is killed.
local Attempt = {}

function Attempt:__close()
	local channel = self.channel
	local trial = channel.trial
	channel.attempt, channel.trial, channel.authenticator = nil, nil, nil
	if trial then
		release(trial)
	end
	for _, token in ipairs(self) do
		wakeup(token)
	end
end

local function attempt_to_connect(self, once)
	local attempt <close> = setmetatable({ channel = self, failed = false }, Attempt)
	self.attempt = attempt
	if not once then
		return try_until_connected(self, attempt)
	end
	local ok, err = try_all(self)
	if not ok then
		attempt.failed = true
		if not self.closed then
			log("Connect failed", err, place_of(self.host, self.port))
		end
	end
	return attempt.failed
end

-- A link that can be used now.
local function usable(self)
	local authenticator = self.authenticator
	if authenticator then
		if authenticator ~= coroutine.running() then
			return nil
		elseif self.trial.broken then
			error(socket_error)
		end
		return self.trial
	end
	local link = self.__sock
	if not link or link.broken then
		return nil
	elseif socket.disconnected(link[1]) then
		log("socket: disconnect detected", link.place)
		break_link(link)
		return nil
	end
	return link
end

local function connected(self, once)
	local link = usable(self)
	while not link do
		local failed
		if self.only_once and self.had_link then
			error(socket_error)
		end
		local attempt = self.attempt
		if attempt then
			local token = {}
			attempt[#attempt + 1] = token
			wait(token)
			failed = once and attempt.failed
		else
			failed = attempt_to_connect(self, once)
		end
		if failed or self.closed then
			error(socket_error)
		end
		link = usable(self)
	end
	return link
end

function Channel:connect(once)
	self.closed = false
	connected(self, once)
	return true
end

-- No answer in time. Whoever stands behind it in the line would wait for the same answer, so a line ends; sessions end
-- when nothing at all has come meanwhile. Else the answer is dropped when it comes.
local function give_up(link, waiter, heard)
	waiter.outcome = "late"
	local stuck
	if link.by_session then
		stuck = link.heard == heard
	else
		stuck = link.line[link.first] == waiter
	end
	if stuck and not link.broken then
		log("socket: no answer in time, closing", link.place)
		break_link(link)
	end
end

local function await(link, response, counts, deadline)
	local waiter = { response = response }
	local heard = link.heard
	if link.by_session then
		link.sessions[response] = waiter
	else
		local last = link.last + 1
		link.last = last
		link.line[last] = waiter
		if link.idle then
			wakeup(link)
		end
	end
	local due = deadline and skynet.now() + deadline
	repeat
		if not due then
			wait(waiter)
		elseif due <= skynet.now() then
			give_up(link, waiter, heard)
		else
			skynet.sleep(due - skynet.now(), waiter)
		end
	until waiter.outcome
	local outcome, value = waiter.outcome, waiter.value
	if outcome == "done" then
		counts.answers = counts.answers + 1
		return value
	elseif outcome == "refused" then
		counts.refused = counts.refused + 1
		error(value)
	elseif outcome == "late" then
		counts.timeouts = counts.timeouts + 1
		error(timeout_error)
	end
	counts.broken = counts.broken + 1
	error(value == nil and socket_error or value)
end

function Channel:request(req, response, padding)
	check(not self.closed, "assertion failed! (the channel is closed)")
	local link = connected(self, true)
	local counts = self.counts
	counts.requests = counts.requests + 1
	local id, sent = link[1], nil
	if padding then
		sent = socket.lwrite(id, req)
		for _, part in ipairs(padding) do
			sent = sent and socket.lwrite(id, part)
		end
	else
		sent = socket.write(id, req)
	end
	if not sent then
		break_link(link)
		error(socket_error)
	end
	if response ~= nil then
		return await(link, response, counts, self.deadline)
	end
end

-- Whoever waits for what nobody has asked for waits as long as it takes; but not for a greeting.
function Channel:response(response)
	check(not self.closed, "assertion failed! (the channel is closed)")
	local deadline = self.authenticator == coroutine.running() and self.deadline
	return await(connected(self), response, self.counts, deadline)
end

function Channel:stats()
	local stats = { waiting = 0, connected = false }
	for name, count in pairs(self.counts) do
		stats[name] = count
	end
	local link = self.__sock
	if link and not link.broken then
		stats.connected = true
		stats.waiting = link.last - link.first + 1
		for _ in pairs(link.sessions) do
			stats.waiting = stats.waiting + 1
		end
	end
	return stats
end

local function disconnect(self)
	local link = self.trial or self.__sock
	self.__sock = nil
	if self.dialling then
		close_socket(self.dialling)
	end
	if link then
		break_link(link)
	end
end

function Channel:close()
	if not self.closed then
		self.closed = true
		if self.attempt then
			wakeup(self.attempt)
		end
		disconnect(self)
	end
end

function Channel:changehost(host, port)
	self.host = host
	self.port = port or self.port
	disconnect(self)
end

function Channel:changebackup(list)
	self.backup = list
end

function socketchannel.channel(desc)
	check(type(desc) == "table", "the description of a channel is a table")
	local self = {
		host = check(desc.host, "the description of a channel has a host"),
		port = desc.port or nil,
		backup = desc.backup,
		auth = desc.auth,
		response_of_all = desc.response,
		nodelay = desc.nodelay,
		only_once = desc.reconnect == false,
		tls = desc.tls == true and {} or desc.tls,
		load = desc.overload and { high = false, tell = desc.overload },
		deadline = desc.timeout,
		counts = { requests = 0, answers = 0, refused = 0, broken = 0, timeouts = 0, connects = 0, failed = 0 },
		closed = false,
	}
	self.class = {
		__index = {
			read = desc.socket_read or methods.read,
			readline = desc.socket_readline or methods.readline,
			decode = methods.decode,
			by_session = desc.response and true or false,
		},
		__gc = release,
	}
	return setmetatable(self, Channel)
end

return socketchannel
