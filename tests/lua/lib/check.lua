-- The checks of the Lua test programs. A program ends with `return check.main(role, case, ...)`: started as the node's
-- main service it runs the case that the config names; started by `check.spawn(name, ...)` it plays that role.
local skynet = require "skynet"
require "skynet.manager"

local check = {}
local count = 0

-- One write per line: other services and the logger write to the same stream.
local function emit(...)
	io.stdout:write(table.concat({ ... }) .. "\n")
	io.stdout:flush()
end

local function show(value)
	if type(value) == "string" then
		return string.format("%q", value)
	elseif type(value) ~= "table" then
		return tostring(value)
	end
	local items = {}
	for k, v in next, value do
		items[#items + 1] = "[" .. show(k) .. "]=" .. show(v)
	end
	table.sort(items)
	return "{" .. table.concat(items, ",") .. "}"
end

local function same(a, b)
	if type(a) ~= "table" or type(b) ~= "table" then
		-- 1 and 1.0 are different results; NaN equals itself here.
		return (a == b and math.type(a) == math.type(b)) or (a ~= a and b ~= b)
	end
	for k, v in next, a do
		if not same(v, b[k]) then
			return false
		end
	end
	for k in next, b do
		if a[k] == nil then
			return false
		end
	end
	return true
end

check.show, check.same, check.emit = show, same, emit

-- `condition` is true.
function check.ok(name, condition, why)
	count = count + 1
	if condition then
		emit("ok ", name)
	else
		emit("FAIL ", name, ": ", why == nil and "not true" or tostring(why))
	end
	return condition
end

-- `got` equals `want`, tables by content.
function check.eq(name, got, want)
	return check.ok(name, same(got, want), "got " .. show(got) .. ", want " .. show(want))
end

-- f(...) returns exactly the values of the list `want` (with its own n if it ends in nils).
function check.returns(name, want, f, ...)
	local got = table.pack(f(...))
	want.n = want.n or #want
	return check.eq(name, got, want)
end

-- f(...) raises an error whose text contains `text`; returns the error.
function check.fails(name, text, f, ...)
	local result = table.pack(pcall(f, ...))
	local message = tostring(result[2])
	check.ok(name, not result[1] and message:find(text, 1, true),
		result[1] and "no error, returned " .. show(result) or "error " .. message)
	return result[2]
end

-- Waits until condition() is true; false after far more time than anything here takes.
function check.wait(condition)
	for _ = 1, 3000 do
		if condition() then
			return true
		end
		skynet.sleep(1)
	end
	return false
end

-- Calls f until it takes no time at all, to create timers that are due in a certain order: f() runs within one
-- centisecond, or with `ms` within half a millisecond. Returns what that last call of f returned.
function check.at_once(f, ms)
	for _ = 1, 200 do
		skynet.sleep(1)
		local now, ns = skynet.now(), skynet.hpc()
		local result = f()
		if ms and skynet.hpc() - ns < 500000 or not ms and skynet.now() == now then
			return result
		end
	end
	error "the machine is too busy for this test"
end

-- A new service that plays a role of the running program.
function check.spawn(name, ...)
	return skynet.newservice(SERVICE_NAME, name, ...)
end

-- The same without waiting for its start function. What is sent at once is handled before that function runs, so the
-- role has to set its handlers in the main chunk, as check.serve does.
function check.launch(name, ...)
	return skynet.launch("snlua", SERVICE_NAME, name, ...)
end

-- True when no service has this handle. A sent message would be work for a living one; PING is answered by anybody.
function check.dead(handle)
	return not pcall(skynet.call, handle, "debug", "PING")
end

-- A role: answers lua requests with the method of that name.
function check.serve(method)
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(method[name](...))
	end)
	skynet.start(function() end)
end

-- Ends the case; for those that cannot simply return.
function check.done()
	emit("DONE ", count)
	skynet.abort()
end

function check.main(role, case, name, ...)
	if name then
		return role[name](...)
	end
	skynet.start(function()
		local ok, err = xpcall(case[skynet.getenv "case"], debug.traceback)
		if not ok then
			check.ok("the case runs to its end", false, err)
		end
		check.done()
	end)
end

return check
