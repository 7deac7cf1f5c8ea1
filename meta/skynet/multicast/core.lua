---@meta skynet.multicast.core

---Packages: the payloads that subscribers share. `skynet.multicast` and its daemon are made of this. A cell is a block
---that holds the address of a package; there is one until the package is bound.
---@class skynet.multicast.core
local core = {}

---A new package of this block, which it takes over. Raises `Size should be 32bit integer`.
---@param ptr lightuserdata|string
---@param sz integer?
---@return lightuserdata cell
---@return integer size of the cell: 8
function core.pack(ptr, sz) end

---The same with a copy of the block.
---@param ptr lightuserdata|string
---@param sz integer?
---@return lightuserdata cell
---@return integer size
function core.packremote(ptr, sz) end

---What is in a cell or in a multicast message. Of a message, `close` gives the package back. Raises
---`Invalid multicast package size <n>`.
---@param cell lightuserdata
---@param sz integer
---@return lightuserdata package
---@return lightuserdata data
---@return integer size
function core.unpack(cell, sz) end

---The packed values of a multicast message that is being handled. Nothing has to be closed.
---@param msg lightuserdata
---@param sz integer
---@return any ...
function core.values(msg, sz) end

---Gives the package n references; the cell is gone. Raises `Can't bind a multicast package more than once`.
---@param cell lightuserdata
---@param n integer
---@return lightuserdata package
function core.bind(cell, n) end

---Gives one reference back; the last one frees the package. Raises `Invalid multicast package reference <n>` if there
---is none.
---@param package lightuserdata
function core.close(package) end

---The bytes as a block that the caller owns; package and cell are gone.
---@param cell lightuserdata
---@return lightuserdata data
---@return integer size
function core.remote(cell) end

---The id of the next channel of the same node.
---@param id integer
---@return integer
function core.nextid(id) end

---Sends the package to every service in the keys of the group, and removes those that are gone from it. The cell is
---gone.
---@param cell lightuserdata
---@param source integer handle of the publisher
---@param channel integer
---@param group table<integer, any>
function core.deliver(cell, source, channel, group) end

return core
