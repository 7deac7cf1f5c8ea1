-- A bit of everything.
local skynet = require "skynet"
local queue = require "skynet.queue"
local snax = require "skynet.snax"

local arguments, noted
local lock = queue()
local order = {}

function response.echo(...)
	return ...
end

function accept.note(...)
	noted = table.pack(...)
end

function response.noted()
	return noted
end

function response.arguments()
	return table.unpack(arguments, 1, arguments.n)
end

function response.fail(what)
	error(what)
end

function accept.fail(what)
	error(what)
end

local short_sleepers = 0

function response.sleep(cs, ...)
	local short = cs < 100 and 1 or 0
	short_sleepers = short_sleepers + short
	skynet.sleep(cs)
	short_sleepers = short_sleepers - short
	return ...
end

function response.names()
	return SERVICE_NAME, SERVICE_PATH, tostring(snax.self()), snax.self() == snax.self()
end

-- Each waits inside the lock, so that others would come between if they could.
function response.critical(name)
	lock(function()
		order[#order + 1] = "begin " .. name
		skynet.sleep(1)
		lock(function()
			order[#order + 1] = "nested " .. name
		end)
		order[#order + 1] = "end " .. name
	end)
end

function response.order()
	return order
end

function accept.leave(...)
	snax.exit(...)
	print("not reached")
end

function accept.say(...)
	snax.printf("%s and %04d", ...)
end

function accept.enable_cluster()
	snax.enablecluster()
end

function init(...)
	arguments = table.pack(...)
	local first = ...
	if first == "fail" then
		error "no way"
	elseif first == "slow" then
		skynet.sleep(20)
	elseif first == "leave" then
		skynet.exit()
	end
end

function exit(...)
	repeat skynet.sleep(2) until short_sleepers == 0
	print(("exit of %s: %s"):format(SERVICE_NAME, table.concat({ ... }, ",")))
end
