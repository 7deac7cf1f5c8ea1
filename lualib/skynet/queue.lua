-- Critical sections: functions given to one queue run one after another, although they block.
--
-- A queue is a chain of tickets, one per call that came from outside. The head has the
-- floor; closing its ticket (at the end, on error, or when its coroutine is killed) passes
-- the floor to the next ticket whose coroutine still waits.

local skynet = require "skynet"

---@class skynet.queue.ticket
---@field chain table { head, tail }
---@field co thread
---@field gone boolean? its coroutine has left
---@field next skynet.queue.ticket?
local Ticket = {}

function Ticket:__close()
	self.gone = true
	local chain = self.chain
	if chain.head ~= self then
		return
	end
	local heir = self.next
	while heir and heir.gone do
		heir = heir.next
	end
	chain.head = heir
	if heir then
		skynet.wakeup(heir)
	else
		chain.tail = nil
	end
end

local function stand_in_line(chain, ticket)
	local last = chain.tail
	chain.tail = ticket
	if not last then
		chain.head = ticket
		return
	end
	last.next = ticket
	repeat
		skynet.wait(ticket)
	until chain.head == ticket
end

local function results(ok, ...)
	if not ok then
		error((...), 0)
	end
	return ...
end

---@return fun(f: function, ...): ...
local function queue()
	local chain = {}
	return function(f, ...)
		local co = coroutine.running()
		local head = chain.head
		if head and head.co == co then
			return results(xpcall(f, debug.traceback, ...))
		end
		local ticket <close> = setmetatable({ chain = chain, co = co }, Ticket)
		stand_in_line(chain, ticket)
		return results(xpcall(f, debug.traceback, ...))
	end
end

skynet.queue = queue

return queue
