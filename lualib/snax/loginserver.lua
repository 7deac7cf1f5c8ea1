-- A login server: clients agree on a secret with it and say who they are; the application decides whether that is
-- true, and what they get.
--
-- The script that calls this module runs several times: first as the master, which accepts connections, and then as
-- its slaves, which talk to the clients until the application's auth_handler has seen the token. Whoever finds the
-- master's name taken is a slave. The master alone runs login_handler and writes the last line, so that it can see
-- that nobody logs in twice at the same time.

local skynet = require "skynet"
require "skynet.manager"
local crypt = require "skynet.crypt"
local socket = require "skynet.socket"
local driver = require "skynet.socketdriver"
local core = require "skynet.core"

local check, shown = core.check, core.shown

local LONGEST <const> = 8192 -- bytes that a client may have sent and nobody has read
local LINGER <const> = 50 -- how long a connection is kept after the last line, in centiseconds

-- Defaults of conf.
local INSTANCES <const> = 8
local MAXCLIENT <const> = 1024
local TIMEOUT <const> = 3000

local GONE <const> = {} -- raised where the client has gone: there is nobody to answer

local function write(what, fd, text)
	if not socket.write(fd, text .. "\n") then
		skynet.error(("%s failed: socket (fd = %d) closed"):format(what, fd))
		error(GONE, 0)
	end
end

-- The slave

-- Clients that have not sent everything, in the order in which their time is over.
local function unfinished()
	local queue, first, last = {}, 1, 0
	local timeout, ticking

	-- The oldest one, or nil.
	local function oldest()
		while first <= last and not queue[first] do
			first = first + 1
		end
		return queue[first]
	end

	local function cut(client, why)
		client.cut = why
		queue[client.place] = nil
		socket.shutdown(client.fd)
	end

	local function tick()
		local client = oldest()
		while client and client.deadline <= skynet.now() do
			cut(client, ("no complete login within %g s"):format(timeout / 100))
			client = oldest()
		end
		ticking = client ~= nil
		if client then
			skynet.timeout(math.max(client.deadline - skynet.now(), 10), tick)
		end
	end

	local list = {}

	function list.start(time)
		timeout = time
	end

	function list.enter(client)
		last = last + 1
		client.place, client.deadline = last, skynet.now() + timeout
		queue[last] = client
		if not ticking then
			ticking = true
			skynet.timeout(timeout, tick)
		end
	end

	function list.leave(client)
		queue[client.place] = nil
	end

	-- Makes room at the cost of the one that has taken the most time; false if all have sent everything.
	function list.cut_oldest()
		local client = oldest()
		if client then
			cut(client, "too many clients have not finished")
		end
		return client ~= nil
	end

	return list
end

local function receive(client)
	local line = socket.readline(client.fd)
	if not line then
		local why = client.cut and ": " .. client.cut or ""
		skynet.error(("auth failed: socket (fd = %d) closed%s"):format(client.fd, why))
		error(GONE, 0)
	end
	return line
end

-- The lines of a login but the last one: the secret and the token.
local function exchange(client)
	local fd = client.fd
	local challenge = crypt.randomkey()
	write("auth", fd, crypt.base64encode(challenge))

	local theirs = crypt.base64decode(receive(client))
	if #theirs ~= 8 then
		error("Invalid client key", 0)
	end
	local key = crypt.randomkey()
	write("auth", fd, crypt.base64encode(crypt.dhexchange(key)))
	local secret = crypt.dhsecret(theirs, key)

	if not crypt.equal(crypt.hmac64(challenge, secret), crypt.base64decode(receive(client))) then
		error("challenge failed", 0)
	end
	local token = crypt.base64decode(receive(client))
	return secret, crypt.desdecode(secret, token)
end

