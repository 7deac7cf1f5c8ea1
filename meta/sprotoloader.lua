---@meta sprotoloader

---Schemas that the services of a node share, in the slots 0 to 15. Raises `Invalid global slot index <n>` for others.
---@class sprotoloader
local loader = {}

---Puts the schema of a text file into a slot.
---@param filename string
---@param slot integer
function loader.register(filename, slot) end

---Puts a binary schema into a slot.
---@param bytes string
---@param slot integer
function loader.save(bytes, slot) end

---The schema in a slot. Raises `nil sproto at index <n>`.
---@param slot integer
---@return sproto
function loader.load(slot) end

return loader
