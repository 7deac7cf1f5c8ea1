---@meta http.url

---Texts of urls.
---@class http.url
local url = {}

---Splits an url at its first `?`. The path is decoded: `+` is a blank, `%XX` a byte. Raises an error if what follows a
---`%` are no hexadecimal digits; a `%` with fewer than two characters behind it stays.
---@param u string
---@return string path
---@return string query as it is; empty if there is none
function url.parse(u) end

---The decoded names and values of a query. A name that comes more than once has a list.
---
---A piece without `=` becomes part of the next name, as in skynet (C); the last one without `=` is dropped.
---@param query string
---@return table<string, string|string[]>
function url.parse_query(query) end

return url
