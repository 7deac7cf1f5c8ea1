-- Runs a program, and says on standard error how many seconds of processor time it took, without the start.
local file, n = ...
local program = assert(loadfile(file))
local start = os.clock()
program(n)
io.stderr:write(os.clock() - start)
