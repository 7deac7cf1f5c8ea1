/*
** Sources of Lua 5.4; see lloops.h.
*/

#define lloops_c
#define LUA_CORE

#include "lprefix.h"

#include <string.h>

#include "lua.h"

#include "lloops.h"
#include "lmem.h"
#include "lstate.h"
#include "lzio.h"


LUA_API void lua_onassignedloop (lua_State *L, lua_AssignedLoop f, void *ud) {
  G(L)->assignedloop = f;
  G(L)->ud_assignedloop = ud;
}


/* Copies the last piece, whose memory is about to be used for something else. Raises. */
void luaZ_keep (ZIO *z) {
  Mbuffer *kept = &z->kept;
  size_t size = kept->n + z->npiece;
  if (size > kept->buffsize) {
    size_t room = kept->n == 0 ? size : size + size / 2;
    luaZ_resizebuffer(z->L, kept, room);
  }
  memcpy(kept->buffer + kept->n, z->piece, z->npiece);
  kept->n = size;
  z->piece = NULL;
}


/* The next byte is the first one of the source. Raises. */
void luaZ_rewind (ZIO *z) {
  if (z->piece != NULL) luaZ_keep(z);
  z->keeps = 0;
  z->p = z->kept.buffer;
  z->n = z->kept.n;
}
