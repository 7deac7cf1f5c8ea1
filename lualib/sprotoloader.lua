-- Schemas that the services of a node share, in the slots 0 to 15.

local core = require "sproto.core"
local parser = require "sprotoparser"
local sproto = require "sproto"

local loader = {}

function loader.save(bytes, slot)
	core.saveproto(core.newproto(bytes) or error("this is no sproto schema", 2), slot)
end

-- The text in a file.
function loader.register(filename, slot)
	local file <close>, failure = io.open(filename, "rb")
	if not file then
		error(failure, 2)
	end
	loader.save(parser.parse(file:read "a", filename), slot)
end

function loader.load(slot)
	return sproto.sharenew(core.loadproto(slot))
end

return loader
