-- Sending and calling.
local skynet = require "skynet"
local check = require "check"

local role, case = {}, {}

skynet.register_protocol { name = "raw", id = 30, pack = function(...) return ... end, unpack = skynet.tostring }
skynet.register_protocol { name = "nodispatch", id = 31, pack = skynet.pack, unpack = skynet.unpack }

-- Errors out of what error() gets; answers everything else with its arguments.
function role.echo()
	local last
	skynet.start(function()
		skynet.dispatch("lua", function(_, source, what, ...)
			if what == "fail" then
				error("as told")
			elseif what == "fail table" then
				error({ code = 1 })
			elseif what == "fail nil" then
				error(nil)
			elseif what == "exit" then
				skynet.exit()
			elseif what == "silent" then
				return
			elseif what == "broken" then
				skynet.ret "\7\7"
			elseif what == "nothing" then
				skynet.ret()
			elseif what == "last" then
				skynet.retpack(last)
			elseif what == "source" then
				skynet.retpack(source)
			elseif what == "keep" then
				last = ...
			else
				skynet.retpack(what, ...)
			end
		end)
		skynet.dispatch("raw", function(session, _, text)
			last = text
			if session ~= 0 then
				skynet.ret("<" .. text .. ">")
			end
		end)
	end)
end

function case.send()
	local echo = check.spawn "echo"
	check.eq("returns 0", skynet.send(echo, "lua", "keep", 5), 0)
	check.eq("arrived", skynet.call(echo, "lua", "last"), 5)
	check.eq("dead handle", skynet.send(0x123456, "lua", "x"), nil)
	check.eq("unknown name", skynet.send(".nobody", "lua", "x"), nil)
	check.eq("dead text handle", skynet.send(":123456", "lua", "x"), nil)
	check.fails("unknown type", "attempt to index a nil value", skynet.send, echo, "nosuchtype", 1)
	check.fails("address 0", "Invalid service address 0", skynet.send, 0, "lua", 1)
	check.fails("cannot be packed", "Unsupport type function to serialize", skynet.send, echo, "lua", print)
	check.eq("rawsend of a string", skynet.rawsend(echo, "raw", "text"), 0)
	check.eq("arrived unpacked", skynet.call(echo, "lua", "last"), "text")
	check.eq("rawsend of a pointer", skynet.rawsend(echo, "lua", skynet.pack("keep", 6)), 0)
	check.eq("arrived too", skynet.call(echo, "lua", "last"), 6)
end

function case.call()
	local echo = check.spawn "echo"
	check.returns("values", { 1, nil, "x", true, nil, n = 5 }, skynet.call, echo, "lua", 1, nil, "x", true, nil)
	check.returns("no value", { n = 0 }, skynet.call, echo, "lua", "nothing")
	check.returns("nil", { nil, n = 1 }, skynet.call, echo, "lua", nil)
	local deep = { 1, { 2, { 3, a = { b = "c" } } }, x = 1.5 }
	check.eq("table", skynet.call(echo, "lua", deep), deep)
	local many = {}
	for i = 1, 200 do
		many[i] = i
	end
	check.eq("200 values", { skynet.call(echo, "lua", table.unpack(many)) }, many)
	local big = ("0123456789abcdef"):rep(65536)
	check.ok("a mebibyte", skynet.call(echo, "lua", big) == big)
	check.eq("a protocol of its own", skynet.call(echo, "raw", "hello"), "<hello>")
	check.eq("the source is the caller", skynet.call(echo, "lua", "source"), skynet.self())
end

function case.call_addresses()
	local echo = check.spawn "echo"
	skynet.name(".echo", echo)
	check.eq("hex text", skynet.call(string.format(":%x", echo), "lua", "a"), "a")
	check.eq("padded hex text", skynet.call(skynet.address(echo), "lua", "b"), "b")
	check.eq("name", skynet.call(".echo", "lua", "c"), "c")
	check.fails("dead handle", "call to invalid address :00123456", skynet.call, 0x123456, "lua")
	check.fails("dead text", "call to invalid address :123456", skynet.call, ":123456", "lua")
	check.fails("unknown name", "call to invalid address .nobody", skynet.call, ".nobody", "lua")
	check.fails("address 0", "Invalid service address 0", skynet.call, 0, "lua")
	check.fails("unknown type", "attempt to index a nil value", skynet.call, echo, "nosuchtype")
