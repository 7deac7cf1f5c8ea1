-- Registering message types and their handlers.
local skynet = require "skynet"
local check = require "check"

local role, case = {}, {}

local function text_protocol(name, id)
	return { name = name, id = id, pack = function(...) return table.concat({ ... }, "|") end, unpack = skynet.tostring }
end

function case.constants()
	check.eq("types", {
		skynet.PTYPE_TEXT, skynet.PTYPE_RESPONSE, skynet.PTYPE_MULTICAST, skynet.PTYPE_CLIENT, skynet.PTYPE_SYSTEM,
		skynet.PTYPE_HARBOR, skynet.PTYPE_SOCKET, skynet.PTYPE_ERROR, skynet.PTYPE_QUEUE, skynet.PTYPE_DEBUG,
		skynet.PTYPE_LUA, skynet.PTYPE_SNAX, skynet.PTYPE_TRACE,
	}, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 })
	check.eq("Lua", _VERSION, "Lua 5.5")
	check.eq("cache", skynet.cache, require "skynet.codecache")
	check.eq("pcall", skynet.pcall, pcall)
	for _, name in ipairs { "dispatch_message", "init_service", "init", "pack", "unpack", "packstring", "tostring", "trash" } do
		check.eq(name, type(skynet[name]), "function")
	end
end

function case.register()
	skynet.register_protocol(text_protocol("mine", 40))
	check.eq("by name and by number", skynet._proto.mine, skynet._proto[40])
	check.fails("the name is taken", "assertion failed!", skynet.register_protocol, text_protocol("mine", 41))
	check.fails("the number is taken", "assertion failed!", skynet.register_protocol, text_protocol("other", 40))
	check.fails("negative", "assertion failed!", skynet.register_protocol, text_protocol("other", -1))
	check.fails("too large", "assertion failed!", skynet.register_protocol, text_protocol("other", 256))
	check.fails("no number", "assertion failed!", skynet.register_protocol, text_protocol("other", "42"))
	check.fails("no name", "assertion failed!", skynet.register_protocol, text_protocol(nil, 42))
	skynet.register_protocol(text_protocol("last", 255))
	check.fails("lua is there", "assertion failed!", skynet.register_protocol, text_protocol("lua", 43))
	for name, id in pairs { lua = 10, response = 1, error = 7, debug = 9 } do
		check.eq(name .. " is registered", skynet._proto[name].id, id)
	end
end

function case.dispatch()
	check.eq("none yet", skynet.dispatch "lua", nil)
	check.eq("unknown type", skynet.dispatch "nosuch", nil)
	local function first() end
	local function second() end
	check.eq("set", skynet.dispatch("lua", first), nil)
	check.eq("asked", skynet.dispatch "lua", first)
	check.eq("returns the previous one", skynet.dispatch("lua", second), first)
	check.eq("replaced", skynet.dispatch "lua", second)
	check.fails("unknown type with a function", "attempt to index a nil value", skynet.dispatch, "nosuch", first)
	check.fails("it tells what to do", "'nosuch' is not registered; see skynet.register_protocol", skynet.dispatch, "nosuch", first)
	skynet.register_protocol { name = "with", id = 44, dispatch = first }
	check.eq("given at registration", skynet.dispatch "with", first)
end

function role.texts()
	skynet.register_protocol(text_protocol("mine", 40))
	skynet.start(function()
		skynet.dispatch("mine", function(session, source, text)
			if session ~= 0 then
				skynet.ret(text .. " from " .. skynet.address(source) .. " " .. math.type(session))
			end
		end)
	end)
end

function case.own_protocol()
	skynet.register_protocol(text_protocol("mine", 40))
	local to = check.spawn "texts"
	check.eq("call", skynet.call(to, "mine", "a", "b"), "a|b from " .. skynet.address(skynet.self()) .. " integer")
	check.eq("send", skynet.send(to, "mine", "a"), 0)
end

-- Handlers that are set while the service runs; also those for what nobody knows.
function role.unknown(how)
	local seen = {}
	skynet.register_protocol { name = "registered", id = 51, pack = skynet.pack, unpack = skynet.unpack }
	skynet.start(function()
		if how == "custom" then
			local previous = skynet.dispatch_unknown_request(function(session, source, msg, size, prototype)
				seen[#seen + 1] = { "request", session, source, skynet.tostring(msg, size), prototype }
			end)
			seen[#seen + 1] = type(previous)
			previous = skynet.dispatch_unknown_response(function(session, source, msg, size)
				seen[#seen + 1] = { "response", session, source, skynet.tostring(msg, size) }
			end)
			seen[#seen + 1] = type(previous)
		end
		skynet.dispatch("lua", function()
			skynet.retpack(seen)
		end)
	end)
end

function case.unknown_custom()
	local core = require "skynet.core"
	local to = check.spawn("unknown", "custom")
	core.send(to, 50, 0, "unregistered")
	core.send(to, 51, 0, "without dispatch")
	core.redirect(to, 0x999, 1, 31, "answer")
	local self = skynet.self()
	check.eq("seen", skynet.call(to, "lua"), {
		"function", "function",
		{ "request", 0, self, "unregistered", 50 },
		{ "request", 0, self, "without dispatch", "registered" },
		{ "response", 31, 0x999, "answer" },
	})
end

function case.unknown_default()
	local core = require "skynet.core"
	local to = check.spawn "unknown"
	core.send(to, 50, 0, "unregistered")
	core.send(to, 51, 0, "without dispatch")
	core.send(to, 50, 0, "\27[31m\n[:00000001] forged")
	core.redirect(to, 0x999, 1, 31, "answer")
	check.eq("it lives on", skynet.call(to, "lua"), {})
end

return check.main(role, case, ...)
