-- The debug console: what operators type at a port of the node.
--
--   debug_console [ip] port
--
-- Connections are native (skynet.consolefront), and so are the commands that must work when no
-- worker is free: top, calls, stack, profile, signal. The others come here as messages, one for a
-- command line, and are answered by front.reply. What a command says to evaluate, and the files
-- that it names, come with it: they have been evaluated and read where they cannot hold up anybody.

local skynet = require "skynet"
local core = require "skynet.core"
local front = require "skynet.consolefront"
local socket = require "skynet.socket"

local ip, port = ...
if not port then
	ip, port = skynet.getenv "consoleaddress" or "127.0.0.1", ip
end

local HERE <const> = "^%S*debug_console%.lua:%d+: " -- that an error is raised here tells nobody anything
local UNKNOWN <const> = "Invalid command, type help for command list\n"

-- Commands get the words of the line, and return what is to be shown: nil, a table, or anything else.
local command, about = {}, {}

-- Text of results

local function sorted(t)
	local names, byname = {}, {}
	for key in pairs(t) do
		local name = tostring(key)
		names[#names + 1], byname[name] = name, key
	end
	table.sort(names)
	local i = 0
	return function()
		i = i + 1
		local name = names[i]
		if name then
			return name, t[byname[name]]
		end
	end
end

-- The fields of a table, on one line.
local function fields(t)
	local list = {}
	for name, value in sorted(t) do
		list[#list + 1] = ("%s:%s"):format(name, value)
	end
	return table.concat(list, "\t")
end

local function show(result)
	if result == nil then
		return ""
	elseif type(result) ~= "table" then
		return tostring(result) .. "\n"
	end
	local lines = {}
	for name, value in sorted(result) do
		local text = type(value) == "table" and fields(value) or tostring(value)
		lines[#lines + 1] = ("%s\t%s\n"):format(name, text)
	end
	return table.concat(lines)
end

-- Arguments

---@return integer handle
local function address(word)
	local digits
	if word and word:sub(1, 1) == "." then
		return assert(skynet.localname(word), "Not a valid name")
	elseif word then
		digits = word:match "^:(%x+)$"
		if digits then
			return tonumber(digits, 16)
		end
		digits = word:match "^%x+$"
	end
	assert(digits, "Need an address")
	return skynet.harbor(skynet.self()) << 24 | tonumber(digits, 16)
end

local function flag(word)
	return word == "on" or word == "true"
end

-- Centiseconds to wait for slow services; nil: as long as it takes.
local function patience(word)
	local cs = math.tointeger(tonumber(word or 300)) or 300
	return cs > 0 and cs or nil
end

local function launcher(...)
	return skynet.call(".launcher", "lua", ...)
end

local function ask(word, ...)
	return skynet.call(address(word), "debug", ...)
end

-- Services

about.help = "This help message"
function command.help()
	return about
end

about.list = "List all the services"
function command.list()
	return launcher "LIST"
end

about.service = "List unique services"
function command.service()
	return skynet.call("SERVICE", "lua", "LIST")
end

-- A line for each child, and below it those of its own children.
local function add_children(lines, handle, indent, seen)
	seen[handle] = true
	local ok, children, settings, restarts = pcall(skynet.timeoutcall, 100, handle, "debug", "SUPERVISOR", "list")
	if not ok then
		lines[#lines + 1] = ("%s(%s)"):format(indent, children)
		return
	end
	lines[#lines + 1] = ("%s%s, at most %g restarts in %g s, %d so far"):format(indent, settings.strategy,
		settings.intensity, settings.period, restarts)
	for _, child in ipairs(children) do
		lines[#lines + 1] = ("%s%s %s %s (%s) %s, restarts: %d%s"):format(indent, child.id,
			child.handle and skynet.address(child.handle) or "-", child.what, child.restart, child.state, child.restarts,
			child.last and ", last end: " .. child.last:match "^[^\n]*" or "")
		if child.handle and child.kind == "supervisor" then
			add_children(lines, child.handle, indent .. "  ", seen)
		end
	end
end

about.tree = "tree: show supervisors and their children"
function command.tree()
	local roots, seen, lines = launcher "SUPERVISORS", {}, {}
	for _, handle in ipairs(roots) do
		if not seen[handle] then
			lines[#lines + 1] = skynet.address(handle)
			add_children(lines, handle, "  ", seen)
		end
	end
	return #lines > 0 and table.concat(lines, "\n") or "there is no supervisor"
end

about.reload = "reload module [class|address ...] [dry] [force] [canary n]: new code for a module in running services"
function command.reload(module, ...)
	local options, words = { module = assert(module, "Need the name of a module") }, { ... }
	local at = 1
	while words[at] do
		local word = words[at]
		if word == "dry" or word == "force" then
			options[word] = true
		elseif word == "canary" then
			at = at + 1
			options.canary = assert(math.tointeger(tonumber(words[at])), "Need a number of services behind canary")
		else
			options.services = options.services or {}
			table.insert(options.services, word)
		end
		at = at + 1
	end
	local reload = require "skynet.reload"
	return reload.text(reload.run(options))
end

about.replace = "replace address service [state] [args]: start a service in the place of another one"
function command.replace(addr, name, ...)
	local args = { ... }
	local with_state = args[1] == "state"
	if with_state then
		table.remove(args, 1)
	end
	local old = address(addr)
	assert(name, "Need the name of a service")
	return { [skynet.address(skynet.replace(old, name, { args = args, state = with_state }))] = name }
end

about.stat = "stat [ti]: dump all stats"
function command.stat(ti)
	return launcher("STAT", patience(ti))
end

about.mem = "mem [ti]: show memory info"
function command.mem(ti)
	return launcher("MEM", patience(ti))
end

about.gc = "gc [ti]: force every Lua service to collect its garbage"
function command.gc(ti)
	return launcher("GC", patience(ti))
end

local function start(launch, name, ...)
	local ok, handle = pcall(launch, name, ...)
	if not ok then
		return "Failed"
	elseif not handle then
		return "Exit"
	end
	return { [skynet.address(type(handle) == "table" and handle.handle or handle)] = name }
end

about.start = "start name [args]: launch a new Lua service"
function command.start(...)
	return start(skynet.newservice, ...)
end

about.log = "log name [args]: launch a new Lua service with its messages logged"
function command.log(...)
	return start(function(...)
		return launcher("LOGLAUNCH", "snlua", ...)
	end, ...)
end

about.snax = "snax name [args]: launch a new snax service"
function command.snax(...)
	return start(require("skynet.snax").newservice, ...)
end

about.clearcache = "clear the cache of Lua code"
function command.clearcache()
	require("skynet.codecache").clear()
end

about.kill = "kill address: kill a service"
function command.kill(addr)
	return launcher("KILL", address(addr))
end

about.exit = "exit address: let a service exit"
function command.exit(addr)
	skynet.send(address(addr), "debug", "EXIT")
end

-- One service

about.task = "task address: show what the coroutines of a service wait for"
function command.task(addr)
	return ask(addr, "TASK")
end

about.uniqtask = "uniqtask address: the same, with equal stacks shown once"
function command.uniqtask(addr)
	return ask(addr, "UNIQTASK")
end

about.info = "info address [args]: get information of a service"
function command.info(addr, ...)
	return ask(addr, "INFO", ...)
end

about.killtask = "killtask address pattern: end a coroutine, by the text that task shows for it"
function command.killtask(addr, pattern)
	return ask(addr, "KILLTASK", assert(pattern, "Need a pattern"))
end

about.ping = "ping address: show how many centiseconds an answer takes"
function command.ping(addr)
	local began = skynet.now()
	ask(addr, "PING")
	return tostring(skynet.now() - began)
end

about.dbgcmd = "dbgcmd address command [args]: send any command of the debug protocol"
function command.dbgcmd(addr, ...)
	return ask(addr, ...)
end

about.trace = "trace address [proto] [on|off]: log the steps of requests"
function command.trace(addr, proto, onoff)
	if onoff then
		ask(addr, "TRACELOG", proto, flag(onoff))
	elseif proto == "on" or proto == "off" or proto == "true" or proto == "false" then
		ask(addr, "TRACELOG", flag(proto))
	else
		ask(addr, "TRACELOG", proto)
	end
end

about.logon = "logon address: write the messages of a service to a file"
function command.logon(addr)
	core.command("LOGON", skynet.address(address(addr)))
	if not skynet.getenv "logpath" then
		return "nothing is written: the config has no logpath, the folder for these files"
	end
end

about.logoff = "logoff address: end that"
function command.logoff(addr)
	core.command("LOGOFF", skynet.address(address(addr)))
end

-- The node

about.getenv = "getenv name: show a value of the environment"
function command.getenv(name)
	return { [assert(name, "Need a name")] = tostring((skynet.getenv(name))) }
end

about.setenv = "setenv name value: set one that does not exist"
function command.setenv(name, value)
	skynet.setenv(assert(name, "Need a name"), assert(value, "Need a value"))
end

about.cmem = "cmem: show the memory of services in bytes"
function command.cmem()
	local memory = require "skynet.memory"
	local report = { total = memory.total(), block = memory.block() }
	for handle, bytes in pairs(memory.info()) do
		report[skynet.address(handle)] = bytes
	end
	return report
end

about.jmem = "jmem: show statistics of the allocator"
function command.jmem()
	local report = {}
	for name, bytes in pairs(require("skynet.memory").jestat()) do
		report[name] = ("%11d  %8.2f Mb"):format(bytes, bytes / 1048576)
	end
	return report
end

about.dumpheap = "dumpheap: write the profile of the heap"
function command.dumpheap()
	require("skynet.memory").dumpheap()
end

about.profactive = "profactive [on|off]: switch the profiling of the heap"
function command.profactive(onoff)
	local memory = require "skynet.memory"
	local active
	if onoff == nil then
		active = memory.profactive()
	else
		active = memory.profactive(flag(onoff))
	end
	return ("heap profilling is %s"):format(active and "active" or "deactive")
end

local function size(bytes)
	if not bytes or bytes == 0 then
		return nil
	elseif bytes < 1 << 10 then
		return tostring(bytes)
	elseif bytes < 1 << 20 then
		return ("%dK"):format(bytes >> 10)
	end
	return ("%dM"):format(bytes >> 20)
end

local function clusterd()
	return skynet.uniqueservice "clusterd"
end

-- How long ago that was: 0.41s, 1:05s, 2:1:05s.
local function since(cs)
	if not cs or cs == 0 then
		return nil
	end
	cs = math.max(skynet.now() - cs, 0)
	local s = cs // 100
	if s < 60 then
		return ("%.2fs"):format(cs / 100)
	elseif s < 3600 then
		return ("%d:%02ds"):format(s // 60, s % 60)
	end
	return ("%d:%d:%02ds"):format(s // 3600, s // 60 % 60, s % 60)
end

local function seconds_ago(when)
	return ("%.0fs"):format(math.max(skynet.time() - when, 0))
end

about.peers = "peers: show the nodes that have connected to this one"
function command.peers()
	local list = {}
	for i, peer in ipairs(skynet.call(clusterd(), "lua", "peers")) do
		list[i] = {
			node = peer.node,
			address = peer.address,
			by = peer.by,
			proved = peer.proved and "yes" or "no",
			since = seconds_ago(peer.since),
			rx = size(peer.rx),
			tx = size(peer.tx),
		}
	end
	return list
end

about.droppeer = "droppeer name: close the connections that a node has made"
function command.droppeer(name)
	if not name then
		error("the name of a node is needed; `peers` shows them", 0)
	end
	return ("%d connections closed"):format(skynet.call(clusterd(), "lua", "droppeer", name))
end

about.netstat = "netstat: show the sockets of the node"
function command.netstat()
	local list = socket.netstat()
	for _, info in ipairs(list) do
		info.address = skynet.address(info.address)
		for _, field in ipairs { "read", "write", "wbuffer" } do
			info[field] = size(info[field])
		end
		info.rtime, info.wtime = since(info.rtime), since(info.wtime)
	end
	return list
end

-- Commands that need more than their words: f(connection, run, line)

local special = {}

about.call = 'call address expressions: call a service, as in call :a "get", {1}'
function special.call(_, _, line, err, ...)
	local addr, expressions = line:match "^%s*%S+%s+(%S+)%s*(.-)%s*$"
	local handle = address(addr)
	assert(expressions ~= "", "need arguments")
	if err then
		error(err, 0)
	end
	return table.pack(skynet.call(handle, "lua", ...))
end

about.inject = "inject address file [args]: run a Lua file inside a service"
function special.inject(_, _, line, err, source)
	local words = {}
	for word in line:gmatch "%S+" do
		words[#words + 1] = word
	end
	local handle = address(words[2])
	local name = assert(words[3], "Need a file")
	if err then
		error(err, 0)
	end
	local ok, output = skynet.call(handle, "debug", "RUN", source, name, table.unpack(words, 4))
	if not ok then
		error(output, 0)
	end
	return output
end

-- Command number -> the debugger's agent, and lines that were typed before it was there.
local sessions = {} ---@type table<integer, { agent: integer?, [integer]: string }>

about.debug = "debug address: debug a Lua service"
function special.debug(connection, run, line)
	local handle = address(line:match "^%s*%S+%s+(%S+)")
	local session = {}
	sessions[run] = session
	local agent = assert(skynet.newservice "debug_agent", "Debugger attach failed")
	skynet.fork(function() -- runs as soon as `start` has been sent
		session.agent = agent
		for _, typed in ipairs(session) do
			skynet.send(agent, "lua", "cmd", typed)
		end
	end)
	local out = ("console %d %d"):format(skynet.self(), connection)
	local called, ok, err = pcall(skynet.call, agent, "lua", "start", handle, out)
	sessions[run] = nil
	if not called or not ok then
		error(called and err or "Debugger attach failed", 0)
	end
end

for name, text in pairs {
	top = "top [seconds [lines]]: show the busiest services",
	calls = "calls [seconds]: show calls that wait for an answer, and services that wait for each other",
	stack = "stack address: show the stacks of a service, also while it is busy",
	profile = "profile address [seconds [hertz]]: sample where a service spends its time (folded stacks)",
	signal = "signal address [n]: send a signal to a service; 0 raises an error in what it runs",
} do
	about[name] = text
end

-- Messages of the front

local function execute(connection, run, line, ...)
	local words = {}
	for word in line:gmatch "%S+" do
		words[#words + 1] = word
	end
	local name = words[1]
	local f = command[name]
	if f then
		return f(table.unpack(words, 2))
	end
	f = assert(special[name], UNKNOWN)
	return f(connection, run, line, ...)
end

local on = {}

-- Command number -> the coroutine that runs it.
local running = {} ---@type table<integer, thread>

function on.run(connection, run, line, ...)
	running[run] = coroutine.running()
	local ok, result = pcall(execute, connection, run, line, ...)
	running[run] = nil
	if not ok then
		local text = tostring(result):gsub(HERE, "")
		return front.reply(connection, run, false, text .. "\n")
	end
	front.reply(connection, run, true, show(result))
end

-- Nobody waits for the answer any more.
function on.forget(_, run)
	local thread = running[run]
	running[run] = nil
	if thread then
		skynet.killthread(thread)
	end
end

function on.input(_, run, line)
	local session = sessions[run]
	if session and session.agent then
		skynet.send(session.agent, "lua", "cmd", line)
	elseif session then
		session[#session + 1] = line
	end
end

function on.close(_, run)
	on.input(_, run, "cont")
end

-- From a service that is being debugged.
function on.output(connection, text)
	front.write(connection, text)
end

skynet.register_protocol {
	name = "console",
	id = skynet.PTYPE_SYSTEM,
	unpack = skynet.unpack,
	dispatch = function(_, source, connection, what, ...)
		-- Only the front gives commands, in the name of this service.
		if source == skynet.self() or what == "output" then
			on[what](connection, ...)
		end
	end,
}

skynet.start(function()
	port = assert(math.tointeger(tonumber(port)), "debug_console needs a port")
	local names = {}
	for name in pairs(about) do
		names[name] = true
	end
	port = front.listen(ip, port, true, names) -- true: the password of the config
	skynet.error(("Start debug console at %s:%d"):format(ip, port))
end)