local function run_slave(conf)
	local auth = check(conf.auth_handler, "auth_handler is missing")
	local list = unfinished()
	list.start(conf.timeout or TIMEOUT)
	local most = math.max(1, (conf.maxclient or MAXCLIENT) // (conf.instance or INSTANCES))
	local count = 0

	local function login(client)
		list.enter(client)
		local ok, secret, token = pcall(exchange, client)
		list.leave(client)
		if not ok then
			error(secret, 0)
		end
		local server, uid = auth(token)
		return server, uid, secret
	end

	local function serve(fd, from)
		skynet.error(("connect from %s (fd = %d)"):format(from, fd))
		if count >= most and not list.cut_oldest() then
			skynet.error(("auth failed: socket (fd = %d) closed: %d clients wait for auth_handler"):format(fd, count))
			return nil, "too many clients"
		elseif not socket.start(fd) then
			skynet.error(("auth failed: socket (fd = %d) closed"):format(fd))
			return nil, "socket error"
		end
		socket.limit(fd, LONGEST)
		count = count + 1
		local ok, server, uid, secret = pcall(login, { fd = fd })
		count = count - 1
		-- What it may still send stays in the kernel; the master closes the connection.
		driver.pause(fd)
		socket.abandon(fd)
		if ok then
			return true, server, uid, secret
		elseif server == GONE then
			return nil, "socket error"
		end
		return false, tostring(server)
	end

	skynet.dispatch("lua", function(_, _, ...)
		skynet.retpack(serve(...))
	end)
end

-- The master

-- What becomes of a client that a slave has examined: raises an error unless it is logged in.
local function admit(conf, busy, fd, ok, server, uid, secret)
	if not ok then
		if ok == false then
			write("response 401", fd, "401 Unauthorized")
		end
		error(server, 0)
	end
	local exclusive = not conf.multilogin
	if exclusive then
		if uid == nil then
			write("response 401", fd, "401 Unauthorized")
			error("auth_handler has not returned server and uid", 0)
		elseif busy[uid] then
			write("response 406", fd, "406 Not Acceptable")
			error(("User %s is logging in already"):format(uid), 0)
		end
		busy[uid] = true
	end
	local done, subid = pcall(conf.login_handler, server, uid, secret)
	if exclusive then
		busy[uid] = nil
	end
	if not done then
		write("response 403", fd, "403 Forbidden")
		error(subid, 0)
	end
	write("response 200", fd, "200 " .. crypt.base64encode(subid or ""))
end

local function run_master(conf, name)
	local login, command = conf.login_handler, conf.command_handler
	check(login, "login_handler is missing")
	check(command, "command_handler is missing")
	local instances = conf.instance or INSTANCES
	check(instances > 0, "instance has to be above 0")
	local host = conf.host or "0.0.0.0"
	local port = check(math.tointeger(tonumber(conf.port)), "port is missing, or not a number")

	local busy = {} -- users whose login_handler runs
	local lingering, most = 0, conf.maxclient or MAXCLIENT
	local slaves, turn = {}, 0

	-- The client has read the last line and closes, so that it and not the server has the port in TIME_WAIT. It is not
	-- waited for longer, nor for any number of them.
	local function close(fd)
		if lingering >= most then
			return socket.close_fd(fd)
		end
		lingering = lingering + 1
		skynet.timeout(LINGER, function()
			lingering = lingering - 1
			socket.close_fd(fd)
		end)
	end

	local function accept(fd, from)
		turn = turn % #slaves + 1
		local function serve(ok, ...)
			admit(conf, busy, fd, ok, ...)
		end
		local ok, why = pcall(function()
			serve(skynet.call(slaves[turn], "lua", fd, from))
		end)
		if not ok and why ~= GONE then
			skynet.error(("invalid client (fd = %d) error = %s"):format(fd, shown(tostring(why))))
		end
		close(fd)
	end

	skynet.dispatch("lua", function(_, _, ...)
		skynet.retpack(command(...))
	end)
	skynet.register(name)
	for i = 1, instances do
		slaves[i] = skynet.newservice(SERVICE_NAME)
	end
	local listener, _, bound = socket.listen(host, port) -- a failure raises, and says what was wrong
	conf.port = bound -- it may have been 0
	skynet.error(("login server listen at : %s %d"):format(host, bound))
	socket.start(listener, accept)
end

local function loginserver(conf)
	local name = "." .. (conf.name or "login")
	skynet.start(function()
		if skynet.localname(name) then
			run_slave(conf)
		else
			run_master(conf, name)
		end
	end)
end

return loginserver
