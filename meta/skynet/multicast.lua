---@meta skynet.multicast

---Channels: what is published on one reaches all its subscribers, on all nodes. The subscribers of a node share one
---copy of the packed values.
---@class skynet.multicast
local multicast = {}

---@class skynet.multicast.options
---@field channel integer? the id of a channel that exists; without it a new one is made
---@field pack (fun(...): lightuserdata, integer)? skynet.pack if there is none
---@field unpack (fun(msg: lightuserdata, sz: integer): ...)? skynet.unpack if there is none; the block is valid until the handler returns
---@field dispatch fun(channel: skynet.multicast.channel, source: integer, ...)? handles what is published; source is the publisher's handle

---A service's view of a channel.
---@class skynet.multicast.channel
---@field channel integer? the id; nil once deleted
local channel = {}

---The object for a channel, new or known by its id. Blocks if it is new.
---@param options skynet.multicast.options?
---@return skynet.multicast.channel
function multicast.new(options) end

---Sends the values to all subscribers, this service included if it is one. Returns when they have been sent, not when
---they were handled. Blocks.
---@param ... any
function channel:publish(...) end

---From now on, the handler gets what is published. Once is enough. Blocks.
function channel:subscribe() end

---Ends that; until then the object is kept, whoever else refers to it. Also happens when the service ends.
function channel:unsubscribe() end

---Ends the channel for all. The object is of no use any more.
function channel:delete() end

return multicast
