-- Errors of the modules that ship name the place in the application which called them.
local skynet = require "skynet"
require "skynet.manager"
local check = require "check"

local role, case = {}, {}

-- Each function has its call on a line of its own, and does something behind it: a tail call would leave no place.
local function fails(what, f, text)
	local ok, err = pcall(f)
	err = tostring(err):match "[^\n]+" -- skynet.queue adds a traceback
	check.eq(what .. " fails", ok, false)
	local info = debug.getinfo(f, "S")
	local line = tonumber(tostring(err):match "places%.lua:(%d+): ")
	check.ok(("%s: place in %q"):format(what, tostring(err)), line and line > info.linedefined and line < info.lastlinedefined)
	check.ok(("%s: text of %q"):format(what, tostring(err)), tostring(err):find(text, 1, true))
	check.ok(("%s: %q names no module"):format(what, tostring(err)), not tostring(err):find "lualib/" and not tostring(err):find "service/")
end

function case.services()
	fails("newservice", function()
		skynet.newservice "no_such_service"
		return true
	end, "call failed")
	fails("newservice without a name", function()
		skynet.newservice()
		return true
	end, "the name of a service is a string")
	fails("uniqueservice", function()
		skynet.uniqueservice "no_such_service"
		return true
	end, "call failed")
	fails("uniqueservice, asked again", function()
		skynet.uniqueservice "no_such_service"
		return true
	end, "call failed")
	fails("queryservice", function()
		skynet.queryservice "no_such_service"
		return true
	end, "call failed")
	fails("monitor", function()
		skynet.monitor "no_such_service"
		return true
	end, "call failed")
	fails("name", function()
		skynet.name("a_name_that_is_too_long", skynet.self())
		return true
	end, 'invalid global name "a_name_that_is_too_long"')
	local service = require "skynet.service"
	fails("service.new", function()
		service.new("bad", function()
			error "bang"
		end)
		return true
	end, "call failed")
	fails("service.new with a local", function()
		service.new("local", function()
			return service
		end)
		return true
	end, "globals only")
end

function case.modules()
	local requests = skynet.request { skynet.self(), "no_such_protocol" }
	fails("select", function()
		requests:select()
		return true
	end, "protocol 'no_such_protocol' is not registered")
	fails("select twice", function()
		requests:select()
		return true
	end, "assertion failed!")
	local sharedata = require "skynet.sharedata"
	fails("sharedata.query", function()
		sharedata.query "no_such_data"
		return true
	end, "call failed")
	sharedata.new("data", { 1, 2 })
	local data = sharedata.query "data"
	fails("key of a proxy", function()
		local _ = data[1.5]
		return true
	end, "Invalid key 1.5")
	local builder = require "skynet.datasheet.builder"
	fails("datasheet.builder", function()
		builder.update("no_such_sheet", {})
		return true
	end, "there is no datasheet no_such_sheet")
	local datasheet = require "skynet.datasheet"
	for _ = 1, 2 do -- the second time from what is remembered
		fails("datasheet.query", function()
			datasheet.query "no_such_sheet"
			return true
		end, "call failed")
	end
	local sharetable = require "skynet.sharetable"
	fails("sharetable.loadtable", function()
		sharetable.loadtable("table", 1)
		return true
	end, "table expected, got number")
	local channel = require("skynet.multicast").new()
	channel:delete()
	fails("a deleted channel", function()
		channel:publish(1)
		return true
	end, "the channel has been deleted")
	local datacenter = require "skynet.datacenter"
	datacenter.set("scalar", 1)
	fails("datacenter", function()
		datacenter.set("scalar", "deeper", 1)
		return true
	end, "call failed")
	local cluster = require "skynet.cluster"
	fails("cluster.register", function()
		cluster.register(1, 2)
		return true
	end, "the name is a string")
	local socket = require "skynet.socket"
	fails("socket.read", function()
		socket.read(4711)
		return true
	end, "no socket 4711 in this service")
	fails("socket.start", function()
		socket.start "x"
		return true
	end, "bad argument #1 to 'start' (number expected, got string)")
	local channels = require "skynet.socketchannel"
	fails("socketchannel", function()
		channels.channel {}
		return true
	end, "the description of a channel has a host")
	local sharemap = require "skynet.sharemap"
	fails("sharemap.register", function()
		sharemap.register "no_such_schema"
		return true
	end, "no_such_schema: No such file or directory")
	local snax = require "skynet.snax"
	fails("snax.newservice", function()
		snax.newservice "no_such_class"
		return true
	end, "no_such_class.lua: No such file or directory")
	fails("snax.uniqueservice", function()
		snax.uniqueservice "no_such_class"
		return true
	end, "no_such_class.lua: No such file or directory")
end

-- A handler of the application below functions of a module is the innermost place.
function case.handlers()
	local queue = require "skynet.queue"()
	fails("a function in a queue", function()
		queue(function()
			skynet.call(0x123456, "lua")
			return true
		end)
		return true
	end, "call to invalid address :00123456")
	local core = require "skynet.core"
	fails("core.raise", function()
		core.raise "as said"
		return true
	end, "as said")
	fails("core.check", function()
		core.check(false, "as checked")
		return true
	end, "as checked")
	check.eq("what is true goes through", { core.check(1, 2, 3) }, { 1, 2, 3 })
	local ok, err = pcall(core.raise, { 1 })
	check.eq("no text, no place", { ok, err }, { false, { 1 } })
end

-- Arguments of the wrong type.
function case.arguments()
	local function wrong(what, text, f, ...)
		local args = table.pack(...)
		fails(what, function()
			f(table.unpack(args, 1, args.n))
			return true
		end, text)
	end
	wrong("name", "the name of a service is a string", skynet.name, nil, skynet.self())
	wrong("register", "the name of a service is a string", skynet.register, 5)
	wrong("launch", "the name of a module is a string", skynet.launch, {})
	wrong("init", "skynet.init is for main chunks", skynet.init, print)
	wrong("multicast", "a table of options expected", require("skynet.multicast").new, 1)
	wrong("service.new", "a function expected", require("skynet.service").new, "name", "text")
	local snax = require "skynet.snax"
	wrong("interface", "the name of a snax class is a string", snax.interface, {})
	wrong("kill", "an object of snax.newservice or snax.bind expected", snax.kill, {})
	wrong("hotfix", "an object of snax.newservice or snax.bind expected", snax.hotfix, nil, "")
	wrong("channel", "the description of a channel is a table", require("skynet.socketchannel").channel, "host")
	wrong("udp_connect", "number expected, got table", require("skynet.socket").udp_connect, {}, "127.0.0.1", 1)
end

function case.protocols()
	fails("no name", function()
		skynet.register_protocol { id = 100 }
		return true
	end, "assertion failed! (the name of a protocol is a string)")
	fails("no id", function()
		skynet.register_protocol { name = "x" }
		return true
	end, "assertion failed! (the id of a protocol is a number from 0 to 255)")
	fails("a taken name", function()
		skynet.register_protocol { name = "lua", id = 100 }
		return true
	end, "assertion failed! (a protocol of this name is registered already)")
	fails("a taken id", function()
		skynet.register_protocol { name = "mine", id = skynet.PTYPE_LUA }
		return true
	end, "assertion failed! (a protocol of this id is registered already)")
end

return check.main(role, case, ...)
