---@meta skynet.sharemap

---A table with one writer, and readers in all services of the node, who see what was committed last. It is of a sproto
---type.
---@class skynet.sharemap
local sharemap = {}

---Reading and writing its fields is reading and writing the data, but for its methods `commit` and `copy`.
---@class skynet.sharemap.writer
---@field [string] any
local writer = {}

---Lets readers see the data as they are now.
function writer:commit() end

---A reference to be sent to another service, for one reader.
---@return lightuserdata
function writer:copy() end

---Its fields are the data of the last update. It can't be written to.
---@class skynet.sharemap.reader
---@field [string] any
local reader = {}

---Reads what was committed last. True and the data if that is new, else false.
---@return boolean
---@return table?
function reader:update() end

---Loads the schema from a file, once in a node, into slot 0 of sprotoloader.
---@param protofile string
function sharemap.register(protofile) end

---A writer of this type, with these data.
---@param typename string
---@param data table?
---@return skynet.sharemap.writer
function sharemap.writer(typename, data) end

---A reader, of a reference that was not used before.
---@param typename string
---@param reference lightuserdata
---@return skynet.sharemap.reader
function sharemap.reader(typename, reference) end

return sharemap
