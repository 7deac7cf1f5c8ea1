-- What the consoles of the tests look at: a console on any port, and services that do what they are told.
local skynet = require "skynet"
require "skynet.manager"

local role, name = {}, SERVICE_NAME

-- The functions whose names the profile and the stacks must show.
local function busy_work(n)
	local sum = 0
	for i = 1, n do
		sum = sum + i % 7
	end
	return sum
end

local function little_work(n)
	local sum = 0
	for i = 1, n do
		sum = sum + i % 5
	end
	return sum
end

local function text_work()
	local text = string.rep("x", 200000)
	return #text
end

local total = 0 -- an upvalue for inject and debug

local command = {}

function command.echo(...)
	return ...
end

function command.add(n)
	local sum = total + n
	local twice = sum * 2
	total = sum
	return twice
end

-- In a native function that no hook interrupts.
function command.block()
	local pipe = io.popen "sleep 100"
	return pipe:read "a"
end

function command.unique(name)
	return skynet.address(skynet.uniqueservice(name))
end

function command.query(name)
	return skynet.queryservice(name)
end

function command.fail(text)
	error(text)
end

function command.wait()
	skynet.wait "for ever"
end

function command.sleep(cs)
	skynet.sleep(cs)
end

function command.call(addr, ...)
	local answer = skynet.call(addr, "lua", ...)
	return answer
end

-- Never ends; three quarters of the time are in busy_work.
function command.loop()
	while true do
		local a = busy_work(30000)
		local b = little_work(10000)
		total = total + a + b
	end
end

-- The same in a native function.
function command.texts()
	while true do
		local n = text_work()
		total = total + n
	end
end

function role.worker()
	skynet.info_func(function(...)
		return { total = total, words = table.concat({ ... }, "-") }
	end)
	skynet.start(function()
		skynet.dispatch("lua", function(session, _, cmd, ...)
			local f = command[cmd]
			if session == 0 then
				return f(...)
			end
			local answer = f(...)
			skynet.retpack(answer)
		end)
	end)
end

function role.exits()
	skynet.start(function()
		skynet.exit()
	end)
end

local chosen = role[...]
if chosen then
	return chosen()
end

skynet.start(function()
	local console = skynet.newservice("debug_console", 0)
	for i = 1, 4 do
		local worker = skynet.newservice(name, "worker")
		skynet.name(".w" .. i, worker)
	end
	print("CONSOLE", skynet.address(console))
	-- What a test wants to happen from the start on.
	for line in (skynet.getenv "begin" or ""):gmatch "[^;]+" do
		local to, what = line:match "^%s*(%S+)%s*(.*)$"
		skynet.send(to, "lua", table.unpack((assert(load("return {" .. what .. "}"))())))
	end
end)
