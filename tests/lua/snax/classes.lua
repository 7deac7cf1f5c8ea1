-- snax: what a class's file may contain, and what sees it.
local skynet = require "skynet"
local snax = require "skynet.snax"
local check = require "check"

local role, case = {}, {}

function case.interface()
	local class = snax.interface "thing"
	check.eq("name", class.name, "thing")
	check.eq("system", class.system, { init = 1, exit = 2, hotfix = 3, profile = 4 })
	check.eq("first methods", { class.response.echo, class.accept.note, class.response.noted }, { 5, 6, 7 })
	check.eq("groups", { class.accept.echo, class.response.note }, {})
	check.ok("once", snax.interface "thing" == class)
	check.eq("no init", snax.interface "bare".system, { exit = 2, hotfix = 3, profile = 4 })
	check.eq("a name in both", { snax.interface "both".accept.f, snax.interface "both".response.f }, { 5, 6 })
end

function case.mistakes()
	for class, text in pairs {
		duplicate = "accept.f duplicate definition",
		unnamed = "string",
		value = "response.f",
		system = "init must be a function",
		syntax = "<name> expected",
		raising = "while loading",
	} do
		check.fails(class, text, snax.newservice, "bad_" .. class)
		check.fails(class .. " again", text, snax.interface, "bad_" .. class)
		check.fails(class .. " as a service", "failed", skynet.newservice, "snaxd", "bad_" .. class)
	end
	check.eq("groups cannot be read", snax.newservice "writeonly".req.g(), "fine")
end

-- The file that a client reads runs for its definitions only.
function case.client_side()
	local class = snax.interface "demanding"
	check.eq("last method", class.response.last, 5)
	check.eq("nothing leaks", rawget(_G, "leaked"), nil)
	check.eq("accept", rawget(_G, "accept"), nil)
	check.eq("not loaded", package.loaded.no_such_module_of_a_client, nil)
end

function case.folder()
	check.returns("its module, its name, its globals", { "inside", "by the module", "foldered", true, true },
		snax.newservice "foldered".req.all)
end

-- The config names a module that is the client's environment, and a loader for the service.
function case.custom()
	check.eq("interface", snax.interface "custom".response.marker, 5)
	check.eq("the module stays as it was", require "custom_globals".marker_seen, nil)
	check.eq("loader", snax.newservice "custom".req.marker(), "custom")
	check.eq("another", snax.newservice "both".req.f(), "both")
	check.fails("no such file", "failed", skynet.newservice, "snaxd", "no_such_class")
end

function case.no_custom_globals()
	check.fails("interface", "no marker", snax.interface, "custom")
end

-- A bad folder on the search path is no mistake.
function case.search_path()
	check.eq("found in the second folder", snax.newservice "bare".req.answer(), 42)
	local failure = check.fails("nowhere", "no_such_class.lua", snax.interface, "no_such_class")
	check.ok("all places are told", failure:find("/nowhere/no_such_class.lua", 1, true)
		and failure:find("/classes/no_such_class.lua", 1, true), failure)
	check.fails("a name with a pattern's sign", "100%1.lua", snax.interface, "100%1")
end

return check.main(role, case, ...)
