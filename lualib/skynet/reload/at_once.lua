-- Runs a function that must not wait: whatever else the service did meanwhile would change what it works on.

-- Called through a native function, across which no coroutine can wait. Returns as xpcall does.
local function run(f, handler, ...)
	local args, result = table.pack(...), nil
	string.gsub("x", "x", function()
		result = table.pack(xpcall(f, handler, table.unpack(args, 1, args.n)))
	end)
	if not result[1] and tostring(result[2]):find("attempt to yield", 1, true) then
		return false, "it waits for something, which it must not"
	end
	return table.unpack(result, 1, result.n)
end

return run
