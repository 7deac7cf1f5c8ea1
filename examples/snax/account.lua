-- A class: what its services can be asked. `response` methods are called, `accept` methods are only told something.

local skynet = require "skynet"
local snax = require "skynet.snax"

local owner
local balance = 0

function response.balance()
	return balance
end

function response.withdraw(amount)
	assert(amount <= balance, "not so much")
	balance = balance - amount
	return balance
end

function accept.deposit(amount)
	balance = balance + amount
end

-- Methods may wait; the service handles others meanwhile.
function response.statement(cs)
	skynet.sleep(cs)
	return ("%s has %d"):format(owner, balance)
end

function accept.close()
	snax.exit "closed by the owner"
end

-- Called once, before any method, with the arguments of newservice.
function init(name)
	owner = name
end

function exit(reason)
	print(("%s's account: %s"):format(owner, reason))
end
