---@meta lpeg

---Patterns as values, put together by operators: parsing expression grammars, as LPeg 1.1 has them.
---
---Wherever a pattern is wanted, a string, a number, a boolean, a table or a function will do as well; see lpeg.P. In the
---operators at least one side has to be a pattern.
---
---| operator | matches |
---|---|
---| `a * b` | `a` and then `b` |
---| `a + b` | `a`, or else `b` where `a` does not match |
---| `a - b` | `a` where `b` does not match |
---| `-a` | nothing, where `a` does not match |
---| `#a` | nothing, where `a` matches |
---| `a ^ n` | `a` as often as possible, at least `n` times; at most `-n` times for a negative `n` |
---| `a / v` | `a`, with what `v` makes of its captures: a function, a string with marks, a table, the number of a capture |
---| `a % f` | `a`; the value before it becomes what `f` returns for it and the captures of `a` |
---@class lpeg
---@field version string `LPeg 1.1.0`, the version whose manual this follows
local lpeg = {}

---A pattern. `pattern:match(subject, …)` is lpeg.match, and the other functions can be called so, too.
---@class lpeg.pattern: userdata

---A pattern of a value: a string matches itself, a number so many bytes, a negative number where there are not so many
---bytes left, a boolean always or never, a function is called when the match comes there (see lpeg.Cmt), and a table is a
---grammar: its fields are rules, which refer to each other by lpeg.V; its first element is the rule to begin with, or its
---name. A pattern is returned as it is.
---@param value any
---@return lpeg.pattern
function lpeg.P(value) end

---Any byte of a string.
---@param bytes string
---@return lpeg.pattern
function lpeg.S(bytes) end

---Any byte of the given ranges, each of which is a string of two bytes, the first and the last one.
---@param ... string
---@return lpeg.pattern
function lpeg.R(...) end

---Any code point of a range, as UTF-8.
---@param first integer
---@param last integer at most 0x10FFFF
---@return lpeg.pattern
function lpeg.utfR(first, last) end

---The rule of a name in the grammar that the pattern comes to be part of.
---@param name any
---@return lpeg.pattern
function lpeg.V(name) end

---Nothing, where a pattern matches the text before. It has no captures, and its matches have one length, at most 255.
---@param pattern any
---@return lpeg.pattern
function lpeg.B(pattern) end

---A table of patterns for the classes of characters of the current locale: `alnum`, `alpha`, `cntrl`, `digit`, `graph`,
---`lower`, `print`, `punct`, `space`, `upper`, `xdigit`.
---@param into table? gets the fields, and is returned
---@return table
function lpeg.locale(into) end

---`pattern` for a pattern, nil for anything else.
---@param value any
---@return "pattern"|nil
function lpeg.type(value) end

---Matches a pattern against the beginning of a subject. Returns the values of its captures, or the place behind the match
---if there are none; nil if it does not match.
---@param pattern any
---@param subject string
---@param init integer? where to begin; from the end if negative
---@param ... any for lpeg.Carg
---@return any ...
function lpeg.match(pattern, subject, init, ...) end

---How many choices and calls of rules may wait for each other in a match, 400 at first. Less than 400 is not possible.
---@param max integer
function lpeg.setmaxstack(max) end

---What the pattern matches, and then its captures.
---@param pattern any
---@return lpeg.pattern
function lpeg.C(pattern) end

---The place in the subject.
---@return lpeg.pattern
function lpeg.Cp() end

---Values.
---@param ... any
---@return lpeg.pattern
function lpeg.Cc(...) end

---An extra argument of lpeg.match.
---@param n integer from 1
---@return lpeg.pattern
function lpeg.Carg(n) end

---The captures of a pattern as one, a group. One with a name has no values where it stands; lpeg.Cb and lpeg.Ct look for
---it.
---@param pattern any
---@param name any
---@return lpeg.pattern
function lpeg.Cg(pattern, name) end

---The values of the last group of a name that has been matched.
---@param name any
---@return lpeg.pattern
function lpeg.Cb(name) end

---A table: the captures of the pattern as its elements, and the first value of each named group as a field.
---@param pattern any
---@return lpeg.pattern
function lpeg.Ct(pattern) end

---What the pattern matches, with each capture in it replaced by its value.
---@param pattern any
---@return lpeg.pattern
function lpeg.Cs(pattern) end

---The first capture of the pattern, to which a function is applied with each of the others. Old: use `%`.
---@param pattern any
---@param f fun(accumulated: any, ...: any): any
---@return lpeg.pattern
function lpeg.Cf(pattern, f) end

---Calls a function as soon as the pattern has matched, with the subject, the place and the captures. It returns where to
---go on, or true for right there, and the values of the capture; or false or nil if it is no match. It can't suspend the
---coroutine.
---@param pattern any
---@param f fun(subject: string, at: integer, ...: any): integer|boolean|nil, ...
---@return lpeg.pattern
function lpeg.Cmt(pattern, f) end

return lpeg
