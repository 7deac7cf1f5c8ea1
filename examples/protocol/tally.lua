-- The message type "tally": names with numbers, as text: "coffee=2 tea=3". Each service that sends or handles such
-- messages requires this file once.

local skynet = require "skynet"

local function pack(numbers)
	local words = {}
	for name, number in pairs(numbers) do
		words[#words + 1] = name .. "=" .. number
	end
	table.sort(words)
	return table.concat(words, " ") -- a string, or a block of memory and its size
end

local function unpack(msg, sz)
	local numbers = {}
	for word in skynet.tostring(msg, sz):gmatch "%S+" do
		local name, number = word:match "^(%a+)=(%d+)$"
		numbers[assert(name, "a word without a number")] = tonumber(number)
	end
	return numbers
end

skynet.register_protocol {
	name = "tally",
	id = 100, -- 13 to 255 are free
	pack = pack,
	unpack = unpack,
}

return { pack = pack, unpack = unpack }
