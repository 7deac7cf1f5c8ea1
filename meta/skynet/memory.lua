---@meta skynet.memory

---What the process and its services allocate.
---@class skynet.memory
local memory = {}

---Bytes that the allocator has reserved for the process.
---@return integer
function memory.total() end

---Number of blocks that the Lua states of all services have.
---@return integer
function memory.block() end

---Bytes of this service's Lua state.
---@return integer
function memory.current() end

---Bytes of each service's Lua state, by handle.
---@return table<integer, integer>
function memory.info() end

---Writes the same to the log.
function memory.dump() end

---Writes the allocator's report to standard error.
---@param options string? ignored
function memory.dumpinfo(options) end

---Figures in bytes: `stats.allocated`, `stats.resident`, `stats.retained`, `stats.mapped`, `stats.active`.
---@return table<string, integer>
function memory.jestat() end

---One of these figures; 0 for another name.
---@param name string
---@return integer
function memory.mallctl(name) end

---Does nothing but a log line: the allocator has no heap profiler.
function memory.dumpheap() end

---Is the heap being profiled? Always false, see dumpheap.
---@param on boolean?
---@return boolean
function memory.profactive(on) end

return memory
