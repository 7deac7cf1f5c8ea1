/*
** Objects that all states of the process share: prototypes of functions, strings, nodes of tables.
** See lshared.c for the design.
*/

#ifndef lshared_h
#define lshared_h

#include <stdatomic.h>
#include <string.h>

#include "lgc.h"
#include "lobject.h"
#include "lstate.h"

/*
** In the mark of an object: no state owns it. (The bit is otherwise left to Lua's own tests.) A shared object is black and
** old for every collector, so none marks, ages, sweeps or frees it; and it is never written to after its publication.
*/
#define SHAREDBIT	TESTBIT
#define SHAREDMARK	cast_byte(bitmask(SHAREDBIT) | bitmask(BLACKBIT) | G_OLD)

#define isshared(x)	testbit((x)->marked, SHAREDBIT)

/*
** In the flags of a table: its hash nodes are shared, and copied when it is first written to.
*/
#define BITSHAREDNODES	(1 << 7)
#define hassharednodes(t)	((t)->flags & BITSHAREDNODES)

LUAI_FUNC void luaH_ownnodes (lua_State *L, Table *t);


/*
** Tables that are shared as a whole (lsharedtable.c). They have a variant tag of their own, so that every fast path of the VM takes
** them for something else than a table.
*/
#define LUA_VSHRTAB	makevariant(LUA_TTABLE, 1)

#define ttissharedtable(o)	checktag((o), ctb(LUA_VSHRTAB))

#define setsharedtable(o,x)  \
  { TValue *io = (o); Table *x_ = (x); \
    val_(io).gc = obj2gco(x_); settt_(io, ctb(LUA_VSHRTAB)); }

/* The elements 1..n, and only these, are in the array. */
#define sharedlen(t)	((t)->asize)

/* A forwarded string is about to be collected; all references to it have been replaced. */
#define FORWARDED	0xff
#define isforwarded(ts)	((ts)->extra == FORWARDED)


/*
** Functions that are not made yet (llazy.c): what a field of a table says that has one. For everybody who does not know, it is empty.
** (The tag is otherwise the answer of a read from something that is no table; it is in no place of a table.)
*/
#define LUA_VLAZY	LUA_VNOTABLE

#define islazy(o)	checktag((o), LUA_VLAZY)
/* Is a place of a table free? */
#define isfree(o)	(isempty(o) && !islazy(o))

#define LAZYMAX	0xffffu
#define lazyframe(o)	gco2lcl(cast(GCObject *, cast_sizet(l_castS2U(val_(o).i) & 0xffffffffffff)))
#define lazynumber(o)	cast_uint(l_castS2U(val_(o).i) >> 48)
#define lazyfits(frame)	((cast(lua_Unsigned, cast_sizet(frame)) >> 48) == 0)
#define setlazy(o,frame,n)  \
  { TValue *io = (o); \
    val_(io).i = l_castU2S(cast(lua_Unsigned, cast_sizet(frame)) | (cast(lua_Unsigned, (n)) << 48)); \
    settt_(io, LUA_VLAZY); }

/* In the flags of a prototype: it may be treated like that. */
#define PF_LAZY	8

/* What the allocator gets in place of the old size for a block that a service's limit of memory does not apply to. */
#define LAZYKIND	255

LUAI_FUNC void luaS_findlazy (Proto *f);
LUAI_FUNC int luaS_setlazy (lua_State *L, LClosure *cl, StkId base, const Instruction *pc);
LUAI_FUNC void luaS_makelazy (lua_State *L, Table *t, TValue *slot);
LUAI_FUNC lu_byte luaS_getlazy (lua_State *L, Table *t, const TValue *key, TValue *res);
LUAI_FUNC void luaS_makeall (lua_State *L, Table *t);

/* What every new state begins with (llibs.c). */
LUAI_FUNC int luaS_knownnames (lua_State *L);
LUAI_FUNC void luaS_recordnames (lua_State *L);
LUAI_FUNC int luaS_setlibrary (lua_State *L, const void *functions);


/* Memory for shared objects. */
typedef struct SharedArena {
  void *chunks;
  char *next;
  size_t left;
  size_t size;
} SharedArena;

LUAI_FUNC void *luaS_take (size_t size);
LUAI_FUNC void luaS_usearena (SharedArena *a);
LUAI_FUNC void luaS_freearena (SharedArena *a);
LUAI_FUNC TString *luaS_share (TString *from);
LUAI_FUNC Proto *luaS_shareproto (lua_State *L, const Proto *f);
LUAI_FUNC size_t luaS_constants (const Proto *f, TString **list, size_t n);
LUAI_FUNC int luaS_byaddress (const void *a, const void *b);
LUAI_FUNC int luaS_sameseed (lua_State *L);
LUAI_FUNC size_t luaS_adoptedsize (const TString *ts);
LUAI_FUNC int luaS_hasown (lua_State *L, TString *const *strings, unsigned int nstrings);


/* Open addressing, never more than half full. A set that has become too small is replaced, and stays readable. */
typedef struct SharedSet {
  unsigned int mask;  /* number of slots - 1 */
  unsigned int used;  /* for the writer */
  _Atomic(TString *) slot[];
} SharedSet;

/* The shared short strings, or NULL while there are none. */
extern _Atomic(SharedSet *) luaS_shared;


/* The shared instance of a short string, or NULL. */
static inline TString *luaS_findshared (const char *str, size_t l, unsigned int h) {
  SharedSet *s = atomic_load_explicit(&luaS_shared, memory_order_acquire);
  if (s != NULL) {
    unsigned int i = h;
    TString *ts;
    while ((ts = atomic_load_explicit(&s->slot[i & s->mask], memory_order_acquire)) != NULL) {
      if (ts->hash == h && cast_sizet(ts->shrlen) == l &&
          memcmp(str, rawgetshrstr(ts), l) == 0)
        return ts;
      i++;
    }
  }
  return NULL;
}

#endif
