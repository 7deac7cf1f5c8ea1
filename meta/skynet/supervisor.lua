---@meta skynet.supervisor

---Supervisors: services that start other services, and start them again when they end. An addition to skynet (C).
---@class skynet.supervisor
local supervisor = {}

---What starts a child, how it is started again, and what counts as its end. One of `service`, `supervisor` and `module`
---says what it is.
---@class skynet.supervisor.child
---@field id string its name among the children
---@field service string? a Lua service
---@field supervisor string? a Lua service that calls supervisor.start itself
---@field module string? a service in Rust or C
---@field args (string|number)[]? arguments of the service
---@field name string? local name, such as ".db"; whoever asks for it reaches the child that runs
---@field register string? its name for other nodes (cluster.register)
---@field unique boolean? it is what skynet.uniqueservice gives for its service
---@field restart "permanent"|"transient"|"temporary"|nil started again: always (default), unless it has exited, never
---@field shutdown integer|"kill"|nil centiseconds that an orderly exit may take before it is killed: 500, for a supervisor
---  6000, for a module "kill"
---@field start "now"|"lazy"|nil lazy: if it does not start, the supervisor starts nevertheless and tries again
---@field fatal boolean? an error in a handler, a fork or a timer ends it (reason `error`)
---@field probe integer? centiseconds between pings. One that does not answer three in a row gets signal 0, which ends a
---  loop, and if it does not answer the next one either, it is ended (reason `stuck`); a fatal one is ended at once
---@field keep boolean? started again in place: the next one has the same handle, names and mailbox. For services that do
---  not use core.callback
---@field memlimit integer? bytes of Lua memory, looked at each second; beyond, it is ended (reason `memory`)
---@field backoff number[]? as of the supervisor, for this child

---@class skynet.supervisor.spec
---@field strategy "one_for_one"|"one_for_all"|"rest_for_one"|nil who is started again with a child that has ended: only
---  that child (default), all, or it and those behind it
---@field intensity integer? restarts within `period`, 3 by default; with one more the supervisor ends its children and
---  itself (reason `intensity`)
---@field period number? seconds, 5 by default
---@field backoff number[]? milliseconds before the first, second, … restart of a child; the last one stays. A child that
---  has lived for a period begins anew. { 0, 100, 1000, 5000 } by default
---@field [integer] skynet.supervisor.child the children, in the order in which they are started

---Makes this service a supervisor: starts the children in their order. From now on skynet.exit ends them first, the last
---one first; however this service ends, they end with it. Raises an error if the spec is wrong, before anything is
---started, or if a child does not start, after those that have been started are ended. Blocks.
---@param spec skynet.supervisor.spec
---@param gave_up fun()? called before the supervisor ends because of too many restarts
function supervisor.start(spec, gave_up) end

---Adds a child behind the others, and starts it. Raises an error if it does not start. Blocks.
---@param addr skynet.address the supervisor
---@param child skynet.supervisor.child
---@return integer? handle
function supervisor.add(addr, child) end

---Ends a child and forgets it. Blocks.
---@param addr skynet.address the supervisor
---@param id string
function supervisor.remove(addr, id) end

---Ends a child and starts it again. It does not count as a failure. Blocks.
---@param addr skynet.address the supervisor
---@param id string
---@return integer? handle the new one; of a kept one it is the same
function supervisor.restart(addr, id) end

---@class skynet.supervisor.info
---@field id string
---@field what string the service or module
---@field kind "service"|"supervisor"|"module"
---@field handle integer? of the one that runs
---@field state "running"|"waiting"|"ended"
---@field restart "permanent"|"transient"|"temporary"
---@field restarts integer how often it was started again
---@field last string? the reason of its last end, and more about it

---The children, in their order. Blocks.
---@param addr skynet.address the supervisor
---@return skynet.supervisor.info[]
function supervisor.children(addr) end

return supervisor
