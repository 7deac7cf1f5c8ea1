---@meta sprotoparser

---Schema texts of sproto.
---@class sprotoparser
local parser = {}

---The binary schema of a text. Raises `syntax error at [<name>] line (<n>)`, and errors about names that are defined
---twice or not at all.
---@param text string
---@param name string? what errors call the text; `=text` if there is none
---@return string
function parser.parse(text, name) end

---Prints bytes in hexadecimal.
---@param bytes string
function parser.dump(bytes) end

return parser
