---@meta skynet.stm

---A value, as bytes, with one writer and readers in any services of the node. A reader sees the last version when it
---looks, without a message.
---@class skynet.stm
local stm = {}

---Calling it publishes the next version: `writer(string)` or `writer(pointer, size)`, which takes the block over. When
---it is collected, readers see nothing more.
---@alias skynet.stm.writer fun(value: string|lightuserdata, sz: integer?)

---`reader(f, extra)` calls f(pointer, size, extra) if there is a version that this reader has not seen, and returns
---true and the results of f; otherwise it returns false. The pointer is valid until f returns.
---@alias skynet.stm.reader fun(f: (fun(ptr: lightuserdata, sz: integer, extra: any): ...), extra: any): boolean, ...

---A writer, with the first version.
---@param value string|lightuserdata a block is taken over
---@param sz integer?
---@return skynet.stm.writer
function stm.new(value, sz) end

---A reference to be sent to another service, which makes one reader of it.
---@param writer skynet.stm.writer
---@return lightuserdata
function stm.copy(writer) end

---A reader, of a reference that was not used before.
---@param reference lightuserdata
---@return skynet.stm.reader
function stm.newcopy(reference) end

return stm
