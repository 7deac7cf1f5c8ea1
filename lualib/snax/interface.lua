-- Finds the file of a snax class on the search path of the config key `snax`, and its methods.

local skynet = require "skynet"
local core = require "skynet.core"
local collect = require "snax.methods"

---@param name string
---@param globals table of the file
---@param loader? fun(filename: string, mode: string, env: table): function?, string? default loadfile
---@param located? fun(pattern: string) is told the part of the path that fits, before the file runs
---@return snax.method[]
---@return string pattern
return function(name, globals, loader, located)
	local path = core.check(skynet.getenv "snax", "please set snax in config file")
	local fitting

	local function open(env)
		local failures = {}
		for pattern in path:gmatch "[^;]+" do
			local main, failure = (loader or loadfile)(pattern:gsub("%?", { ["?"] = name }), "bt", env)
			if main then
				fitting = pattern
				if located then
					located(pattern)
				end
				return main
			end
			failures[#failures + 1] = failure
		end
		core.raise(table.concat(failures, "\n"))
	end

	return collect(open, globals), fitting
end
