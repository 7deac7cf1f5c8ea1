-- Socket channels whose peer is killed, hangs, dribbles, or goes away in the middle of something.
local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local check = require "check"
local ledger = require "ledger"

local role, case = {}, {}

local function peer()
	return tonumber(skynet.getenv "peer")
end

local function read_frame(sock)
	local frame = sock:read(socket.header(sock:read(2)))
	return string.unpack("<I4", frame), true, frame:sub(5)
end

local function frame(number, text)
	return string.pack(">s2", string.pack("<I4", number) .. text)
end

local function by_session(extra)
	local desc = { host = "127.0.0.1", port = peer(), response = read_frame }
	for k, v in pairs(extra or {}) do
		desc[k] = v
	end
	return socketchannel.channel(desc)
end

local function in_order()
	return socketchannel.channel { host = "127.0.0.1", port = peer() }
end

local function text_of(number)
	return ("request %d %s"):format(number, ("x"):rep(number % 300))
end

local function is_text_of(number, answer)
	return answer == text_of(number)
end

-- The peer is killed and started again while forty coroutines make requests.
function case.killed()
	local c = by_session()
	local books = ledger.new(200)
	books:load(40, function(number)
		local ok, answer = pcall(c.request, c, frame(number, text_of(number)), number)
		if not ok and answer ~= socketchannel.error then
			check.ok("a socket error", false, answer)
		end
		return ok, answer
	end, is_text_of)
	books:close()
	check.ok("of both kinds", books.good > 0 and books.bad > 0, books.bad)
	c:close()
	ledger.empty()
end

-- One request at a time has an answer of its own, when answers come in the order of the requests.
function case.killed_in_order()
	local c = in_order()
	local books = ledger.new(200)
	books:load(20, function(number)
		return pcall(c.request, c, frame(number, text_of(number)), function(sock)
			local got, _, text = read_frame(sock)
			return true, { got, text }
		end)
	end, function(_, answer)
		-- The server mixes answers up, so this one may be another request's: but whole, and of this connection.
		return answer[2] == text_of(answer[1])
	end)
	books:close()
	check.ok("of both kinds", books.good > 0 and books.bad > 0, books.bad)
	c:close()
	ledger.empty()
end

-- Answers that come a byte at a time, and the largest ones in pieces of any size.
function case.dribble()
	local c = by_session()
	local sizes, ended = { 0, 1, 2, 100, 65531 }, 0
	for i, size in ipairs(sizes) do
		skynet.fork(function()
			local ok, answer = pcall(c.request, c, frame(i, "size " .. size), i)
			check.ok("answer of " .. size, ok and answer == ("a"):rep(size), ok and #answer or tostring(answer))
			ended = ended + 1
		end)
	end
	check.ok("all have ended", check.wait(function() return ended == #sizes end), ended)
	c:close()
	ledger.empty()
end

-- The peer dies in the middle of an answer: nobody gets half of one, the next request has a new connection.
function case.half_an_answer()
	local c = by_session()
	local ended = 0
	for i = 1, 10 do
		skynet.fork(function()
			local ok, err = pcall(c.request, c, frame(i, "lost"), i)
			check.ok("request " .. i, not ok and err == socketchannel.error, tostring(err))
			ended = ended + 1
		end)
	end
	check.ok("all have ended", check.wait(function() return ended == 10 end), ended)
	check.eq("the next one", c:request(frame(11, "found"), 11), "found")
	c:close()
	ledger.empty()
end

-- The peer reads nothing: what waits for it stays under the cap, which is what ends the connection.
function case.slow_reader()
	local CAP <const> = 1024 * 1024
	local c = by_session()
	c:connect(true)
	local id = socket.netstat()[1].id
	socket.writelimit(id, CAP)
	local most, ended = 0, 0
	local big = ("b"):rep(60000)
	local started = 0
	while not socket.invalid(id) and started < 1000 do
		started = started + 1
		skynet.fork(function(number)
			local ok, err = pcall(c.request, c, frame(number, big), number)
			check.ok("request " .. number, not ok and err == socketchannel.error, tostring(err))
			ended = ended + 1
		end, started)
		skynet.sleep(0)
		most = math.max(most, socket.pending(id) or 0)
	end
	check.ok("the cap was reached", started < 1000, started)
	check.ok("and not passed", most > CAP // 2 and most <= CAP, most)
	check.emit "ENDED"
	check.ok("all have ended", check.wait(function() return ended == started end), ended)
	c:close()
	ledger.empty()
end

-- A reset while a large request is being written.
function case.reset_while_writing()
	local c = by_session()
	local parts = {}
	for i = 1, 300 do
		parts[i] = ("p"):rep(60000)
	end
	local jobs = 0
	for i = 1, 5 do
		skynet.fork(function()
			local ok, err = pcall(c.request, c, frame(i, "large"), i, parts)
			check.ok("request " .. i, not ok and err == socketchannel.error, tostring(err))
			jobs = jobs + 1
		end)
	end
	check.ok("all have ended", check.wait(function() return jobs == 5 end), jobs)
	check.eq("the next one", c:request(frame(9, "found"), 9), "found")
	c:close()
	ledger.empty()
end

-- The peer's machine is gone without a word: the first thing that is sent afterwards tells.
function case.half_open()
	local c = by_session()
	check.eq("a first one", c:request(frame(1, "hello"), 1), "hello")
	check.emit "CONNECTED"
	local id = socket.stdin()
	socket.readline(id)
	socket.close(id)
	local ok, err = pcall(c.request, c, frame(2, "anybody?"), 2)
	check.ok("a socket error", not ok and err == socketchannel.error, tostring(err))
	check.eq("the next one", c:request(frame(3, "again"), 3), "again")
	c:close()
	ledger.empty()
end

return check.main(role, case, ...)
