-- Sentences C of the semantics: new code in services that run.
local skynet = require "skynet"
local check = require "check"

local role, case = {}, {}

local function write(text)
	local f <close> = assert(io.open("rules.lua", "w"))
	f:write(text)
end

local RULES <const> = "local n = 0 local M = { kept = {} } function M.rule() n = n + 1 return %d, n end return M"

function role.user()
	local rules = require "rules"
	local rule, kept = rules.rule, rules.kept
	local method = {}
	function method.rule()
		return rule()
	end
	function method.same()
		return rules.kept == kept
	end
	check.serve(method)
end

local function users(n)
	write(RULES:format(1))
	local list = {}
	for i = 1, n do
		list[i] = check.spawn "user"
	end
	return list
end

function case.C1()
	local user = users(1)[1]
	skynet.call(user, "lua", "rule")
	local result = skynet.reload { module = "rules" }
	check.eq("nothing", { result.nothing, result.changed, result.new, result.held }, { 1, {}, {}, 0 })
	check.returns("the same", { 1, 2 }, skynet.call, user, "lua", "rule")
end

function case.C2()
	local user = users(1)[1]
	skynet.call(user, "lua", "rule")
	write(RULES:format(2))
	skynet.reload { module = "rules" }
	check.returns("the new function in a variable, with the old counter", { 2, 2 }, skynet.call, user, "lua", "rule")
	check.eq("the old table", skynet.call(user, "lua", "same"), true)
end

function case.C3()
	local list = users(3)
	for _, text in ipairs { "return { kept = function() end, rule = function() return 2 end }", "return {", "error 'no'", "x = 1" } do
		write(text)
		local result = skynet.reload { module = "rules" }
		check.eq("not done", result.applied, nil)
		for i = 1, 3 do
			check.eq("nothing has changed", (skynet.call(list[i], "lua", "rule")), 1)
		end
	end
end

function case.C4()
	local list, sent, got, stop = users(20), 0, 0, false
	for i = 1, 20 do
		skynet.fork(function()
			while not stop do
				sent = sent + 1
				skynet.call(list[i], "lua", "rule")
				got = got + 1
			end
		end)
	end
	for n = 2, 6 do
		write(RULES:format(n))
		check.eq("done", skynet.reload({ module = "rules" }).done, 20)
	end
	stop = true
	check.ok("none is lost", check.wait(function() return got == sent end))
end

function role.counter(how)
	if how == "fails" then
		error "it does not start"
	end
	local count = 0
	require("skynet.replace").state(function()
		return count
	end, function(n)
		if how == "refuses" then
			error "not this state"
		end
		count = n
	end)
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, wait)
			count = count + 1
			local n = count
			skynet.sleep(wait)
			skynet.retpack(n, skynet.self())
		end)
	end)
end

local function replace(how)
	return skynet.replace(".counter", SERVICE_NAME, { args = { "counter", how }, state = true, drain = 30 })
end

function case.C5()
	local old, seen, twice, got = check.spawn "counter", {}, false, 0
	skynet.name(".counter", old)
	local function ask(n, wait)
		for _ = 1, n do
			skynet.fork(function()
				local number = skynet.call(old, "lua", wait)
				twice = twice or seen[number]
				seen[number] = true
				got = got + 1
			end)
		end
	end
	ask(50, 10)
	skynet.sleep(1)
	skynet.fork(replace)
	skynet.sleep(0)
	ask(50, 0)
	check.ok("all are answered", check.wait(function() return got == 100 end))
	check.eq("none was handled twice", { twice or false, #seen }, { false, 100 })
end

function case.C6()
	local old = check.spawn "counter"
	skynet.name(".counter", old)
	for _, how in ipairs { "fails", "refuses" } do
		check.ok(how, not pcall(replace, how))
	end
	check.returns("the old one is there", { 1, old }, skynet.call, ".counter", "lua", 0)
end

return check.main(role, case, ...)
