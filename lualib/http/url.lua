-- Texts of urls: paths and queries.
local native = require "skynet.http.core"

local url = {}

function url.parse(u)
	local path, query = u:match "^([^?]*)%??(.*)$"
	return native.unescape(path), query
end

url.parse_query = native.query

return url
