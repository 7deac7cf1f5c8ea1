-- skynet.codecache, skynet.service, skynet.datacenter.
local skynet = require "skynet"
local check = require "check"

local role, case = {}, {}

function case.codecache()
	local cache = require "skynet.codecache"
	check.eq("default mode", cache.mode(), "ON")
	cache.mode "OFF"
	check.eq("OFF", cache.mode(), "OFF")
	cache.mode "EXIST"
	check.eq("EXIST", cache.mode(), "EXIST")
	check.fails("bad mode", "invalid option 'x'", cache.mode, "x")
	cache.mode "ON"
	check.eq("loadfile", type(cache.loadfile), "function")
	cache.clear()
end

local function write(path, text)
	local file = assert(io.open(path, "w"))
	file:write(text)
	file:close()
end

function case.cached_files()
	local cache = require "skynet.codecache"
	write("cached.lua", "return 1")
	check.eq("first", dofile "cached.lua", 1)
	write("cached.lua", "return 2")
	check.eq("the same code although the file changed", dofile "cached.lua", 1)
	cache.mode "OFF"
	check.eq("OFF reads the file", dofile "cached.lua", 2)
	cache.mode "EXIST"
	check.eq("EXIST uses what is there", dofile "cached.lua", 1)
	cache.mode "ON"
	local old = assert(loadfile "cached.lua")
	cache.clear()
	check.eq("clear makes it read again", dofile "cached.lua", 2)
	check.eq("loaded functions stay", old(), 1)
	check.eq("missing", (loadfile "no_such_file.lua"), nil)
	write("broken.lua", "x x")
	local f, err = loadfile "broken.lua"
	check.eq("broken", f, nil)
	check.ok("with the error", err:find("broken.lua:1", 1, true), err)
end

-- Two loads of a file are two functions: state in upvalues and globals is not shared.
function case.code_is_not_shared_state()
	write("counter.lua", "local n = 0 return function() n = n + 1 return n end")
	local a, b = dofile "counter.lua", dofile "counter.lua"
	a()
	check.eq("own upvalues", { a(), b() }, { 2, 1 })
end

function case.service()
	local service = require "skynet.service"
	local function body(start, ...)
		local skynet = require "skynet"
		local n, extra = start, ...
		skynet.start(function()
			skynet.dispatch("lua", function(_, _, add)
				n = n + (add or 0)
				skynet.retpack(n, extra)
			end)
		end)
	end
	local queried
	skynet.fork(function()
		queried = service.query "counter"
	end)
	skynet.sleep(2)
	check.eq("a query waits", queried, nil)
	local handle = service.new("counter", body, 5, "extra")
	check.returns("it runs with its arguments", { 6, "extra" }, skynet.call, handle, "lua", 1)
	check.eq("again the same", service.new("counter", body, 100), handle)
	check.ok("the query is answered", check.wait(function() return queried end))
	check.eq("with the handle", queried, handle)
	local x = 1
	check.ok("upvalues are refused", not pcall(service.new, "other", function() return x end))
	check.eq("close", service.close "counter", true)
	check.ok("it is dead", check.dead(handle))
	check.eq("close again", service.close "counter", false)
	check.ok("an error comes to the creator", not pcall(service.new, "bad", function() error "bad body" end))
end

function case.datacenter()
	local datacenter = require "skynet.datacenter"
	check.eq("missing", datacenter.get "a", nil)
	check.eq("set", datacenter.set("a", 1), nil)
	check.eq("get", datacenter.get "a", 1)
	check.eq("returns the old value", datacenter.set("a", 2), 1)
	datacenter.set("t", "x", "y", 3)
	check.eq("a branch", datacenter.get("t", "x"), { y = 3 })
	check.eq("below it", datacenter.get("t", "x", "y"), 3)
	check.eq("wait for what is there", datacenter.wait("t", "x", "y"), 3)
	local got
	skynet.fork(function()
		got = datacenter.wait("later", "here")
	end)
	skynet.sleep(2)
	check.eq("waits", got, nil)
	datacenter.set("later", "here", "now")
	check.ok("until it is set", check.wait(function() return got end))
	check.eq("to the value", got, "now")
	local failed
	skynet.fork(function()
		failed = not pcall(datacenter.wait, "deep")
	end)
	skynet.sleep(2)
	pcall(datacenter.set, "deep", "er", 1)
	check.ok("waiting for what becomes a branch fails", check.wait(function() return failed ~= nil end))
	check.eq("with an error", failed, true)
end

return check.main(role, case, ...)