end

function case.call_failures()
	local echo = check.spawn "echo"
	check.fails("error in the handler", "call failed", skynet.call, echo, "lua", "fail")
	check.fails("error with a table", "call failed", skynet.call, echo, "lua", "fail table")
	check.fails("error with nil", "call failed", skynet.call, echo, "lua", "fail nil")
	check.eq("it lives on", skynet.call(echo, "lua", 1), 1)
	check.fails("no dispatch function", "call failed", skynet.call, echo, "nodispatch", 1)
	check.fails("broken answer", "Invalid serialize stream", skynet.call, echo, "lua", "broken")
	check.fails("exit in the handler", "call failed", skynet.call, echo, "lua", "exit")
	check.ok("and it goes", check.wait(function() return check.dead(echo) end))
	check.fails("now it is gone", "call to invalid address", skynet.call, echo, "lua", 1)
end

function case.call_unregistered_type()
	local echo = check.spawn "echo"
	skynet.register_protocol { name = "late", id = 99, pack = skynet.pack, unpack = skynet.unpack }
	check.fails("type the receiver does not know", "call failed", skynet.call, echo, "late", 1)
	check.eq("it lives on", skynet.call(echo, "lua", 1), 1)
end

function case.rawcall()
	local echo = check.spawn "echo"
	local msg, size = skynet.rawcall(echo, "lua", skynet.pack("x", 1))
	check.eq("pointer", type(msg), "userdata")
	check.eq("size", size, #skynet.packstring("x", 1))
	check.eq("content", { skynet.unpack(msg, size) }, { "x", 1 })
	check.eq("string argument", skynet.tostring(skynet.rawcall(echo, "raw", "text")), "<text>")
	check.fails("no such address", "call to invalid address", skynet.rawcall, 0x123456, "lua", "")
	check.fails("failing", "call failed", skynet.rawcall, echo, "lua", skynet.packstring "fail")
end

function case.redirect()
	local echo = check.spawn "echo"
	skynet.redirect(echo, 0x777, "raw", 0, "message as it is")
	check.eq("not packed", skynet.call(echo, "lua", "last"), "message as it is")
	-- A redirected request is answered to the source that it names.
	local session = skynet.genid()
	skynet.redirect(echo, skynet.self(), "lua", session, skynet.pack("x"))
	check.ok("the stray answer harms nothing", skynet.call(echo, "lua", 1) == 1)
end

function case.stray_response()
	local echo = check.spawn "echo"
	skynet.redirect(echo, skynet.self(), "response", 4711, "")
	check.eq("the receiver lives on", skynet.call(echo, "lua", 1), 1)
end

function case.forgotten_answer()
	local echo = check.spawn "echo"
	local co = skynet.fork(pcall, skynet.call, echo, "lua", "silent")
	skynet.sleep(5)
	check.eq("the caller waits", type(skynet.task(co)), "number")
	check.eq("the callee lives on", skynet.call(echo, "lua", 1), 1)
end

function case.many_calls_at_once()
	local echo = check.spawn "echo"
	local sum, ended = 0, 0
	for i = 1, 2000 do
		skynet.fork(function()
			local answer = skynet.call(echo, "lua", i)
			sum = sum + answer
			ended = ended + 1
		end)
	end
	check.ok("all end", check.wait(function() return ended == 2000 end))
	check.eq("each got its own answer", sum, 2001000)
end

function case.call_self()
	skynet.dispatch("lua", function(_, source, x)
		skynet.retpack(x, source)
	end)
	check.returns("a service can call itself", { 5, skynet.self() }, skynet.call, skynet.self(), "lua", 5)
end

return check.main(role, case, ...)
