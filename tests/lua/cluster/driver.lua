-- A node that does what standard input says, for tests that play the nodes around it. A line is a command with words;
-- what comes of a request is written as "RESULT <number> ok <values>" or "RESULT <number> failed <error>".
local skynet = require "skynet"
local cluster = require "skynet.cluster"
local socket = require "skynet.socket"
local check = require "check"
local ledger = require "ledger"

local role, case = {}, {}

local function text(values)
	local words = {}
	for i = 1, values.n do
		local v = values[i]
		words[i] = type(v) == "string" and #v > 100 and ("<%d bytes>"):format(#v) or tostring(v)
	end
	return table.concat(words, " ")
end

-- Writes the outcome; a second one would be another line with this number. An error is written whole: it begins with
-- the path of a file, of whatever length.
local function outcome(number, ok, ...)
	local what = ok and "ok" or "failed"
	check.emit(("RESULT %s %s %s"):format(number, what, ok and text(table.pack(...)) or tostring((...))))
end

local function address_of(word)
	return tonumber(word) or word
end

local command = {}
local nodes = {} -- name -> true, of those that had an address

function command.reload(name, value)
	local values = { ["false"] = false, ["true"] = true }
	local v = values[value]
	if name:sub(1, 2) ~= "__" then
		nodes[name] = true
	end
	if v == nil then
		v = value
	end
	cluster.reload { [name] = v }
	check.emit(("RELOADED %s %s"):format(name, value))
end

command["call"] = function(number, node, address, ...)
	outcome(number, pcall(cluster.call, node, address_of(address), ...))
end

-- A call with a string of n bytes.
function command.large(number, node, address, n)
	outcome(number, pcall(cluster.call, node, address_of(address), ("x"):rep(tonumber(n))))
end

-- `times` one-way messages, the numbers from 1.
function command.send(number, node, address, times)
	for i = 1, tonumber(times) do
		cluster.send(node, address_of(address), i)
	end
	outcome(number, true)
end

-- A large one-way message and a small call, alternately and without waiting.
function command.mixed(number, node, address, times, n)
	local ended, good = 0, 0
	for i = 1, tonumber(times) do
		cluster.send(node, address_of(address), ("x"):rep(tonumber(n)))
		skynet.fork(function()
			local ok, back = pcall(cluster.call, node, address_of(address), i)
			good = good + (ok and back == i and 1 or 0)
			ended = ended + 1
		end)
	end
	skynet.fork(check.emit, "ASKED") -- after those above
	check.wait(function() return ended == tonumber(times) end)
	outcome(number, true, ended, good)
end

function command.query(number, node, name)
	outcome(number, pcall(cluster.query, node, name))
end

function command.traced(number, node, address, ...)
	skynet.trace()
	outcome(number, pcall(cluster.call, node, address_of(address), ...))
end

function command.sender(number, node)
	outcome(number, pcall(cluster.get_sender, node))
end

-- Another service of this node makes the call.
function command.elsewhere(number, ...)
	local helper = check.spawn "helper"
	outcome(number, pcall(skynet.call, helper, "lua", ...))
	skynet.send(helper, "lua", "exit")
end

function role.helper()
	skynet.start(function()
		skynet.dispatch("lua", function(session, _, node, address, ...)
			if node == "exit" then
				skynet.exit()
			end
			skynet.retpack(cluster.call(node, address_of(address), ...))
		end)
	end)
end

-- One load of calls that goes on until the end; the ledger checks it.
local books
function command.load(coroutines, node, address)
	books = ledger.new(200)
	books:load(tonumber(coroutines), function(number)
		return pcall(cluster.call, node, address_of(address), "ECHO", number)
	end, function(number, answer)
		return answer == number
	end)
end

function case.run()
	local id = socket.stdin()
	check.emit "READY"
	while true do
		local line = assert(socket.readline(id))
		local words = {}
		for word in line:gmatch "%S+" do
			words[#words + 1] = word
		end
		if words[1] == "stop" then
			break
		end
		skynet.fork(command[words[1]], table.unpack(words, 2))
	end
	socket.close(id)
	if books then
		books:finish()
		check.ok("some were answered", books.good > 0)
	end
	-- Nobody is connected any more, nobody waits for an answer.
	local down = {}
	for name in pairs(nodes) do
		down[name] = false
	end
	cluster.reload(down)
	local pending
	check.ok("no call waits", check.wait(function()
		pending = cluster.pending()
		for _, calls in pairs(pending) do
			if next(calls) then
				return false
			end
		end
		return true
	end), check.show(pending))
	ledger.empty()
end

return check.main(role, case, ...)
