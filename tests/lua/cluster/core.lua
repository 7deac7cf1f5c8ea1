-- Runs every recorded case of cluster frames through skynet.cluster.core. The Rust side writes them as
-- vectors_cluster.lua.
local skynet = require "skynet"
local driver = require "skynet.socketdriver"
local core = require "skynet.cluster.core"
local check = require "check"
local recorded = require "recorded"

local role, case = {}, {}
local data, value = recorded.data, recorded.value

-- Compares long texts without showing them.
local function same(name, got, want)
	if got == want then
		check.ok(name, true)
	elseif type(got) == "string" and type(want) == "string" and #got + #want > 300 then
		check.ok(name, false, ("%d bytes, want %d"):format(#got, #want))
	else
		check.eq(name, got, want)
	end
end

-- The content of a block that a function has returned; the block is freed.
local function content(msg, sz)
	local text = skynet.tostring(msg, sz)
	skynet.trash(msg, sz)
	return text
end

-- Results, with blocks as their content.
local function compare(name, got, want)
	check.eq(name .. " count", got.n, #want)
	for i, v in ipairs(want) do
		if v.t == "msg" then
			check.eq(("%s %d"):format(name, i), type(got[i]), "userdata")
			same(("%s %d"):format(name, i), content(got[i], got[i + 1]), data(v))
		else
			same(("%s %d"):format(name, i), got[i], value(v))
		end
	end
end

local run = {}

local function pack(f)
	return function(v)
		local session = math.tointeger(tonumber(v.session))
		local address = value(v.address)
		if v.error then
			local msg, sz
			if v.payload.t ~= "nil" then
				msg, sz = driver.str2p(data(v.payload))
			end
			check.fails(v.name, v.error, f, address, session, msg, sz)
			return
		end
		local request, next_session, parts = f(address, session, driver.str2p(data(v.payload)))
		same(v.name, request, data(v.request))
		check.eq(v.name .. " next", next_session, math.tointeger(tonumber(v.next_session)))
		local want = v.parts or {}
		check.eq(v.name .. " parts", parts and #parts, v.parts and #want)
		for i, part in ipairs(parts or {}) do
			same(("%s part %d"):format(v.name, i), part, data(want[i]))
		end
	end
end

run.packrequest = pack(core.packrequest)
run.packpush = pack(core.packpush)

function run.packtrace(v)
	local tag = data(v.tag)
	if v.error then
		check.fails(v.name, v.error, core.packtrace, tag)
	else
		same(v.name, core.packtrace(tag), data(v.bytes))
	end
end

function run.packresponse(v)
	local session, payload = math.tointeger(tonumber(v.session)), data(v.payload)
	local result
	if v.payload_kind == "string" then
		result = core.packresponse(session, v.ok, payload)
	else
		local msg, sz = driver.str2p(payload)
		result = core.packresponse(session, v.ok, msg, sz)
		driver.drop(msg, sz)
	end
	check.eq(v.name .. " kind", type(result), v.multi and "table" or "string")
	local frames = v.multi and result or { result }
	check.eq(v.name .. " frames", #frames, #v.frames)
	for i, frame in ipairs(v.frames) do
		same(("%s frame %d"):format(v.name, i), frames[i], data(frame))
	end
end

function run.unpackrequest(v)
	local input = data(v.input)
	if v.error then
		check.fails(v.name, v.error, core.unpackrequest, input)
		local msg, sz = driver.str2p(input)
		check.fails(v.name .. " from a block", v.error, core.unpackrequest, msg, sz)
		driver.drop(msg, sz)
		return
	end
	compare(v.name, table.pack(core.unpackrequest(input)), v.results)
	local msg, sz = driver.str2p(input)
	compare(v.name .. " from a block", table.pack(core.unpackrequest(msg, sz)), v.results)
	driver.drop(msg, sz)
end

function run.unpackresponse(v)
	compare(v.name, table.pack(core.unpackresponse(data(v.input))), v.results)
end

-- The list as it is, and made by append, which takes blocks over.
function run.concat(v)
	compare(v.name, table.pack(core.concat(recorded.values(v.args))), v.results)
	local made = {}
	for _, item in ipairs(v.args) do
		if item.t == "int" then
			core.append(made, nil, value(item))
		else
			core.append(made, driver.str2p(data(item)))
		end
	end
	compare(v.name .. " appended", table.pack(core.concat(made)), v.results)
end

function run.isname(v)
	compare(v.name, table.pack(core.isname(value(v.arg))), v.results)
end

function case.all()
	for _, v in ipairs(require "vectors_cluster") do
		run[v.op](v)
	end
end

function case.nodename()
	local name = core.nodename()
	check.ok("its form", name:match "^[^%s]+%d+$", name)
	local pid = io.open("/proc/self/stat"):read "n"
	check.ok("it ends in the process id", name:sub(-#tostring(pid)) == tostring(pid), name)
	check.eq("it stays", core.nodename(), name)
end

return check.main(role, case, ...)
