-- Schemas that the services of a node share, in the slots 0 to 15.

local core = require "sproto.core"
local parser = require "sprotoparser"
local sproto = require "sproto"

local loader = {}

function loader.save(bytes, slot)
	core.saveproto(assert(core.newproto(bytes), "this is no sproto schema"), slot)
end

-- The text in a file.
function loader.register(filename, slot)
	local file <close> = assert(io.open(filename, "rb"))
	loader.save(parser.parse(file:read "a", filename), slot)
end

function loader.load(slot)
	return sproto.sharenew(core.loadproto(slot))
end

return loader
