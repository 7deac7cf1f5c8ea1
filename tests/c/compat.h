/* For modules that know Lua up to 5.4 only and check its number: 5.5 is close enough. Compile with `-include compat.h`. */
#include "lauxlib.h"
#include "lua.h"

#undef LUA_VERSION_NUM
#define LUA_VERSION_NUM 504
/* It would compare that number with the one of the running Lua. */
#undef luaL_checkversion
#define luaL_checkversion(L) ((void)(L))
