/*
** Sources of Lua 5.4. Lua 5.5 refuses assignments to the control variable of a 'for' loop; in Lua 5.4 the body of a
** loop has a copy of that variable, which it may assign to.
**
** A state that has an 'assignedloop' function takes such sources. The parser works as always; if it meets an
** assignment to a constant, it notes the line and fails as always. Then the source is parsed a second time, in such a
** way that each loop of it copies its variable. If that succeeds, the first refusal had no other reason, and the
** function is told. If not, the error of the second time is the one that counts: it is what Lua 5.4 would have said.
**
** A reader gives a source once, in pieces, and each is valid until the next one comes. So a piece is copied before the
** reader is called again. Other sources pay for that copy, and for nothing else; bytecode does not.
*/

#ifndef lloops_h
#define lloops_h

#include "lua.h"
#include "lzio.h"

/* Told of a source that has been loaded, with the line of its first such assignment. Must not raise. */
typedef void (*lua_AssignedLoop) (lua_State *L, const char *chunkname, int line, void *ud);

/* Does the state take sources of Lua 5.4, and who is told? NULL: it does not. */
LUA_API void lua_onassignedloop (lua_State *L, lua_AssignedLoop f, void *ud);

LUAI_FUNC void luaZ_keep (ZIO *z);
LUAI_FUNC void luaZ_rewind (ZIO *z);

#endif
