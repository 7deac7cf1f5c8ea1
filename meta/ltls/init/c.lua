---@meta ltls.init.c

---Lets the node use `ltls.c`. With `enablessl = true` in the config the node's start does it.
---@class ltls.init.c
local init = {}

---Without it, `require "ltls.c"` raises.
function init.constructor() end

return init
