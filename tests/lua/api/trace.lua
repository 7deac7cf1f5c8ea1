-- Trace tags. The Rust side looks at the lines that this logs.
local skynet = require "skynet"
local check = require "check"

local role, case = {}, {}

function role.traced(inner)
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, what)
			if what == "tag" then
				skynet.retpack(skynet.tracetag())
			elseif inner then
				skynet.sleep(1)
				skynet.retpack(skynet.call(tonumber(inner), "lua", "tag"))
			else
				error "traced handler fails"
			end
		end)
	end)
end

function case.tag()
	check.eq("no tag", skynet.tracetag(), nil)
	skynet.trace "begin of the test"
	local tag = skynet.tracetag()
	check.ok("own tag", tostring(tag):find("^" .. skynet.address(skynet.self()) .. "%-%d+$"), tag)
	local inner = check.spawn "traced"
	local outer = check.spawn("traced", inner)
	check.eq("the tag goes with a call", skynet.call(inner, "lua", "tag"), tag)
	check.eq("and on with the next", skynet.call(outer, "lua", "through"), tag)
	check.fails("an error", "call failed", skynet.call, inner, "lua", "fail")
	local other
	skynet.fork(function()
		other = { skynet.tracetag(), skynet.call(inner, "lua", "tag") }
	end)
	skynet.yield()
	check.ok("other coroutines have none", check.wait(function() return other end))
	check.eq("nor what they call", other, {})
	skynet.trace "again"
	check.ok("a new tag", skynet.tracetag() ~= tag)
end

function case.tracecall()
	local to = check.spawn "traced"
	local msg, size = skynet.tracecall("forced-tag", to, "lua", skynet.pack "tag")
	check.eq("the tag arrives", skynet.unpack(msg, size), "forced-tag")
	check.eq("the caller has none", skynet.tracetag(), nil)
end

function role.proto(flag)
	skynet.start(function()
		skynet.traceproto("lua", flag == "on")
		skynet.dispatch("lua", function()
			skynet.retpack(skynet.tracetag())
		end)
	end)
end

function case.traceproto()
	local on, off = check.spawn("proto", "on"), check.spawn("proto", "off")
	local tag = skynet.call(on, "lua")
	check.ok("every request has a tag", tostring(tag):find("^" .. skynet.address(on) .. "%-%d+$"), tag)
	skynet.trace()
	check.eq("forced off", skynet.call(off, "lua"), false)
end

-- Calls and waits inside the library happen where the application calls it.
function case.places()
	local cluster = require "skynet.cluster"
	local inner = check.spawn "traced"
	local _, port = cluster.open(0)
	cluster.reload { here = "127.0.0.1:" .. port }
	cluster.register("inner", inner)
	cluster.call("here", "@inner", "tag")
	local queue = require "skynet.queue"()
	skynet.trace "places"
	cluster.call("here", "@inner", "tag")
	cluster.pcall("here", "@inner", "tag")
	cluster.query("here", "inner")
	check.spawn "traced"
	skynet.uniqueservice "datacenterd"
	require("skynet.datacenter").get "nothing"
	queue(function() skynet.sleep(1) end)
	skynet.yield()
	check.ok("traced", skynet.tracetag())
end

return check.main(role, case, ...)
