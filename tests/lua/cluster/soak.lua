-- One of two nodes that do everything to each other, while the other one is killed now and then. Each keeps a ledger of
-- what it asked: every request has one outcome, and what is answered is right.
local skynet = require "skynet"
local cluster = require "skynet.cluster"
local socket = require "skynet.socket"
local check = require "check"
local ledger = require "ledger"

local role, case = {}, {}

-- The service that the other node asks.
function role.target()
	local command = {}

	function command.echo(...)
		return ...
	end

	function command.length(text)
		return #text
	end

	function command.text(n, byte)
		return byte:rep(n)
	end

	function command.sleep(n, ...)
		skynet.sleep(n)
		return ...
	end

	function command.fail()
		error "on purpose"
	end

	local last = {} -- of each sender
	function command.ordered(from, n)
		if last[from] and n <= last[from] then
			check.ok("order of " .. from, false, ("%d after %d"):format(n, last[from]))
		end
		last[from] = n
	end

	skynet.start(function()
		skynet.dispatch("lua", function(session, _, name, ...)
			if session == 0 then
				command[name](...)
			else
				skynet.retpack(command[name](...))
			end
		end)
	end)
end

-- A random request: a function that makes it, and one that judges its answer.
local kinds = {}

function kinds.small(number)
	return function() return cluster.call("other", "@target", "echo", number, "x") end,
		function(answer) return answer == number end
end

kinds.again = kinds.small

function kinds.large(number)
	local n = math.random(20000, 150000)
	local text = string.char(97 + number % 26):rep(n)
	return function() return cluster.call("other", ".target", "length", text) end,
		function(answer) return answer == n end
end

function kinds.large_answer(number)
	local n, byte = math.random(20000, 150000), string.char(97 + number % 26)
	return function() return cluster.call("other", "@target", "text", n, byte) end,
		function(answer) return answer == byte:rep(n) end
end

function kinds.slow(number)
	return function() return cluster.call("other", "@target", "sleep", math.random(0, 5), number) end,
		function(answer) return answer == number end
end

-- Expected to fail always; so what counts as success is the error.
function kinds.fail(number)
	return function()
		local ok, err = pcall(cluster.call, "other", "@target", "fail")
		check.ok("a failure fails", not ok, err)
		return number
	end, function(answer) return answer == number end
end

function kinds.nobody(number)
	return function()
		local ok = pcall(cluster.call, "other", "@nobody", "echo", number)
		check.ok("nobody does not answer", not ok)
		return number
	end, function(answer) return answer == number end
end

function kinds.query()
	return function() return cluster.query("other", "target") end,
		function(answer) return math.type(answer) == "integer" and answer > 0 end
end

local proxy
function kinds.proxy(number)
	return function()
		proxy = proxy or cluster.proxy "other@target"
		return skynet.call(proxy, "lua", "echo", number)
	end, function(answer) return answer == number end
end

local sent = 0
function kinds.sends(number)
	local me = skynet.getenv "me" .. skynet.getenv "seed" -- another one after each start
	return function()
		for _ = 1, math.random(10) do
			sent = sent + 1
			cluster.send("other", "@target", "ordered", me, sent)
		end
		cluster.send("other", "@target", "length", ("s"):rep(40000))
		return number
	end, function(answer) return answer == number end
end

local names = {}
for name in pairs(kinds) do
	names[#names + 1] = name
end
table.sort(names)

function case.run()
	local seed = tonumber(skynet.getenv "seed")
	math.randomseed(seed)
	local target = check.spawn "target"
	skynet.name(".target", target)
	cluster.register("target", target)
	cluster.open(tonumber(skynet.getenv "port"))
	cluster.reload { other = "127.0.0.1:" .. skynet.getenv "peer" }
	check.emit "READY"

	local books = ledger.new(500)
	local judges = {}
	books:load(25, function(number)
		local request, judge = kinds[names[math.random(#names)]](number)
		judges[number] = judge
		local ok, answer = pcall(request)
		if not ok then
			judges[number] = nil
		end
		return ok, answer
	end, function(number, answer)
		local judge = judges[number]
		judges[number] = nil
		return judge(answer)
	end)
	books:close()
	check.ok("some were answered", books.good > 0)
	check.eq("no judge is left", next(judges), nil)
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
	-- The other node may go on for a while.
	check.emit "QUIET"
	local id = socket.stdin()
	socket.readline(id)
	socket.close(id)
	cluster.reload { other = false }
	check.ok("no connection is left", check.wait(function()
		for _, entry in ipairs(socket.netstat()) do
			if entry.type ~= "LISTEN" then
				return false
			end
		end
		return true
	end), check.show(socket.netstat()))
	local tasks = {}
	skynet.task(tasks)
	check.eq("no coroutine waits", next(tasks), nil)
end

return check.main(role, case, ...)
