-- Password hashes: argon2id beside the workers.
local skynet = require "skynet"
local crypt = require "skynet.crypt"
local check = require "check"

local role, case = {}, {}
-- As little as there can be.
local CHEAP = { memory = 8, passes = 1, lanes = 1 }

function case.right_and_wrong()
	local hash = crypt.password_hash("secret", CHEAP)
	check.ok("form", hash:find("^%$argon2id%$v=19%$m=8,t=1,p=1%$[%w+/]+%$[%w+/]+$"), hash)
	check.ok("another salt", crypt.password_hash("secret", CHEAP) ~= hash)
	check.eq("right", crypt.password_verify("secret", hash), true)
	check.eq("wrong", crypt.password_verify("Secret", hash), false)
	check.eq("empty", crypt.password_verify("", hash), false)
	local usual = crypt.password_hash "secret"
	check.ok("usual cost", usual:find("$m=19456,t=2,p=1$", 1, true), usual)
	check.eq("of another program", crypt.password_verify("password",
		"$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$9qwNxWtvLuZnFxT0PNhbOw"), false)
end

-- What a database may have in it.
function case.strings_that_are_none()
	local hash = crypt.password_hash("secret", CHEAP)
	for _, bad in ipairs { "", "secret", "$argon2id$", "$1$abc$def", hash:sub(1, 30), hash:gsub("argon2id", "bcrypt"), "$\255" } do
		check.fails("none: " .. bad:sub(1, 12), "not an argon2 password hash in PHC form", crypt.password_verify, "secret", bad)
	end
	check.fails("4 GB", "password hash: memory 4194304 KiB, at most 262144", crypt.password_verify, "secret", (hash:gsub("m=8", "m=4194304")))
	check.fails("a million passes", "password hash:", crypt.password_verify, "secret", (hash:gsub("t=1", "t=1000000")))
	check.fails("lanes", "password hash:", crypt.password_verify, "secret", (hash:gsub("m=8,t=1,p=1", "m=800,t=1,p=99")))
	check.fails("much of both", "memory times passes", crypt.password_hash, "secret", { memory = 262144, passes = 60 })
	check.fails("memory", "password hash:", crypt.password_hash, "secret", { memory = 1 })
	check.fails("no number", "memory is a whole number", crypt.password_hash, "secret", { memory = "much" })
	check.fails("no options", "table expected", crypt.password_hash, "secret", 7)
	check.fails("no password", "string expected", crypt.password_hash)
	check.fails("a long one", "at most 4096 bytes", crypt.password_hash, ("x"):rep(4097))
end

-- Many at once; the service handles others meanwhile.
function case.many_at_once()
	local left, right, others = 60, 0, 0
	for i = 1, left do
		skynet.fork(function()
			local hash = crypt.password_hash("secret" .. i, { memory = 1024, passes = 1 })
			if crypt.password_verify("secret" .. i, hash) and not crypt.password_verify("secret", hash) then right = right + 1 end
			left = left - 1
		end)
	end
	while left > 0 do
		skynet.sleep(1)
		others = others + 1
	end
	check.eq("all are right", right, 60)
	check.ok("the service went on", others > 0)
end

function role.hasher()
	check.serve {
		many = function()
			for _ = 1, 200 do
				skynet.fork(function() crypt.password_hash("secret", { memory = 8192, passes = 2 }) end)
			end
		end,
	}
end

-- A service that is killed while it waits: its answers go nowhere, and what has not begun is not done.
function case.killed_meanwhile()
	local hasher = check.spawn "hasher"
	skynet.call(hasher, "lua", "many")
	skynet.kill(hasher)
	check.eq("another one's turn", crypt.password_verify("x", crypt.password_hash("x", CHEAP)), true)
end

-- More than may wait: an error for that one.
function case.too_many()
	local refused, done, left = 0, 0, 4500
	for _ = 1, left do
		skynet.fork(function()
			local ok, why = pcall(crypt.password_hash, "x", CHEAP)
			if ok then
				done = done + 1
			else
				check.ok("why", why:find("jobs wait already", 1, true), why)
				refused = refused + 1
			end
			left = left - 1
		end)
	end
	while left > 0 do skynet.sleep(1) end
	check.ok("most are done", done >= 4096, done)
	check.eq("none is lost", done + refused, 4500)
end

-- The node stops while hashes are made: it does not wait for them.
function case.stopping_meanwhile()
	local hasher = check.spawn "hasher"
	skynet.call(hasher, "lua", "many")
	check.ok("on its way", true)
end

return check.main(role, case, ...)
