-- A reload over the services of a node.
local skynet = require "skynet"
local codecache = require "skynet.codecache"
local reload = require "skynet.reload"
local check = require "check"

local role, case = {}, {}

local function write(file, text)
	local f <close> = assert(io.open(file, "w"))
	f:write(text)
end

local RULES <const> = "local n = 0 local M = {} function M.rule() n = n + 1 return %d, n end return M"

function role.user(id)
	local rules = require "rules"
	local method = {}
	function method.rule()
		return rules.rule()
	end
	function method.spoil()
		rules.extra = {}
	end
	function method.loop()
		while not skynet.getenv "enough" do
		end
	end
	check.serve(method)
end

function role.stranger()
	check.serve {}
end

local function users(n)
	write("rules.lua", RULES:format(1))
	codecache.clear()
	local list = {}
	for i = 1, n do
		list[i] = check.spawn("user", i)
	end
	return list
end

local function rules_of(list)
	local all = {}
	for i, handle in ipairs(list) do
		all[i] = skynet.call(handle, "lua", "rule")
	end
	return all
end

function case.several_services()
	local list = users(5)
	check.spawn "stranger"
	rules_of(list)
	write("rules.lua", RULES:format(2))
	local result = skynet.reload { module = "rules", dry = true }
	check.eq("a dry run", { result.services, result.changed, result.applied, result.path }, { 5, { ["rules.rule"] = 5 }, nil, "./rules.lua" })
	check.eq("changes nothing", rules_of(list), { 1, 1, 1, 1, 1 })
	result = skynet.reload { module = "rules", canary = 2 }
	check.eq("the first ones", { result.done, result.waiting }, { 2, 3 })
	check.eq("only them", rules_of(list), { 2, 2, 1, 1, 1 })
	result = skynet.reload { module = "rules", services = { skynet.address(list[5]), list[4] } }
	check.eq("by address", { result.done, rules_of(list) }, { 2, { 2, 2, 1, 2, 2 } })
	result = skynet.reload { module = "rules", services = { SERVICE_NAME } }
	check.eq("by class", { result.done, result.nothing, rules_of(list) }, { 5, 4, { 2, 2, 2, 2, 2 } })
	check.returns("their state is kept", { 2, 6 }, skynet.call, list[1], "lua", "rule")
	check.eq("new ones have it", { skynet.call(check.spawn("user", 6), "lua", "rule") }, { 2, 1 })
	result = skynet.reload { module = "rules" }
	check.eq("nothing to do", { result.nothing, result.done }, { 6, 6 })
end

function case.one_that_cannot()
	local list = users(3)
	skynet.call(list[2], "lua", "spoil")
	write("rules.lua", "local M = {} function M.rule() return 2 end function M.extra() end return M")
	local result = skynet.reload { module = "rules" }
	check.eq("a conflict in one stops all", { result.applied, result.conflicts }, { nil,
		{ ["rules.extra was a table, is a function (./rules.lua:1)"] = 1 } })
	check.eq("nothing was done", rules_of(list), { 1, 1, 1 })
	result = skynet.reload { module = "rules", force = true }
	check.eq("by force", { result.done, rules_of(list) }, { 3, { 2, 2, 2 } })
	write("rules.lua", "return {")
	result = skynet.reload { module = "rules" }
	check.ok("a file that does not compile", result.error:find("rules.lua:1", 1, true), result.error)
	check.eq("asks nobody", { result.services, rules_of(list) }, { 0, { 2, 2, 2 } })
	write("rules.lua", "error 'at load'")
	result = skynet.reload { module = "rules", force = true }
	check.eq("a file that fails", { result.done, rules_of(list) }, { 0, { 2, 2, 2 } })
	local failed = 0
	for _, why in pairs(result.failed) do
		failed = failed + (why:find "at load" and 1 or 0)
	end
	check.eq("each is named", failed, 3)
	check.eq("nobody has it", skynet.reload({ module = "nobody.has.it" }).error, "no service has loaded it")
end

