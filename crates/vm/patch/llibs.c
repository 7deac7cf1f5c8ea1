/*
** What every new state begins with, found out once.
**
** Names. Lua makes the names of metamethods and the reserved words in each new state, to keep them. They are in the
** shared set, so there is nothing to make and nothing to keep: their addresses are remembered.
**
** Libraries. luaL_setfuncs assigns a library's functions one by one, to a table that grows meanwhile: a hundred names
** are hashed, looked up and put into their places, which are the same in every state. So the nodes of such a table are
** remembered by the address of the library's list, in the size that the table has in the end, and copied into the new
** table; or shared (see lshared.c), if nothing is added later.
**
** Both are recorded in the first state of the process, by one thread, before there is any other that could use it, and
** never change again.
*/

#define llibs_c
#define LUA_CORE

#include "lprefix.h"

#include <stdatomic.h>
#include <string.h>

#include "lua.h"
#include "lauxlib.h"

#include "lapi.h"
#include "lgc.h"
#include "lmem.h"
#include "lobject.h"
#include "lshared.h"
#include "lstate.h"
#include "lstring.h"
#include "ltable.h"
#include "ltm.h"


#define MAXLIBRARIES	24

typedef struct Library {
  const luaL_Reg *functions;
  Table *table;  /* while they are recorded */
  Node *node;
  lu_byte lsizenode;
  lu_byte unchanged;  /* nothing is added, no placeholder is filled in */
} Library;

static Library library[MAXLIBRARIES];
static unsigned int nlibraries;
static TString *metamethod[TM_N];
static _Atomic(global_State *) recorder;  /* the state that libraries are recorded in; other threads look whether it is theirs */
static atomic_int complete;  /* all this is there */


static int usable (lua_State *L) {
  return atomic_load_explicit(&complete, memory_order_acquire) && luaS_sameseed(L);
}


/* Gives a new state the names of metamethods and the reserved words; 0 if it has to make them. */
int luaS_knownnames (lua_State *L) {
  if (!usable(L)) return 0;
  memcpy(G(L)->tmname, metamethod, sizeof(metamethod));
  return 1;
}


/* The names of metamethods and the reserved words of this state have been shared. */
void luaS_recordnames (lua_State *L) {
  int i;
  for (i = 0; i < TM_N; i++) {
    TString *ts = G(L)->tmname[i];
    metamethod[i] = luaS_findshared(getshrstr(ts), cast_sizet(ts->shrlen), ts->hash);
    if (metamethod[i] == NULL) return;
  }
  recorder = NULL;
  atomic_store_explicit(&complete, 1, memory_order_release);
}


/* Libraries that this state opens from now on are noted. */
LUA_API void lua_recordlibraries (lua_State *L) {
  recorder = G(L);
  nlibraries = 0;
}


/* Does the table at the top of the stack contain nothing yet? */
static int untouched (const Table *t) {
  unsigned int i;
  if (t->asize > 0 || t->metatable != NULL || hassharednodes(t)) return 0;
  if (isdummy(t)) return 1;
  for (i = 0; i < sizenode(t); i++) {
    if (!keyisnil(gnode(t, i))) return 0;
  }
  return 1;
}


/* The places of the functions, as in the table that was recorded. Returns 0 if there is no memory. May raise an error. */
static int fill (lua_State *L, Library *lib) {
  const luaL_Reg *r;
  unsigned int i;
  int entries = 0;
  Table *t = luaH_new(L);
  sethvalue2s(L, L->top.p, t);
  api_incr_top(L);
  luaH_resize(L, t, 0, sizenode(lib->table));
  lib->unchanged = 1;
  for (r = lib->functions; r->name != NULL; r++) {
    TString *name = luaS_shareshort(luaS_new(L, r->name));
    TValue k, v;
    if (name == NULL) return 0;
    setsvalue(L, &k, name);
    if (r->func == NULL) {
      setbfvalue(&v);
      lib->unchanged = 0;
    }
    else
      setfvalue(&v, r->func);
    luaH_set(L, t, &k, &v);
  }
  for (i = 0; i < sizenode(lib->table); i++) {
    if (!isempty(gval(gnode(lib->table, i)))) entries++;
    if (!isempty(gval(gnode(t, i)))) entries--;
  }
  if (entries != 0) lib->unchanged = 0;
  lib->node = cast(Node *, luaS_takeforever(sizenode(t) * sizeof(Node)));
  if (lib->node == NULL) return 0;
  memcpy(lib->node, t->node, sizenode(t) * sizeof(Node));
  lib->lsizenode = t->lsizenode;
  L->top.p--;
  return 1;
}


/* The libraries that were noted are complete. May raise an error. */
LUA_API void lua_sharelibraries (lua_State *L) {
  unsigned int i, n = nlibraries;
  recorder = NULL;
  nlibraries = 0;  /* none, if this fails */
  if (!luaS_sameseed(L)) return;
  for (i = 0; i < n; i++) {
    if (isdummy(library[i].table) || hassharednodes(library[i].table)) return;
    if (!fill(L, &library[i])) return;
    nlibraries = i + 1;
  }
}


/*
** luaL_setfuncs for the table at the top of the stack, in one step. Returns 0 if the list is not known. May raise an
** error.
*/
int luaS_setlibrary (lua_State *L, const void *functions) {
  Table *t;
  unsigned int i;
  if (!ttistable(s2v(L->top.p - 1))) return 0;
  t = hvalue(s2v(L->top.p - 1));
  if (usable(L)) {
    for (i = 0; i < nlibraries && library[i].functions != functions; i++) ;
    if (i == nlibraries || !untouched(t)) return 0;
    if (library[i].unchanged) {
      if (!isdummy(t)) luaM_freearray(L, t->node, sizenode(t));
      t->node = library[i].node;
      t->lsizenode = library[i].lsizenode;
      t->flags = cast_byte((t->flags & ~(maskflags | BITDUMMY)) | BITSHAREDNODES);
      return 1;
    }
    if (isdummy(t) || t->lsizenode != library[i].lsizenode)
      luaH_resize(L, t, 0, 1u << library[i].lsizenode);
    memcpy(t->node, library[i].node, sizenode(t) * sizeof(Node));
    invalidateTMcache(t);
    return 1;
  }
  if (recorder == G(L) && nlibraries < MAXLIBRARIES && untouched(t)) {
    library[nlibraries].functions = cast(const luaL_Reg *, functions);
    library[nlibraries].table = t;
    nlibraries++;
  }
  return 0;
}
