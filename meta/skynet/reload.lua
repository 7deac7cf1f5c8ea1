---@meta skynet.reload

---New code for a module in services that run. An addition to skynet (C).
---@class skynet.reload
local reload = {}

---@class skynet.reload.options
---@field module string as it was required
---@field services (string|integer)[]? only these: classes (names of Lua services) and addresses; all by default
---@field dry boolean? only tells what would be done
---@field force boolean? does it in spite of conflicts: where types differ, the new value wins
---@field canary integer? does it in so many services, and leaves the others as they are

---Names of things are keys, and in how many services they are is the value.
---@class skynet.reload.result
---@field module string
---@field path string? its file
---@field error string? why nobody was asked: the file does not compile, or nobody has loaded the module
---@field services integer that have loaded it, or to which the new code was given
---@field classes table<string, integer>
---@field changed table<string, integer> functions, and values that are replaced
---@field new table<string, integer>
---@field removed table<string, integer> functions that the file has not any more. They stay
---@field conflicts table<string, integer> what stands in the way
---@field held integer references to changed functions outside of the module. They are replaced
---@field inside integer coroutines inside changed functions. They finish there
---@field failed table<string, string> address -> why it cannot be done there, or could not be done
---@field nothing integer services in which nothing is to be done
---@field applied boolean? it was done, in `done` services
---@field done integer
---@field waiting integer? services that were left as they are (canary)

---Asks all services that have loaded the module what a reload would do there, 100 at a time, and gives each five
---seconds. If there is a conflict, or one cannot be asked, nothing is done. Then each does it, between two of its
---messages. Blocks.
---Also `skynet.reload`.
---@param options skynet.reload.options
---@return skynet.reload.result
function reload.run(options) end

---A result as lines of text.
---@param result skynet.reload.result
---@return string
function reload.text(result) end

return reload
