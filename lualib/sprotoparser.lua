-- Schema texts of sproto.

local core = require "sproto.core"

local parser = {}

-- The binary schema of a text; `name` is what errors call it.
function parser.parse(text, name)
	return core.parse(text, name or "=text")
end

-- Prints bytes in hexadecimal, 16 a line.
function parser.dump(bytes)
	for at = 1, #bytes, 16 do
		print((bytes:sub(at, at + 15):gsub(".", function(c) return ("%02x "):format(c:byte()) end)))
	end
end

return parser
