-- What the loader gives to a service.
local skynet = require "skynet"
local check = require "check"

local role, case = {}, {}

function case.globals()
	check.eq("SERVICE_NAME", SERVICE_NAME, "config/service")
	check.eq("SERVICE_PATH", SERVICE_PATH:sub(-10), "tests/lua/")
	check.eq("those of the loader are gone", { LUA_PATH, LUA_CPATH, LUA_SERVICE, LUA_PRELOAD }, {})
	check.eq("package.path is lua_path", package.path, skynet.getenv "lua_path")
	check.eq("package.cpath is lua_cpath", package.cpath, skynet.getenv "lua_cpath")
	check.eq("the libraries", { type(io), type(os), type(utf8), type(debug), type(string), type(math) },
		{ "table", "table", "table", "table", "table", "table" })
	check.eq("native modules are there", { type(require "skynet.profile"), type(require "skynet.codecache") },
		{ "table", "table" })
	check.eq("the collector runs generations", collectgarbage "generational", "generational")
end

function role.arguments(...)
	local args = table.pack(...)
	skynet.start(function()
		skynet.dispatch("lua", function()
			skynet.retpack(table.unpack(args, 1, args.n))
		end)
	end)
end

function case.arguments()
	check.returns("words", { "a", "b", "-1" }, skynet.call, check.spawn("arguments", "a", "b", -1), "lua")
	check.returns("blanks do not survive", { "a", "b", "c" }, skynet.call, check.spawn("arguments", "a b", " c "), "lua")
end

-- Config: luaservice = "./first/?.lua;./second/?.lua;./dir/?/init.lua;...".
function case.search()
	check.eq("the first that compiles wins", skynet.call(skynet.newservice "both", "lua"), "second")
	check.eq("an earlier one hides a later one", skynet.call(skynet.newservice "hidden", "lua"), "first")
	local name, path, module = skynet.call(skynet.newservice "packaged", "lua")
	check.eq("a folder's SERVICE_NAME", name, "packaged")
	check.eq("SERVICE_PATH", path, "./dir/packaged/")
	check.eq("and is on package.path", module, "module in the folder")
	check.fails("none", "call failed", skynet.newservice, "nowhere")
end

-- Config: preload = "preload.lua", which collects its arguments in a global.
function case.preload()
	check.eq("here", PRELOADED, "config/service")
	check.eq("in every service, with all words", skynet.call(check.spawn("shows_preload", "x", "y"), "lua"),
		"config/service shows_preload x y")
end

function role.shows_preload()
	skynet.start(function()
		skynet.dispatch("lua", function()
			skynet.retpack(PRELOADED)
		end)
	end)
end

-- Log services of the application itself: see tests/config.rs.
function case.log_service()
	skynet.error "through my own logger"
	check.ok("it has the name", skynet.localname ".logger" == 1)
end

-- Config: logpath = "./".
function case.message_log()
	local core = require "skynet.core"
	local to = check.spawn "arguments"
	core.command("LOGON", skynet.address(to))
	core.command("LOGON", skynet.address(to))
	skynet.call(to, "lua", "logged")
	core.send(to, 20, 0, "\1\255text")
	skynet.call(to, "lua")
	core.command("LOGOFF", skynet.address(to))
	core.command("LOGOFF", skynet.address(to))
	skynet.call(to, "lua", "not logged")
	local path = ("%08x.log"):format(to)
	local lines = {}
	for line in io.lines(path) do
		lines[#lines + 1] = line
	end
	check.eq("lines", #lines, 5)
	check.ok("open", lines[1]:find "^open time: %d+ %u", lines[1])
	local self = skynet.self()
	local hex = skynet.packstring "logged":gsub(".", function(c) return ("%02x"):format(c:byte()) end)
	check.ok("a request", lines[2]:find(("^:%08x 10 %%d+ %%d+ %s$"):format(self, hex)), lines[2])
	check.ok("a send", lines[3]:find(("^:%08x 20 0 %%d+ 01ff74657874$"):format(self)), lines[3])
	check.ok("close", lines[5]:find "^close time: %d+$", lines[5])
	core.command("LOGON", ".nosuch")
	core.command("LOGON", "garbage")
end

-- Config: logpath = "./".
function case.message_log_of_sockets()
	local core = require "skynet.core"
	local socket = require "skynet.socket"
	local self = skynet.address(skynet.self())
	core.command("LOGON", self)
	local listener, _, port = socket.listen("127.0.0.1", 0)
	local accepted
	socket.start(listener, function(id)
		accepted = id
		socket.start(id)
		socket.write(id, "hi\0")
	end)
	local id = socket.open("127.0.0.1", port)
	socket.read(id, 3)
	socket.close(id)
	core.command("LOGOFF", self)
	local file <close> = assert(io.open(("%s.log"):format(self:sub(2))))
	local text = file:read "a"
	for _, line in ipairs {
		("[socket] 2 %d %d [127.0.0.1]"):format(listener, port),
		("[socket] 2 %d 0 [start]"):format(listener),
		("[socket] 2 %d 0 [127.0.0.1]"):format(id),
		("[socket] 4 %d %d [127.0.0.1:"):format(listener, accepted),
		("[socket] 1 %d 3 686900\n"):format(id),
		("[socket] 3 %d 0 []"):format(id),
	} do
		check.ok(line, text:find("\n" .. line, 1, true), text)
	end
end

return check.main(role, case, ...)
