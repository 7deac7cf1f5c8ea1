-- Two services that play ping-pong, with calls and with sends.
--
--     cargo run --release -- run examples/pingpong
--     cargo run --release -- run examples/pingpong 1000000
--
-- prints, with the figures of your machine,
--
--     20000 calls: 480 thousand a second
--     20000 sends, there and back: 760 thousand a second

local skynet = require "skynet"
require "skynet.manager"

local count = tonumber((...)) or 20000

local function report(what, from)
	local seconds = (skynet.hpc() - from) / 1e9
	print(("%d %s: %.0f thousand a second"):format(count, what, count / seconds / 1000))
end

skynet.start(function()
	local other = skynet.newservice "player"

	local from = skynet.hpc()
	for i = 1, count do
		assert(skynet.call(other, "lua", "call", i) == i)
	end
	report("calls", from)

	-- With sends nobody waits: each ball that comes in goes out again.
	skynet.dispatch("lua", function(_, source, _, ball)
		if ball == count then
			return skynet.wakeup "end of the match"
		end
		skynet.send(source, "lua", "ball", ball + 1)
	end)
	from = skynet.hpc()
	skynet.send(other, "lua", "ball", 1)
	skynet.wait "end of the match"
	report("sends, there and back", from)
	skynet.abort()
end)
