---@meta skynet.snax

---Services with a class: the methods that a file defines, called by name. "Blocks" as in skynet.
---
---The class `name` is the first file of that name on the search path of the config key `snax`. It defines `accept`
---and `response` methods, and may define the functions `init(...)`, `exit(...)` and `hotfix(...)`. Those who use it
---read the same file; there it runs for its definitions only, and `require` gives nothing useful, unless
---`snax_interface_g` names a module whose table is the environment to run it in.
---@class snax
local snax = {}

---A service as its users see it.
---@class snax.object
---@field handle integer
---@field type string its class
---@field post table<string, fun(...)> its `accept` methods; they are told something and return nothing
---@field req table<string, fun(...): ...> its `response` methods; they are called. Blocks

---The numbers of a class's methods, which messages carry. `init` is there only if the class defines it.
---@class snax.class
---@field name string
---@field accept table<string, integer>
---@field response table<string, integer>
---@field system { init: integer?, exit: integer, hotfix: integer, profile: integer }

---What a method has cost.
---@class snax.stat
---@field count integer calls that have ended
---@field time number their CPU time in seconds

---Starts a service; the arguments go to its function init. Raises an error if that does, and the service is gone.
---Blocks.
---@param name string
---@param ... any
---@return snax.object
function snax.newservice(name, ...) end

---The same, without an object.
---@param name string
---@param ... any
---@return integer handle
function snax.rawnewservice(name, ...) end

---The only service of this class in the node; the first who asks starts it, with the arguments. Blocks.
---@param name string
---@param ... any
---@return snax.object
function snax.uniqueservice(name, ...) end

---The same for all nodes of a network.
---@param name string
---@param ... any
---@return snax.object
function snax.globalservice(name, ...) end

---The only service of this class in the node; waits until somebody starts it.
---@param name string
---@return snax.object
function snax.queryservice(name) end

---The same for all nodes of a network.
---@param name string
---@return snax.object
function snax.queryglobal(name) end

---The object of a service. There is one for each handle, as long as somebody uses it; another class raises an error.
---@param handle integer
---@param name string the class
---@return snax.object
function snax.bind(handle, name) end

---The class's methods, read once. Raises the reasons if there is no such file.
---@param name string
---@return snax.class
function snax.interface(name) end

---Ends a service; the arguments go to its function exit. Blocks until that has ended.
---@param object snax.object
---@param ... any
function snax.kill(object, ...) end

---Replaces methods of a running service by those that the source defines. A `local x` without a value is the variable x
---of the running methods. Raises `ambiguity local value x` if several have that name, `Patch mismatch` if there is no
---such method, and replaces nothing then. Returns what the patch's function hotfix returns, which gets the arguments.
---Blocks.
---@param object snax.object
---@param source string
---@param ... any
---@return any ...
function snax.hotfix(object, source, ...) end

---What each method has cost so far, by name; the debug command INFO tells the same. Blocks.
---@param object snax.object
---@return table<string, snax.stat>
function snax.profile_info(object) end

---Logs a formatted text.
---@param fmt string as for string.format
---@param ... any
function snax.printf(fmt, ...) end

-- In snax services only

---The object of this service.
---@return snax.object
function snax.self() end

---Ends this service; the arguments go to its function exit. Does not return.
---@param ... any
function snax.exit(...) end

---Makes messages of type "lua" mean the same as those of type "snax"; through a cluster they arrive as such.
function snax.enablecluster() end

-- In the file of a class

---Takes methods that are told something: `function accept.name(...)`.
---@type table<string, fun(...)>
accept = {}

---Takes methods that are called: `function response.name(...)`.
---@type table<string, fun(...): ...>
response = {}

return snax
