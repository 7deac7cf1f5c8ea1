-- skynet.dns and name servers that are not trusted: what they say, what strangers say, and what is remembered.
local skynet = require "skynet"
local crypt = require "skynet.crypt"
local dns = require "skynet.dns"
local socket = require "skynet.socket"
local check = require "check"
local pair = require "pair"

local role, case = {}, {}

dns.strict = true
dns.DEFAULT_HOSTS = false

local A <const>, SRV <const> = 1, 33

local function encoded(name)
	local labels = {}
	for label in name:gmatch "[^.]+" do
		labels[#labels + 1] = string.pack("s1", label)
	end
	return table.concat(labels) .. "\0"
end

-- A record of the name that was asked for.
local function record(kind, ttl, data)
	return "\xc0\x0c" .. string.pack(">I2I2I4s2", kind, 1, ttl, data)
end

local function address(ttl, last)
	return record(A, ttl, string.char(10, 0, 0, last or 1))
end

-- A zone that says for how long there is nothing.
local function zone(seconds)
	return record(6, seconds, "\0\0" .. string.pack(">I4I4I4I4I4", 1, 1, 1, 1, seconds))
end

-- An answer. `what`: code, flags, records, zone, or other parts of the head.
local function answer(query, what)
	what = what or {}
	local records = what.records or {}
	local flags = (what.flags or 0x8180) | (what.code or 0)
	return string.pack(">I2I2I2I2I2I2", what.id or query.id, flags, 1, what.count or #records, what.zone and 1 or 0, 0)
		.. encoded(what.name or query.text) .. string.pack(">I2I2", what.kind or query.kind, 1)
		.. table.concat(records) .. (what.zone or "")
end

-- A name server: f(query) is asked for each question, and returns the answers. `seen` has the questions.
local function server(f)
	local port, seen = pair.dead_port(), {}
	local id
	id = socket.udp_listen("127.0.0.1", port, function(data, from)
		local number = string.unpack(">I2", data)
		local labels, at = {}, 13
		repeat
			local label
			label, at = string.unpack("s1", data, at)
			labels[#labels + 1] = label ~= "" and label or nil
		until label == ""
		local _, client = socket.udp_address(from)
		local query = {
			id = number,
			text = table.concat(labels, "."),
			kind = string.unpack(">I2", data, at),
			port = client,
			data = data,
			from = from,
		}
		seen[#seen + 1] = query
		for _, text in ipairs(table.pack(f(query))) do
			socket.sendto(id, from, text)
		end
	end)
	return ("127.0.0.1:%d"):format(port), seen, port, id
end

local function use(...)
	dns.server { ... }
	dns.flush()
end

local function good(query)
	return answer(query, { records = { address(60) } })
end

function case.chance()
	local at, seen = server(good)
	use(at)
	local ids, ports = {}, {}
	for i = 1, 40 do
		check.eq("resolved", (dns.resolve(("h%d.example"):format(i))), "10.0.0.1")
		ids[seen[i].id], ports[seen[i].port] = true, true
	end
	local function count(set)
		local n = 0
		for _ in pairs(set) do
			n = n + 1
		end
		return n
	end
	check.ok("numbers", count(ids) > 30)
	check.ok("ports", count(ports) > 10)
	check.ok("not in turn", not (ids[1] and ids[2] and ids[3] and ids[4]))
	check.ok("nothing is left", check.wait(function() return #socket.netstat() == 1 end), check.show(socket.netstat()))
end

-- What is no answer to the question does not count, and does no harm.
function case.strangers()
	local stranger = socket.udp(function() end, "127.0.0.1", pair.dead_port())
	local at, seen = server(function(query)
		local bad = { records = { address(60, 66) } }
		socket.sendto(stranger, query.from, answer(query, bad))
		local function with(key, value)
			return answer(query, { records = bad.records, [key] = value })
		end
		return with("id", query.id ~ 1), with("name", "other.example"), with("kind", 28), with("flags", 0x0100),
			query.data, "", "short", with("count", 9), crypt.randombytes(100),
			answer(query, { records = { "\xc0\x1c" .. record(A, 1, "abcd"):sub(3) } }), good(query)
	end)
	use(at)
	for i = 1, 5 do
		check.returns("the good one", { "10.0.0.1", { "10.0.0.1" } }, dns.resolve, ("h%d.example"):format(i))
	end
	check.eq("asked once each", #seen, 5)
	-- Records of another name are not taken.
	at = server(function(query)
		return answer(query, { records = { encoded "other.example" .. address(60, 66):sub(3), address(60) } })
	end)
	use(at)
	check.returns("only its own", { "10.0.0.1", { "10.0.0.1" } }, dns.resolve, "h.example")
end

-- Servers that are silent, or do not know.
function case.several()
	local silent, first = server(function() end)
	local failing, second = server(function(query)
		return answer(query, { code = 2 })
	end)
	local refusing, third = server(function(query)
		return answer(query, { code = 5 })
	end)
	local works, last = server(good)
	use(failing, refusing, works)
	check.eq("the third knows", (dns.resolve "a.example"), "10.0.0.1")
	check.eq("each was asked", { #second, #third, #last }, { 1, 1, 1 })
	use(silent, works)
	check.eq("one is silent", (dns.resolve "b.example"), "10.0.0.1")
	check.eq("it was asked once", #first, 1)
	local dropped
	local forgetful, fourth = server(function(query)
		if dropped then
			return good(query)
		end
		dropped = true
	end)
	use(forgetful)
	check.eq("asked again", (dns.resolve "c.example"), "10.0.0.1")
	check.ok("with another number and port", fourth[1].id ~= fourth[2].id or fourth[1].port ~= fourth[2].port)
	use(failing)
	check.fails("nobody knows", "timeout or no answer: d.example: 127.0.0.1 answers with code 2",
		dns.resolve, "d.example")
end

function case.truncated()
	local port
	local function truncated(query)
		return answer(query, { flags = 0x8380 })
	end
	local at
	at, _, port = server(truncated)
	local many = {}
	for i = 1, 200 do
		many[i] = address(60, i)
	end
	local mode = "good"
	local listener = socket.listen("127.0.0.1", port)
	socket.start(listener, function(id)
		socket.start(id)
		local head = socket.read(id, 2)
		local data = head and socket.read(id, (">I2"):unpack(head))
		if data then
			local labels, where = {}, 13
			repeat
				local label
				label, where = string.unpack("s1", data, where)
				labels[#labels + 1] = label ~= "" and label or nil
			until label == ""
			local query = { id = (">I2"):unpack(data), text = table.concat(labels, "."), kind = A }
			local text = string.pack(">s2", answer(query, { records = many }))
			if mode == "good" then
				socket.write(id, text:sub(1, 7))
				skynet.sleep(2)
				socket.write(id, text:sub(8))
			elseif mode == "half" then
				socket.write(id, text:sub(1, 100))
			elseif mode == "empty" then
				socket.write(id, "\0\0")
			elseif mode == "garbage" then
				socket.write(id, string.pack(">s2", crypt.randombytes(500)))
			end
		end
		socket.close(id)
	end)
	use(at)
	local _, list = dns.resolve "big.example"
	check.eq("all of them", #list, 200)
	for _, name in ipairs { "half", "empty", "garbage", "closed" } do
		mode = name
		check.fails(name, "timeout or no answer", dns.resolve, name .. ".example")
	end
	socket.close(listener)
	check.fails("nobody there", "timeout or no answer", dns.resolve, "dead.example")
end

-- How long answers are remembered.
function case.times()
	local ttl, code, records = 1, 0, true
	local at, seen = server(function(query)
		return answer(query, { code = code, records = records and { address(ttl) } or nil, zone = not records and zone(ttl) })
	end)
	use(at)
	local function asks(name, want, host)
		local before = #seen
		pcall(dns.resolve, host)
		check.eq(name, #seen - before, want)
	end
	asks("first", 1, "a.example")
	asks("known", 0, "a.example")
	asks("whatever its letters", 0, "A.Example")
	asks("another family", 1, "b.example")
	skynet.sleep(110)
	asks("its time is over", 1, "a.example")
	ttl = 0
	asks("no time", 1, "c.example")
	asks("again", 1, "c.example")
	ttl = 0x80000000
	asks("a negative time", 1, "d.example")
	asks("again", 1, "d.example")
	ttl, code, records = 1, 3, false
	asks("no such name", 1, "none.example")
	asks("that is known", 0, "none.example")
	check.fails("told so", "timeout or no answer: none.example: there is none", dns.resolve, "none.example")
	skynet.sleep(110)
	asks("its time is over as well", 1, "none.example")
	-- An old answer is better than none.
	ttl, code, records = 0, 0, true
	check.eq("old", (dns.resolve "old.example"), "10.0.0.1")
	code, records = 2, false
	check.eq("still good", (dns.resolve "old.example"), "10.0.0.1")
	dns.flush()
	check.fails("flushed", "timeout or no answer", dns.resolve, "old.example")
end

-- A crowd: equal questions are asked once, others not all at the same time.
function case.crowd()
	local most = 0
	local at, seen = server(function(query)
		skynet.sleep(1)
		most = math.max(most, #socket.netstat())
		return good(query)
	end)
	use(at)
	local jobs = {}
	for i = 1, 50 do
		jobs[i] = pair.background(dns.resolve, "same.example")
	end
	for _, job in ipairs(jobs) do
		pair.finished(job)
		check.eq("same", job[1], "10.0.0.1")
	end
	check.eq("asked once", #seen, 1)
	for i = 1, 1000 do
		jobs[i] = pair.background(dns.resolve, ("h%d.example"):format(i))
	end
	for _, job in ipairs(jobs) do
		pair.finished(job)
		check.eq("each", job[1], "10.0.0.1")
	end
	check.ok("sockets at a time", most <= 260, most)
	check.eq("all asked", #seen, 1001)
	check.ok("nothing is left", check.wait(function() return #socket.netstat() == 1 end))
end

function case.services()
	local function service(priority, weight, port, target)
		return record(SRV, 60, string.pack(">I2I2I2", priority, weight, port) .. encoded(target))
	end
	local at, seen = server(function(query)
		return answer(query, { records = {
			service(20, 0, 3, "last.example"),
			service(10, 100, 1, "often.example"),
			service(10, 1, 2, "seldom.example"),
		} })
	end)
	use(at)
	local first = {}
	for _ = 1, 200 do
		local list = dns.srv "_game._tcp.example"
		check.ok("all of them", #list == 3 and list[3].host == "last.example" and list[3].priority == 20)
		first[list[1].host] = (first[list[1].host] or 0) + 1
	end
	check.ok("by weight", (first["often.example"] or 0) > (first["seldom.example"] or 0))
	check.eq("asked once", { #seen, seen[1].kind }, { 1, SRV })
	check.returns("no name", { nil, "illegal name", n = 2 }, dns.srv, "a b")
end

-- resolv.conf: servers, search domains, options.
function case.system()
	local there = { ["host.second.example"] = true, ["a.b"] = true, ["x.first.example"] = true }
	local at, seen = server(function(query)
		return there[query.text] and good(query) or answer(query, { code = 3, zone = zone(0) })
	end)
	local function conf(text)
		local file = io.open("resolv.conf", "w")
		file:write(text)
		file:close()
		dns.server()
		dns.flush()
		for i = #seen, 1, -1 do
			seen[i] = nil
		end
	end
	local function asked()
		local names = {}
		for i, query in ipairs(seen) do
			names[i] = query.text
		end
		return names
	end
	dns.DEFAULT_RESOLV_CONF = "resolv.conf"
	conf("# a comment\nnameserver nonsense\nnameserver " .. at
		.. "\nsearch first.example second.example. ; comment\noptions ndots:1 timeout:1 attempts:1\n")
	check.eq("found by searching", (dns.resolve "host"), "10.0.0.1")
	check.eq("in order", asked(), { "host.first.example", "host.second.example" })
	conf("nameserver " .. at .. "\nsearch first.example\n")
	check.eq("as it is", (dns.resolve "a.b"), "10.0.0.1")
	check.eq("at once", asked(), { "a.b" })
	conf("nameserver " .. at .. "\nsearch first.example\noptions ndots:2\n")
	check.eq("fewer dots", (dns.resolve "a.b"), "10.0.0.1")
	check.eq("searched first", asked(), { "a.b.first.example", "a.b" })
	conf("nameserver " .. at .. "\ndomain first.example\n")
	check.eq("a dot at the end", (dns.resolve "a.b."), "10.0.0.1")
	check.eq("not searched", asked(), { "a.b" })
	check.fails("nowhere", "timeout or no answer: none: there is none", dns.resolve, "none")
	check.eq("all were asked", asked(), { "a.b", "none.first.example", "none" })
	dns.DEFAULT_RESOLV_CONF = "no_such_file"
	dns.server()
	check.fails("no server", "Call dns.server first", dns.resolve, "host")
	os.remove "resolv.conf"
end

function case.mistakes()
	for _, text in ipairs { "localhost", "", "1.2.3", "[::1", "1.2.3.4:x" } do
		check.fails("server " .. text, "is not the address of a name server", dns.server, text)
	end
	use "[::1]:5353"
	check.returns("an address", { "1.2.3.4" }, dns.resolve, "1.2.3.4")
end

return check.main(role, case, ...)
