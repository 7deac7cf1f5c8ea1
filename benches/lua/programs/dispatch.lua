-- Messages: a queue, handlers by name, a coroutine a request that waits for answers, sessions, timers.
local n = tonumber((...)) or 6000
local resume, yield, create = coroutine.resume, coroutine.yield, coroutine.create

local queue, first, last = {}, 1, 0
local waiting, session = {}, 0
local pool = {}

local function push(kind, id, ...)
	last = last + 1
	queue[last] = { kind, id, select("#", ...), ... }
end

local function call(name, ...)
	session = session + 1
	push("request", session, name, ...)
	return yield(session)
end

local players = {}
for i = 1, 32 do
	players[i] = { gold = 100, level = 1 }
end

local handlers = {}
function handlers.get(id)
	return players[id].gold
end
function handlers.add(id, gold)
	local p = players[id]
	p.gold = p.gold + gold
	if p.gold > 1000 then
		p.gold = p.gold - 1000
		p.level = p.level + 1
	end
	return p.gold, p.level
end
function handlers.trade(from, to)
	local gold = call("get", from)
	if gold < 10 then
		call("add", from, 50)
	end
	call("add", from, -10)
	local _, level = call("add", to, 10)
	return level
end

local function run(name, ...)
	return handlers[name](...)
end

local function settle(co, ok, wait)
	if not ok then
		error(wait)
	end
	if coroutine.status(co) == "dead" then
		return
	end
	waiting[wait] = co
end

local function start(id, name, ...)
	local co = table.remove(pool) or create(function(...)
		local function loop(id, ...)
			push("answer", id, run(...))
			return loop(yield("idle"))
		end
		return loop(...)
	end)
	local ok, wait = resume(co, id, name, ...)
	if wait == "idle" then
		pool[#pool + 1] = co
	else
		settle(co, ok, wait)
	end
end

local function wake(id, ...)
	local co = waiting[id]
	if co then
		waiting[id] = nil
		local ok, wait = resume(co, ...)
		if wait == "idle" then
			pool[#pool + 1] = co
		else
			settle(co, ok, wait)
		end
	end
end

for i = 1, n do
	push("request", -i, i % 4 == 0 and "trade" or i % 4 == 1 and "add" or "get", i % 32 + 1, (i * 7) % 32 + 1)
	while first <= last do
		local m = queue[first]
		queue[first] = nil
		first = first + 1
		if m[1] == "request" then
			start(m[2], table.unpack(m, 4, 3 + m[3]))
		else
			wake(m[2], table.unpack(m, 4, 3 + m[3]))
		end
	end
end
local sum = 0
for _, p in ipairs(players) do
	sum = sum + p.gold + p.level * 1000
end
print(sum, session, #pool)
