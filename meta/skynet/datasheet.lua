---@meta skynet.datasheet

---Tables that all services of a node read. A service fills a table of its own when it first looks into it, from bytes
---that are shared; from then on it is an ordinary table. An update empties the tables, which keep their identity, and
---they are filled anew. What is written to them is lost then. A sub-table that is not in the new version any more
---raises `Invalid proxy`.
---@class skynet.datasheet
local datasheet = {}

---The root table of a sheet; the same one each time. Raises `call failed` if there is no sheet of this name, and then
---always for this name. Blocks.
---@param name string
---@return table
function datasheet.query(name) end

return datasheet
