-- Transactions: `mongo.enable "transaction"` adds them to databases.

local bson = require "bson"
local sessions = require "skynet.db.mongo.sessions"

local LAST <const> = 9999999

local number = 0

local function next_number()
	number = number < LAST and number + 1 or 1
	return bson.int64(number)
end

return function(db)
	function db:startSession_()
		return self:runCommand "startSession"
	end

	function db:endSessions_(...)
		return self:runCommand("endSessions", { ... })
	end

	function db:commit_transaction_()
		return self.connection:runCommand "commitTransaction"
	end

	function db:abort_transaction_()
		return self.connection:runCommand "abortTransaction"
	end

	function db:run_transaction(f)
		local started = self:startSession_()
		local ok, err = sessions.outcome(started)
		if not ok then
			return err or "Reply from mongod error"
		end
		local id = started.id
		sessions.enter(sessions.new(id, next_number()))
		local done, result = xpcall(f, debug.traceback)
		local finished, reply
		if done then
			finished, reply = pcall(self.commit_transaction_, self)
		else
			finished, reply = pcall(self.abort_transaction_, self)
		end
		sessions.enter(nil)
		local ended, why = pcall(self.endSessions_, self, id)
		if result ~= nil then
			return result
		elseif not finished then
			error(reply, 0)
		elseif not ended then
			error(why, 0)
		end
		ok, err = sessions.outcome(reply)
		if not ok then
			return err or "Reply from mongod error"
		end
		return nil
	end
end
