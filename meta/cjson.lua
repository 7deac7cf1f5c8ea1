---@meta cjson

---JSON, as the Lua library of that name reads and writes it. `cjson.safe` has the same functions; its `encode` and
---`decode` return nil and a message instead of raising.
---@class cjson
---@field null lightuserdata what `null` is in tables
---@field empty_array lightuserdata is written as `[]`
---@field empty_array_mt table metatable of tables that are written as `[]` while they are empty
---@field array_mt table metatable of tables that are always written as arrays
local cjson = {}

---The text of a value. A table is an array if all its keys are positive whole numbers, else an object. Raises for what
---JSON has nothing for, and for arrays that are mostly holes; see `encode_sparse_array`.
---@param value any
---@return string
function cjson.encode(value) end

---What a text means. `null` is `cjson.null`. Raises what was expected, what was found and where.
---@param text string
---@return any
function cjson.decode(text) end

---A module table with settings of its own.
---@return cjson
function cjson.new() end

---What becomes of arrays with many holes: those whose highest index is more than `ratio` times the number of elements,
---and more than `safe`. They are objects, or an error. Returns what is set.
---@param convert boolean? make objects of them; false at first
---@param ratio integer? 2 at first; 0: there is no limit
---@param safe integer? 10 at first
---@return boolean convert
---@return integer ratio
---@return integer safe
function cjson.encode_sparse_array(convert, ratio, safe) end

---How deep tables may lie in each other. Returns what is set.
---@param depth integer? 1000 at first
---@return integer
function cjson.encode_max_depth(depth) end

---How deep arrays and objects may lie in each other. Returns what is set.
---@param depth integer? 1000 at first
---@return integer
function cjson.decode_max_depth(depth) end

---How many digits of a float are written. Returns what is set.
---@param digits integer? 1 to 14; 14 at first
---@return integer
function cjson.encode_number_precision(digits) end

---Is the memory for texts kept from one to the next? Returns what is set.
---@param keep boolean? true at first
---@return boolean
function cjson.encode_keep_buffer(keep) end

---Are infinite floats and NaN written, as `inf` and `nan`, or as `null`? If not, they are errors. Returns what is set.
---@param how boolean|"null"|nil false at first
---@return boolean|"null"
function cjson.encode_invalid_numbers(how) end

---Are `inf`, `nan`, `0x10`, `+1` and `007` read as numbers? Returns what is set.
---@param allowed boolean? true at first
---@return boolean
function cjson.decode_invalid_numbers(allowed) end

---Is an empty table written as `{}`, and not as `[]`? Returns what is set.
---@param object boolean? true at first
---@return boolean
function cjson.encode_empty_table_as_object(object) end

---Are functions and the like left out, instead of being errors? Returns what is set.
---@param skip boolean? false at first
---@return boolean
function cjson.encode_skip_unsupported_value_types(skip) end

---Is `/` written as `\/`? Returns what is set.
---@param escape boolean? true at first
---@return boolean
function cjson.encode_escape_forward_slash(escape) end

---Do arrays that are read get the metatable `array_mt`, so that an empty one is written as `[]` again? Returns what is
---set.
---@param mark boolean? false at first
---@return boolean
function cjson.decode_array_with_array_mt(mark) end

return cjson
