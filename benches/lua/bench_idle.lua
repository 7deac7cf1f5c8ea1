-- As little as a useful service can have: what a launch costs, and what a service weighs.
local skynet = require "skynet"

local function answer(_, _, ...) skynet.retpack(...) end

skynet.start(function() skynet.dispatch("lua", answer) end)
