---@meta skynet.core

---The functions below `skynet`, used directly by libraries.
---@class skynet.core
local core = {}

---Sends a message. A session of nil makes a new one. A string is copied; a block with its size belongs to the runtime
---from now on, in every case. Returns the session; false if too large or refused; nil if there is no such service.
---@param addr skynet.address
---@param kind integer
---@param session integer?
---@param msg string|lightuserdata|nil
---@param sz integer?
---@return integer|false|nil
function core.send(addr, kind, session, msg, sz) end

---As send, in the name of another service.
---@param addr skynet.address
---@param source integer
---@param kind integer
---@param session integer?
---@param msg string|lightuserdata|nil
---@param sz integer?
---@return integer|false|nil
function core.redirect(addr, source, kind, session, msg, sz) end

---A new session id.
---@return integer
function core.genid() end

---The next session is n + 1. For tests of what happens when session numbers start again.
---@param n integer 0..0x7fffffff
function core.setsession(n) end

---Text of a peer, made fit for a line of the log: control characters, line ends and bytes that are no text as escapes,
---and cut after 256 bytes.
---@param text any
---@return string
function core.shown(text) end

---For a line of the log of which a stranger decides how often it comes: how many such lines were left out before it, or
---nothing if it is to be left out, too. A service may write 20 at once, and one more each second.
---@return integer?
function core.admit() end

---Runs a text command of the runtime.
---@param cmd string
---@param param string|number|nil
---@return string?
function core.command(cmd, param) end

---As command, with a number as its result.
---@param cmd string
---@param param string|number|nil
---@return number?
function core.intcommand(cmd, param) end

---As command, with a handle as its result.
---@param cmd string
---@param param string|number|nil
---@return integer?
function core.addresscommand(cmd, param) end

---Writes one log line: the values as text, joined by blanks.
---@param ... any
function core.error(...) end

---The harbor id in a handle, and whether that is another node.
---@param handle integer
---@return integer id
---@return boolean remote
function core.harbor(handle) end

---Installs what receives this service's messages, from the next one on. It cannot block. With `forward`, messages are
---not freed by the runtime.
---@param f fun(kind: integer, msg: lightuserdata, sz: integer, session: integer, source: integer)
---@param forward boolean?
function core.callback(f, forward) end

---Writes a trace line, with up to three places of the source from the given level (of a coroutine).
---@param tag string
---@param text string
---@param co thread|integer|nil
---@param level integer?
function core.trace(tag, text, co, level) end

---Centiseconds since the start of the node.
---@return integer
function core.now() end

---A monotonic clock in nanoseconds.
---@return integer
function core.hpc() end

---Packs values into a block that the caller owns.
---@param ... any
---@return lightuserdata msg
---@return integer sz
function core.pack(...) end

---Packs values into a string.
---@param ... any
---@return string
function core.packstring(...) end

---The values of a packed block or string.
---@param msg lightuserdata|string|nil
---@param sz integer?
---@return any ...
function core.unpack(msg, sz) end

---A block as a string.
---@param msg lightuserdata|string|nil
---@param sz integer?
---@return string?
function core.tostring(msg, sz) end

---Frees a block; strings are left alone.
---@param msg lightuserdata|string|nil
---@param sz integer?
function core.trash(msg, sz) end

---Packs and sends a request without waiting for it; nil if there is no such service. Used by skynet.request.
---@param addr skynet.address
---@param typename string|integer
---@param ... any
---@return integer? session
function core.request_send(addr, typename, ...) end

---Calls f once when the session of request_send is answered (ok) or fails. It cannot block, and the message is valid
---only during the call.
---@param session integer
---@param f fun(ok: boolean, msg: lightuserdata?, sz: integer?)
function core.on_answer(session, f) end

---Gives a session of request_send up; a late answer is dropped.
---@param session integer
function core.forget(session) end

---A session by which f is told of the ends of other services. It cannot block, and the message, a reason and a text
---behind a blank, is valid only during the call. Used by skynet.watch.
---@param f fun(handle: integer, msg: lightuserdata, sz: integer)
---@return integer session
function core.notices(f) end

---Wants to be told of the end of a service; false if it has ended already.
---@param handle integer
---@param session integer of notices
---@return boolean
function core.watch(handle, session) end

---Takes that back.
---@param handle integer
---@param session integer
function core.unwatch(handle, session) end

---Links this service and another one; false if that has ended already. Used by skynet.link.
---@param handle integer
---@return boolean
function core.link(handle) end

---Takes a link back.
---@param handle integer
function core.unlink(handle) end

---Ends of linked services are told by a session of notices; 0: this service ends with them.
---@param session integer
function core.trap(session) end

---Kills a service for a reason, which those who watch it are told. For this service itself it is only the reason of its
---later exit.
---@param handle integer
---@param reason skynet.reason
---@param text string?
function core.end_because(handle, reason, text) end

---A service ends with its master, whatever the reason, and at once if that has ended already.
---@param handle integer
---@param master integer? this service by default
function core.bind(handle, master) end

---A Lua service that ends does not go from now on: it loses its state and holds what comes, and this service is told why
---by the session (see core.notices), until it revives it, or is gone itself. 0: no more.
---@param handle integer
---@param session integer
function core.keep(handle, session) end

---A kept service that has ended starts anew in its place; the session is told `up`, or why it does not.
---@param handle integer
function core.revive(handle) end

---From now on an error in a handler, a fork or a timer of that service ends it, with the reason `error`.
---@param handle integer
function core.fatal(handle) end

---Bytes that a service has allocated; nil if it is not there, or not in Lua.
---@param handle integer
---@return integer?
function core.memory(handle) end

---Gives all names of this service to another one, in one step. Used by skynet.replace.
---@param handle integer
---@return integer? count nil if there is no such service
function core.hand_over(handle) end

---How many requests this service has taken and not answered, without the one that it handles now.
---@return integer count
---@return boolean by_application its messages go to a function of the application (core.callback)
function core.owing() end

---How many references to functions of Lua there are outside of the stacks of coroutines that run, and how many coroutines
---are inside them. Runs a collection. Used by skynet.reload.
---@param map table<function, function> those that are looked for
---@param skip table<table, any> its keys are not looked into
---@param apply boolean? the references become references to the values of `map`
---@return integer held
---@return integer inside
function core.exchange(map, skip, apply) end

---Unpacks a message as the type does.
---@param typename string|integer
---@param msg lightuserdata?
---@param sz integer?
---@return any ...
function core.unpack_as(typename, msg, sz) end

---As `error`, for modules that ship with the node: the position in the text is that of the code which uses the module,
---and not the module's own.
---@param text any
function core.raise(text) end

---As `assert`, for modules that ship with the node; see core.raise.
---@generic T
---@param v T?
---@param text any
---@return T
function core.check(v, text) end

return core
