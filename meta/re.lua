---@meta re

---Patterns of lpeg in a syntax like that of regular expressions.
---
---| | |
---|---|
---| `'text'` `"text"` `.` `[a-z_%d]` `[^a-z]` | a text, any byte, a byte of a class or of none of them |
---| `%name` | a definition, or a class: `%a %c %d %g %l %p %s %u %w %x`, their opposites as capitals, `%nl` |
---| `p1 p2` `p1 / p2` `( p )` | one after the other; the first that matches |
---| `p?` `p*` `p+` `p^3` `p^+3` `p^-3` | at most once, any number, at least one, exactly, at least, at most three |
---| `&p` `!p` | nothing, where `p` matches, or does not |
---| `name <- p …` `name` `<name>` | a grammar; a rule of it |
---| `{}` `{ p }` `{: p :}` `{:name: p :}` `=name` | the place; the match; a group; one with a name; its match again |
---| `{~ p ~}` `{\| p \|}` | a substitution; a table |
---| `p -> 'text'` `p -> 1` `p -> {}` `p -> name` | as `p / v`; a table; as `p / definition` |
---| `p => name` `p >> name` `p ~> name` | as lpeg.Cmt, `p % f`, lpeg.Cf with a definition |
---| `-- …` | a comment |
---@class re
local re = {}

---The pattern of a text.
---@param text string|lpeg.pattern a pattern is returned as it is
---@param definitions table? what names in the text stand for
---@return lpeg.pattern
function re.compile(text, definitions) end

---Matches a pattern against a subject, as lpeg.match.
---@param subject string
---@param text string|lpeg.pattern
---@param init integer? where to begin
---@return any ...
function re.match(subject, text, init) end

---Where a pattern matches first in a subject: the first and the last place. nil if it does not match anywhere.
---@param subject string
---@param text string|lpeg.pattern
---@param init integer? where to begin
---@return integer? first
---@return integer? last
function re.find(subject, text, init) end

---The subject with all matches of a pattern replaced: by a string with marks (`%1`), a field of a table, what a function
---returns.
---@param subject string
---@param text string|lpeg.pattern
---@param replacement string|table|function|integer
---@return string
function re.gsub(subject, text, replacement) end

---From now on the classes are those of the current locale.
function re.updatelocale() end

return re
