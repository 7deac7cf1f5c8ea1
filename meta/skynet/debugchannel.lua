---@meta skynet.debugchannel

---Lines from one service to another, past its mailbox; and what a debugger needs of the dispatcher.
---@class skynet.debugchannel
local debugchannel = {}

---One end of a channel.
---@class skynet.debugchannel.channel
local channel = {}

---A channel to write to, and what its reader connects by.
---@return skynet.debugchannel.channel
---@return lightuserdata pointer
function debugchannel.create() end

---The end to read from. Raises `Invalid channel pointer`, or `new channel failed` if there is no such channel or it has
---a reader.
---@param pointer lightuserdata
---@return skynet.debugchannel.channel
function debugchannel.connect(pointer) end

---As `debug.sethook`, but if f returns true at a line or a count, the coroutine is suspended there. Without f the hook
---is removed.
---@overload fun(f: function?, mask: string?, count: integer?)
---@param co thread
---@param f (fun(event: string, line: integer?): boolean?)?
---@param mask string? letters `c`, `r`, `l`
---@param count integer?
function debugchannel.sethook(co, f, mask, count) end

---Lets a coroutine go on that a hook has suspended, as soon as the running one stops. False if it is not suspended so.
---@param co thread a coroutine of the dispatcher
---@return boolean
function debugchannel.resume(co) end

---Puts a line into the channel. Lines that nobody reads are dropped from the 1025th on.
---@param text string
function channel:write(text) end

---Takes a line out. Without one it waits timeout * 0.1 s, and the whole service with it, then returns nothing; nil and
---true if the writer is gone.
---@param timeout number?
---@return string?
---@return boolean? ended
function channel:read(timeout) end

return debugchannel
