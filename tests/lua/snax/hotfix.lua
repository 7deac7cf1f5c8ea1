-- snax.hotfix: methods of a running service are replaced.
local skynet = require "skynet"
local snax = require "skynet.snax"
local check = require "check"

local role, case = {}, {}

function case.variables()
	local counter = snax.newservice "counter"
	counter.post.add(3)
	check.returns("what hotfix returns", { 3, "old", "x", nil, n = 4 }, snax.hotfix, counter, [[
		local count
		local label
		function accept.add(n)
			count = count + 10 * n
			label = "new"
		end
		function hotfix(...)
			local before = count
			count = 100
			return before, label, ...
		end
	]], "x", nil)
	counter.post.add(1)
	check.returns("old and new methods share the variables", { 110, "new" }, counter.req.count)
end

function case.results()
	local counter = snax.newservice "counter"
	check.returns("without a function hotfix", { n = 0 }, snax.hotfix, counter, "function accept.add() end")
	check.returns("an empty patch", { n = 0 }, snax.hotfix, counter, "")
	check.returns("no results", { n = 0 }, snax.hotfix, counter, "function hotfix() end")
	check.returns("it may wait", { "waited" }, snax.hotfix, counter, [[
		local skynet = require "skynet"
		function hotfix()
			skynet.sleep(1)
			return "waited"
		end
	]])
end

function case.response()
	local counter = snax.newservice "counter"
	snax.hotfix(counter, "function response.count() return 'replaced' end")
	check.eq("a request", counter.req.count(), "replaced")
	check.eq("the profile counts it", snax.profile_info(counter).count.count, 1)
end

-- Functions that methods use: those of the service, and those of the patch.
function case.functions()
	local counter = snax.newservice "counter"
	check.eq("before", counter.req.bump(), 1)
	snax.hotfix(counter, [[
		local bump
		function response.bump()
			return bump(10)
		end
	]])
	check.eq("a function of the service", counter.req.bump(), 11)
	snax.hotfix(counter, [[
		local hidden
		local bump
		local function again(n)
			if n > 0 then
				hidden = hidden + 100
				return again(n - 1)
			end
			return bump(0)
		end
		function response.bump()
			return again(2)
		end
	]])
	check.eq("variables of its functions, in functions of the patch", counter.req.bump(), 211)
end

-- A variable with a value is new, as is one that the service does not know; later patches see them.
function case.new_variables()
	local counter = snax.newservice "counter"
	snax.hotfix(counter, [[
		local step = 5
		local fresh
		function accept.add()
			step = step + 1
			fresh = (fresh or 0) + 1
		end
		function response.count()
			return step, fresh
		end
	]])
	counter.post.add()
	check.returns("shared inside the patch", { 6, 1 }, counter.req.count)
	snax.hotfix(counter, [[
		local step, fresh
		function response.count()
			return "again", step, fresh
		end
	]])
	counter.post.add()
	check.returns("and with the next", { "again", 7, 2 }, counter.req.count)
end

function case.ambiguous()
	local counter = snax.newservice "counter"
	check.fails("two variables", "ambiguity local value twice", snax.hotfix, counter, [[
		local count, twice
		function response.count() return "replaced" .. count end
		function response.first() return twice end
	]])
	check.returns("nothing was replaced", { 0, "old" }, counter.req.count)
	check.eq("first", counter.req.first(), 1)
	snax.hotfix(counter, [[
		local twice = 3
		function response.first() return twice end
	]])
	check.eq("an own variable", counter.req.first(), 3)
	check.eq("of that name", counter.req.second(), 2)
end

function case.failures()
	local counter = snax.newservice "counter"
	check.fails("no such request", "Patch mismatch response.nothing", snax.hotfix, counter, [[
		function response.count() return "replaced" end
		function response.nothing() end
	]])
	check.fails("no such post", "Patch mismatch accept.count", snax.hotfix, counter, "function accept.count() end")
	check.fails("syntax", "<name> expected", snax.hotfix, counter, "local local")
	check.fails("no function", "response.count", snax.hotfix, counter, "response.count = 1")
	check.fails("nor of the system", "exit must be a function", snax.hotfix, counter, "exit = 1")
	check.fails("duplicate", "accept.add duplicate definition", snax.hotfix, counter, [[
		function accept.add() end
		function accept.add() end
	]])
	check.fails("while it runs", "of the patch", snax.hotfix, counter, "error 'of the patch'")
	check.returns("nothing was replaced", { 0, "old" }, counter.req.count)
	check.fails("in its function", "of hotfix", snax.hotfix, counter, [[
		function response.count() return "replaced" end
		function hotfix() error "of hotfix" end
	]])
	check.eq("which runs when all is replaced", counter.req.count(), "replaced")
end

function case.system_functions()
	local counter = snax.newservice "counter"
	snax.hotfix(counter, "function exit(text) print('the new exit', text) end")
	snax.kill(counter, "argument")
	check.ok("gone", check.dead(counter.handle))
end

-- A patch reads the service's globals; those that it sets while it runs are its own.
function case.globals()
	local counter = snax.newservice "counter"
	snax.hotfix(counter, [[
		assert(shared == "global", "globals can be read")
		helper = function() return "by the helper of " .. SERVICE_NAME end
		function response.count() return helper(), shared end
		function accept.add() shared = "changed" made = "here" end
	]])
	check.returns("methods use both", { "by the helper of counter", "global" }, counter.req.count)
	check.eq("not seen by others", counter.req.global_of "helper", nil)
	counter.post.add()
	check.eq("what methods set is the service's", counter.req.global(), "changed")
	check.eq("also if it is new", counter.req.global_of "made", "here")
	for _, name in ipairs { "accept", "response", "hotfix", "init" } do
		check.eq(name, counter.req.global_of(name), nil)
	end
end

-- A method that is running ends as it was.
function case.running_method()
	local thing = snax.newservice "thing"
	local request = skynet.request { thing.handle, "snax", snax.interface "thing".response.sleep, 5, "old" }
	request:add { thing.handle, "snax", 3, "function response.sleep() return 'new' end" }
	for req, answer in request:select() do
		check.eq("answer to " .. req[3], answer[1], req[3] == 3 or "old")
	end
	check.eq("afterwards", thing.req.sleep(1, "old"), "new")
end

return check.main(role, case, ...)
