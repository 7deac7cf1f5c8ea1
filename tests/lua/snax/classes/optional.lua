-- Keeps how many arguments there were.
local kept, given

function init(...)
	given = table.pack(...)
end

function exit() end

function response.init_arguments()
	return given.n, table.unpack(given, 1, given.n)
end

function response.arguments(...)
	return select("#", ...), ...
end

function accept.keep(...)
	kept = select("#", ...)
end

function response.kept()
	return kept
end
