-- Runs every recorded case of gate frames through skynet.netpack. The Rust side writes them as vectors_netpack.lua.
local skynet = require "skynet"
local driver = require "skynet.socketdriver"
local netpack = require "skynet.netpack"
local check = require "check"
local recorded = require "recorded"

local role, case = {}, {}

local bytes, data = recorded.bytes, recorded.data

-- An engine message: the data, then type, id, number and flags as native 32-bit integers.
local EVENT <const> = { data = 1, init = 2, close = 3, accept = 4, error = 5, warning = 7 }

local function filter(queue, event, fd, ud, text)
	local msg, sz = driver.str2p(text .. string.pack("=i4i4i4i4", EVENT[event], fd, ud, 0))
	local results = table.pack(netpack.filter(queue, msg, sz))
	driver.drop(msg, sz)
	return table.unpack(results, 1, results.n)
end

local function block(text)
	local ptr, sz = driver.str2p(text)
	return ptr, sz
end

local run = {}

function run.pack(v)
	local payload = data(v.payload)
	if v.error then
		check.fails(v.name, v.error, netpack.pack, payload)
		return
	end
	local ptr, sz = netpack.pack(payload)
	check.eq(v.name .. " size", sz, v.size)
	check.ok(v.name, netpack.tostring(ptr, sz) == data(v.bytes))
	if #payload > 0 then -- the other form of the argument
		local from, n = block(payload)
		ptr, sz = netpack.pack(from, n)
		driver.drop(from, n)
		check.ok(v.name .. " from a block", netpack.tostring(ptr, sz) == data(v.bytes))
	end
end

function run.tostring(v)
	local want = data(v.results[1])
	if v.payload.t == "nil" then
		check.eq(v.name, netpack.tostring(nil, 5), want)
	else
		check.eq(v.name, netpack.tostring(block(data(v.payload))), want)
	end
end

-- What a step delivers: the frame that filter returns, or all that wait in the queue.
local function delivered(queue, what, fd, ptr, sz)
	local frames = {}
	if what == "data" then
		frames[1] = { fd, netpack.tostring(ptr, sz) }
	elseif what == "more" then
		fd, ptr, sz = netpack.pop(queue)
		while fd do
			frames[#frames + 1] = { fd, netpack.tostring(ptr, sz) }
			fd, ptr, sz = netpack.pop(queue)
		end
	end
	return frames
end

function run.filter(v)
	local queue
	for i, step in ipairs(v.steps) do
		local name = ("%s step %d"):format(v.name, i)
		local text = step.data and data(step.data) or step.address and bytes(step.address) or ""
		if step.event == "error" and step.values then
			text = step.values[2] and data(step.values[2]) or text
		end
		local ud = step.event == "data" and #text or step.new_fd or step.size or 0
		local results = table.pack(filter(queue, step.event, step.fd, ud, text))
		queue = results[1]
		check.eq(name, results[2] or "none", step.returned)
		if step.values then
			for k, value in ipairs(step.values) do
				local want = value.t == "int" and math.tointeger(tonumber(value.v)) or data(value)
				check.eq(("%s value %d"):format(name, k), results[k + 2], want)
			end
		end
		local frames = delivered(table.unpack(results, 1, 5))
		check.eq(name .. " count", #frames, step.message_count or #step.messages)
		for k, frame in ipairs(frames) do
			local want = step.messages and step.messages[k]
			local fd, content = want and want.fd or step.fd, want and data(want) or tostring(k)
			if frame[1] ~= fd or frame[2] ~= content then
				check.ok(("%s frame %d"):format(name, k), false, #frame[2] .. " bytes of " .. frame[1])
			end
		end
	end
	netpack.clear(queue)
end

function case.all()
	for _, v in ipairs(require "vectors_netpack") do
		run[v.op](v)
	end
end

function case.rest()
	check.returns("an empty queue", {}, netpack.pop, nil)
	local queue, what, id, ip, port = filter(nil, "init", 3, 8080, "127.0.0.1")
	check.eq("init", { what, id, ip, port }, { "init", 3, "127.0.0.1", 8080 })
	check.eq("error", { select(2, filter(queue, "error", 3, 0, "Broken pipe")) }, { "error", 3, "Broken pipe" })
	check.eq("error drops what was incomplete", { select(2, filter(queue, "data", 5, 3, "\0\5x")) }, {})
	filter(queue, "error", 5, 0, "x")
	local fd, ptr, sz = select(3, filter(queue, "data", 5, 3, "\0\1y"))
	check.eq("so the next frame is whole", { fd, netpack.tostring(ptr, sz) }, { 5, "y" })
	filter(queue, "data", 6, 8, "\0\1a\0\1b\0\9")
	netpack.clear(queue)
	check.returns("cleared", {}, netpack.pop, queue)
	fd, ptr, sz = select(3, filter(queue, "data", 6, 2, "\0\0"))
	check.eq("what was incomplete is gone too", { fd, sz, netpack.tostring(ptr, sz) }, { 6, 0, "" })
	-- A queue with frames inside is collected with its service.
	filter(queue, "data", 6, 6, "\0\1a\0\1b")
	check.fails("no message", "", netpack.filter, queue)
end

return check.main(role, case, ...)
