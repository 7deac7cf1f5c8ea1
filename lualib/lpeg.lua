-- LPeg. All of it is native; it is a Lua file so that an lpeg.lua or lpeg.so of the application is taken instead.
local lpeg = require "skynet.lpeg.core"

-- Messages find the names of functions in the modules that are loaded, and shall find this one.
package.loaded["skynet.lpeg.core"] = nil

return lpeg
