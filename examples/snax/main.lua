-- snax: services with a class, whose methods are called by name, and replaced while they run.
--
--     cargo run --release -- run examples/snax
--
-- prints
--
--     ann has 30
--     too much: false
--     before the patch: 30
--     after it: 41
--     deposits: 2
--     one for all: true
--     ann's account: closed by the owner
--     still there: false
--
-- account.lua is the class. The config key `snax` says where classes are; `skynet run` sets it to this folder.

local skynet = require "skynet"
require "skynet.manager"
local snax = require "skynet.snax"

-- `local balance` without a value is the variable of the running service; what is defined here replaces the old.
local patch = [[
local balance

function accept.deposit(amount)
	balance = balance + amount + 1 -- a gift
end

function hotfix()
	return balance
end
]]

skynet.start(function()
	local account = snax.newservice("account", "ann")
	account.post.deposit(30) -- returns at once
	print(account.req.statement(1))
	print("too much: " .. tostring(pcall(account.req.withdraw, 100)))

	print("before the patch: " .. snax.hotfix(account, patch))
	account.post.deposit(10)
	print("after it: " .. account.req.balance())
	print("deposits: " .. snax.profile_info(account).deposit.count)

	-- A service that exists once in the node: whoever asks first starts it.
	local bank = snax.uniqueservice("account", "the bank")
	print("one for all: " .. tostring(bank == snax.queryservice "account"))

	account.post.close()
	while pcall(account.req.balance) do
		skynet.sleep(1)
	end
	print("still there: " .. tostring(pcall(account.req.balance)))
	skynet.abort()
end)