function case.one_that_does_not_answer()
	local list = users(2)
	write("rules.lua", RULES:format(2))
	skynet.send(list[1], "lua", "loop")
	local result = skynet.reload { module = "rules" }
	check.eq("it stops all", { result.applied, result.failed }, { nil,
		{ [skynet.address(list[1])] = "it has not answered within 5 seconds" } })
	skynet.setenv("enough", "yes")
	result = skynet.reload { module = "rules" }
	check.eq("afterwards", { result.done, rules_of(list) }, { 2, { 2, 2 } })
end

function case.options()
	check.fails("no table", "a table of options expected", skynet.reload, "rules")
	check.fails("no module", "the option module is missing", skynet.reload, {})
	check.fails("an unknown option", "there is no option 'modul'", skynet.reload, { modul = "x" })
	check.fails("another type", "dry: a boolean expected", skynet.reload, { module = "x", dry = 1 })
	check.fails("nobody", "there is no Lua service nobody", skynet.reload, { module = "x", services = { "nobody" } })
end

function case.text()
	users(2)
	write("rules.lua", "local n = 0 local M = {} function M.rule() n = n + 1 return 2, n end function M.more() end return M")
	local result = skynet.reload { module = "rules", dry = true }
	check.eq("dry", reload.text(result), "rules: ./rules.lua, loaded by 2 services of 1 classes\n  changed: rules.rule\n"
		.. "  new: rules.more\nnothing was done")
	result = skynet.reload { module = "rules" }
	check.eq("real", reload.text(result), "rules: ./rules.lua, loaded by 2 services of 1 classes\n  changed: rules.rule\n"
		.. "  new: rules.more\ndone in 2 services")
	write("rules.lua", "return {")
	check.ok("an error", reload.text(skynet.reload { module = "rules" }):find("\n  error: .*rules.lua:1: .*\nnothing was done$"))
end

-- Services that are called all the time lose nothing. SERVICES can be set in the config.
function case.under_load()
	local list = users(tonumber(skynet.getenv "SERVICES") or 300)
	local asked, answered, stop, running = 0, 0, false, 0
	for worker = 1, 20 do
		skynet.fork(function()
			running = running + 1
			while not stop do
				asked = asked + 1
				local rule = skynet.call(list[math.random(#list)], "lua", "rule")
				answered = answered + ((rule == 1 or rule == 2) and 1 or 0)
			end
			running = running - 1
		end)
	end
	skynet.sleep(10)
	write("rules.lua", RULES:format(2))
	local result = skynet.reload { module = "rules" }
	stop = true
	check.ok("all calls come back", check.wait(function()
		return running == 0
	end))
	check.eq("all services", { result.services, result.done }, { #list, #list })
	check.eq("no call is lost", answered, asked)
	local new = 0
	for _, rule in ipairs(rules_of(list)) do
		new = new + (rule == 2 and 1 or 0)
	end
	check.eq("all run the new code", new, #list)
end

function case.one_file_of_the_cache()
	write("a.lua", "return 1")
	write("b.lua", "return 1")
	check.eq("as they were", { dofile "./a.lua", dofile "./b.lua" }, { 1, 1 })
	write("a.lua", "return 2")
	write("b.lua", "return 2")
	check.eq("one is forgotten", codecache.clear "./a.lua", true)
	check.eq("and read anew", { dofile "./a.lua", dofile "./b.lua" }, { 2, 1 })
	check.eq("one that is not there", codecache.clear "./nobody.lua", false)
end

function case.watched_files()
	write("a.lua", "return 1")
	check.eq("as it was", dofile "./a.lua", 1)
	write("a.lua", "return  2")
	check.eq("as it is", dofile "./a.lua", 2)
	os.rename("a.lua", "b.lua")
	check.eq("a file that is gone", dofile "./a.lua", 2)
	write("c.lua", "return  3")
	os.rename("c.lua", "a.lua")
	check.eq("another file in its place", dofile "./a.lua", 3)
end

return check.main(role, case, ...)
