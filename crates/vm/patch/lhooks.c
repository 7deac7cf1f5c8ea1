/*
** How much of its count a hook has left.
**
** 'lua_sethook' begins to count anew. A hook that takes the place of another for a moment, to look at what runs,
** would so take away from a program that counts instructions all that it has counted.
*/

#define lhooks_c
#define LUA_CORE

#include "lprefix.h"

#include "lua.h"

#include "lstate.h"


/* Instructions until the thread's hook is called. May be called in a signal handler, as 'lua_sethook'. */
LUA_API int lua_gethookleft (lua_State *L) {
  return L->hookcount;
}


/* Sets that number, after 'lua_sethook'. */
LUA_API void lua_sethookleft (lua_State *L, int left) {
  L->hookcount = left;
}
