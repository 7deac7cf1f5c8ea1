-- Where a service adds to the debug protocol. The commands themselves (skynet.debugcmds) are
-- loaded at the first debug message.

local debug = {
	commands = {}, ---@type table<string, function>
	info = nil, ---@type function? answers INFO (skynet.info_func)
}

---@param name string
---@param f function f(...) of the message's values after the command; it answers by skynet.ret
function debug.reg_debugcmd(name, f)
	debug.commands[name] = f
end

return debug
