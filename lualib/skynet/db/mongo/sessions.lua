-- Which coroutines are inside a transaction: their commands say so.

local encode_order = require("bson").encode_order

local sessions = {}

local of = setmetatable({}, { __mode = "k" }) -- coroutine -> its session

function sessions.current()
	return of[coroutine.running()]
end

-- The calling coroutine is inside this session from now on, or inside none.
function sessions.enter(session)
	of[coroutine.running()] = session
end

local Session = {}
Session.__index = Session

-- `id` is what the server has called it, `number` the transaction's number as bson.
function sessions.new(id, number)
	return setmetatable({ id = id, number = number, begun = false }, Session)
end

-- The document of a command inside the transaction. The first one begins it.
function Session:document(name, cmd, value, ...)
	local list
	if value then
		list = table.pack(cmd, value, "$db", name, ...)
	else
		list = table.pack(cmd, 1, "$db", name)
	end
	local more = { "lsid", self.id, "txnNumber", self.number, "autocommit", false }
	if not self.begun then
		self.begun = true
		more[7], more[8] = "startTransaction", true
	end
	table.move(more, 1, #more, list.n + 1, list)
	return encode_order(table.unpack(list, 1, list.n + #more))
end

return sessions
