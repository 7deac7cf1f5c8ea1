/*
** A yield that returns, and a call that does.
**
** 'lua_yieldk' leaves the C functions between itself and 'lua_resume' by a long jump, and the processor, which
** remembers where it came from, then mispredicts a return for each of them. Nearly always these are our function, and
** the interpreter's loop that has called it, started by 'lua_resume': nothing that could not just as well return. So
** 'lua_suspend' leaves everything as 'lua_yieldk' does, and returns LUA_SUSPENDED, which the function has to return as
** its own result; 'precallC', the loop, 'unroll' and 'lua_resume' pass it on ('L->status' says the same). What a
** suspended coroutine looks like does not depend on how it was left.
**
** That there is nothing else in between is seen by the depth of C calls: it is what it was when 'lua_resume' began.
** Every other way from C into Lua (calls, protected calls, metamethods, finalizers, iterators of 'for') counts as one.
** Then, and in hooks, there is a long jump as ever.
**
** So that a native function that is the body of a coroutine, and calls a Lua function, is not such a way, it calls by
** 'lua_callthen': that is 'lua_callk' followed by the continuation, but it prepares the call only, and returns
** LUA_CALLING, which the function returns in turn. 'resume' then runs the Lua function, and the continuation after it,
** just as if the function had been suspended in 'lua_callk'.
*/

#ifndef lsuspend_h
#define lsuspend_h

#include "lua.h"

/* No number of results, and not what 'luaD_pretailcall' returns for a Lua function. */
#define LUA_SUSPENDED	(-2)
#define LUA_CALLING	(-3)

LUA_API int lua_suspend (lua_State *L, int nresults, lua_KContext ctx, lua_KFunction k);
LUA_API int lua_callthen (lua_State *L, int nargs, int nresults, lua_KContext ctx, lua_KFunction k);

#endif
