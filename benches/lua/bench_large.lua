-- A service with a large code base: `bench_code` is a module of 5,000 lines, which the kit generates.
local skynet = require "skynet"
local code = require "bench_code"

local function handle(_, _, name, ...) skynet.retpack(code[name](...)) end

skynet.start(function() skynet.dispatch("lua", handle) end)
