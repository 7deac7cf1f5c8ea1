-- The native module skynet.core.
local skynet = require "skynet"
local core = require "skynet.core"
local check = require "check"

local role, case = {}, {}

-- Keeps what arrives, and hands the list out to a lua message.
function role.recorder()
	local seen = {}
	core.callback(function(kind, msg, size, session, source)
		if kind == skynet.PTYPE_LUA then
			core.send(source, skynet.PTYPE_RESPONSE, session, core.pack(seen))
		else
			seen[#seen + 1] = { kind, core.tostring(msg, size) or "", session, source }
		end
	end)
end

local function recorder()
	local handle = check.launch "recorder"
	return handle, function()
		return skynet.call(handle, "lua")
	end
end

function case.send_sessions()
	local to, seen = recorder()
	local own = core.send(to, 20, nil, "new session")
	check.ok("nil allocates a session", math.type(own) == "integer" and own > 0, own)
	check.eq("an integer is used as it is", core.send(to, 21, 77, "given"), 77)
	check.eq("0 stays 0", core.send(to, 22, 0, "none"), 0)
	check.eq("seen", seen(), {
		{ 20, "new session", own, skynet.self() },
		{ 21, "given", 77, skynet.self() },
		{ 22, "none", 0, skynet.self() },
	})
end

function case.send_payloads()
	local to, seen = recorder()
	core.send(to, 20, 0, "")
	core.send(to, 20, 0, "a\0b")
	core.send(to, 20, 0, core.pack("x"))
	core.send(to, 255, 0, ("z"):rep(100000))
	local got = seen()
	check.eq("empty", got[1][2], "")
	check.eq("binary", got[2][2], "a\0b")
	check.eq("pointer and size", got[3][2], core.packstring("x"))
	check.eq("type 255", got[4][1], 255)
	check.eq("large", got[4][2], ("z"):rep(100000))
end

function case.send_addresses()
	local to, seen = recorder()
	skynet.name(".recorder", to)
	core.send(string.format(":%x", to), 20, 0, "short hex")
	core.send(string.format(":%08X", to), 20, 0, "upper hex")
	core.send(".recorder", 20, 0, "name")
	local got = seen()
	check.eq("by text", { got[1][2], got[2][2], got[3][2] }, { "short hex", "upper hex", "name" })
	check.eq("dead handle", core.send(0x123456, 20, 0, "x"), nil)
	check.eq("dead handle with a pointer", core.send(0x123456, 20, 0, core.pack(1)), nil)
	check.eq("unknown name", core.send(".nobody", 20, 0, "x"), nil)
	check.fails("address 0", "Invalid service address 0", core.send, 0, 20, 0, "x")
	check.fails("address type", "dest address type (boolean) must be a string or number.", core.send, true, 20, 0, "x")
	check.fails("address type table", "dest address type (table) must be a string or number.", core.send, {}, 20, 0, "x")
	check.fails("message type", "invalid param table", core.send, to, 20, 0, {})
	check.fails("message type boolean", "invalid param boolean", core.send, to, 20, 0, true)
	local skynet = require "skynet"
	for name, f in pairs {
		send = function(...) core.send(to, 20, 0, ...) end, redirect = function(...) core.redirect(to, 1, 20, 0, ...) end,
		rawsend = function(...) skynet.rawsend(to, "lua", ...) end, rawcall = function(...) skynet.rawcall(to, "lua", ...) end,
		["skynet.redirect"] = function(...) skynet.redirect(to, 1, "lua", 0, ...) end,
		tracecall = function(...) skynet.tracecall("tag", to, "lua", ...) end,
	} do
		check.fails(name .. " of nil", "invalid param nil", f, nil)
		check.fails(name .. " of nil with a size", "invalid param nil", f, nil, 0)
		check.fails(name .. " of nothing", "invalid param no value", f)
	end
end

function case.redirect()
	local to, seen = recorder()
	check.eq("returns the session", core.redirect(to, 0x1234, 30, 9, "as another"), 9)
	core.redirect(to, 0x1235, 31, 0, core.pack("p"))
	check.eq("seen", seen(), { { 30, "as another", 9, 0x1234 }, { 31, core.packstring("p"), 0, 0x1235 } })
end

function case.genid()
	local a, b = core.genid(), core.genid()
	check.ok("integers", math.type(a) == "integer" and math.type(b) == "integer")
	check.ok("different and positive", a > 0 and b > 0 and a ~= b, a .. " " .. b)
end

function case.commands()
	check.eq("unknown command", core.command("NOSUCH", "x"), nil)
	check.eq("REG", core.command "REG", string.format(":%x", skynet.self()))
	check.eq("addresscommand", core.addresscommand "REG", skynet.self())
	check.eq("addresscommand without result", core.addresscommand("QUERY", ".nobody"), nil)
	check.eq("intcommand", math.type(core.intcommand("STAT", "mqlen")), "integer")
	skynet.setenv("case_float", "12.5")
	skynet.setenv("case_text", "abc")
	check.eq("intcommand float", core.intcommand("GETENV", "case_float"), 12.5)
	check.fails("intcommand text", "Invalid result abc", core.intcommand, "GETENV", "case_text")
	check.ok("numeric parameter", core.intcommand("TIMEOUT", 10000000) > 0)
	check.ok("numeric text parameter", core.intcommand("TIMEOUT", "10000000") > 0)
	check.ok("float with an integer value", core.intcommand("TIMEOUT", 10000000.0) > 0)
	check.fails("fraction", "number has no integer representation", core.intcommand, "TIMEOUT", 1.5)
end

function case.error_lines()
	core.error("one", 2, nil, true, 1.5)
	core.error()
	core.error("bin\1ary")
	core.error(setmetatable({}, { __tostring = function() return "metamethod" end }))
	check.fails("tostring that fails", "inside", core.error, setmetatable({}, { __tostring = function() error "inside" end }))
end

function case.harbor()
	check.returns("own", { 0, false }, core.harbor, skynet.self())
	check.returns("other", { 2, true }, core.harbor, 0x02000001)
end

-- Every message replaces the callback; the replacement begins with the next message.
function role.callbacks()
	local function second(kind, _, _, session, source)
		if kind == skynet.PTYPE_LUA then
			core.send(source, skynet.PTYPE_RESPONSE, session, core.pack("second"))
		end
	end
	core.callback(function(_, _, _, session, source)
		core.callback(second)
		local yielded, err = pcall(coroutine.yield, 1)
		core.send(source, skynet.PTYPE_RESPONSE, session, core.pack("first", yielded, tostring(err)))
	end)
end

function case.callback()
	local handle = check.launch "callbacks"
	local name, yielded, err = skynet.call(handle, "lua")
	check.eq("first callback", name, "first")
	check.eq("a callback cannot yield", yielded, false)
	check.ok("the error of that", err:find "yield", err)
	check.eq("second callback", skynet.call(handle, "lua"), "second")
	check.eq("still the second", skynet.call(handle, "lua"), "second")
end

-- Keeps nothing: every message goes on to another service as it is.
function role.forwarder(to)
	core.callback(function(kind, msg, size, session, source)
		core.redirect(tonumber(to), source, kind, session, msg, size)
	end, true)
end

function case.callback_forward()
	local to, seen = recorder()
	local via = check.launch("forwarder", to)
	for i = 1, 100 do
		core.send(via, 40, i, ("%d"):format(i):rep(1000))
	end
	-- This request takes the same way, so it comes last, and is answered straight to this service.
	local got = skynet.call(via, "lua")
	check.eq("all came", #got, 100)
	check.eq("unchanged", got[77], { 40, ("77"):rep(1000), 77, skynet.self() })
end

function case.trace()
	core.trace("tag1", "plain")
	core.trace("tag2", "level", 1)
	local co = coroutine.create(function()
		coroutine.yield()
	end)
	coroutine.resume(co)
	core.trace("tag3", "other", co, 0)
	check.ok("no error", true)
end

function case.clocks()
	check.eq("now", math.type(core.now()), "integer")
	check.eq("now is skynet.now", core.now() - skynet.now() <= 1, true)
	local a = core.hpc()
	skynet.sleep(2)
	local b = core.hpc()
	check.ok("hpc counts nanoseconds", b - a >= 10000000, b - a)
end

-- Text of a peer, for a line of the log.
function case.admit()
	local admitted, left_out = 0, 0
	for _ = 1, 1000 do
		local n = core.admit()
		if n then admitted, left_out = admitted + 1, left_out + n else left_out = left_out - 1 end
	end
	check.ok("some at once", admitted >= 20 and admitted < 1000, admitted)
	check.ok("and one a second later", check.wait(function()
		local n = core.admit()
		left_out = left_out + (n or -1)
		return n
	end))
	check.eq("which says how many were left out", left_out, 0)
end

function case.shown()
	check.eq("plain", core.shown "玩家 \"x\"", "玩家 \"x\"")
	check.eq("line ends", core.shown "a\r\n[:01000001] forged\t", [[a\r\n[:01000001] forged\t]])
	check.eq("commands for a terminal", core.shown "\27[31mred\0\127", [[\x1b[31mred\x00\x7f]])
	check.eq("no text", core.shown "\xb0\xa1", [[\xb0\xa1]])
	check.eq("long", core.shown(("x"):rep(1000)), ("x"):rep(256) .. "... (1000 bytes)")
	check.eq("other values", core.shown(nil) .. core.shown(1.5) .. core.shown(true), "nil1.5true")
end

function case.tostring_and_trash()
	local block, size = core.pack("abc")
	check.eq("copy", core.tostring(block, size), core.packstring("abc"))
	core.trash(block, size)
	check.eq("nil", core.tostring(nil), nil)
	check.eq("no value", select("#", core.tostring()), 0)
	core.trash(core.pack(("x"):rep(1000)))
	core.trash("strings are ignored", 3)
	check.fails("table", "skynet.trash invalid param table", core.trash, {}, 1)
end

return check.main(role, case, ...)
