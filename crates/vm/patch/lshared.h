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
** In the mark of an object: no state owns it. (The bit is otherwise left to Lua's own tests.) A shared object is black
** and old for every collector, so none marks, ages, sweeps or frees it; and it is never written to after its
** publication.
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
** Tables that are shared as a whole (lsharedtable.c). They have a variant tag of their own, so that every fast path of
** the VM takes them for something else than a table.
*/
#define LUA_VSHRTAB	makevariant(LUA_TTABLE, 1)

#define ttissharedtable(o)	checktag((o), ctb(LUA_VSHRTAB))

#define setsharedtable(o,x)  \
  { TValue *io = (o); Table *x_ = (x); \
    val_(io).gc = obj2gco(x_); settt_(io, ctb(LUA_VSHRTAB)); }

/* The elements 1..n, and only these, are in the array. */
#define sharedlen(t)	((t)->asize)

/*
** In a shared table: a short string that belongs to the table's version. It is in no state's values: who reads it gets
** the state's own string of the same content. Its object is an ordinary one, but for a note in 'extra'.
*/
#define LUA_VFORSTR	makevariant(LUA_TSTRING, 3)
#define isforeigntag(tag)	((tag) == ctb(LUA_VFORSTR))
#define FOREIGN	0xff
#define isforeign(ts)	((ts)->extra == FOREIGN)

LUAI_FUNC lu_byte luaS_getshared (lua_State *L, const Table *t, const TValue *key, StkId res);
LUAI_FUNC int luaS_nextshared (lua_State *L, const Table *t, StkId key);
LUAI_FUNC const TValue *luaS_ownmethod (lua_State *L, const TValue *tm);
LUAI_FUNC void luaS_clearown (global_State *g);
LUAI_FUNC void luaS_freeown (global_State *g);


/*
** Functions that are not made yet (llazy.c): what a field of a table says that has one. For everybody who does not
** know, it is empty. (The tag is otherwise the answer of a read from something that is no table; it is in no place of a
** table.)
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


/* Open addressing, never more than half full. A set that has become too small is replaced, and stays readable. */
typedef struct SharedSet {
  unsigned int mask;  /* number of slots - 1 */
  unsigned int used;  /* for the writer */
  _Atomic(TString *) slot[];
} SharedSet;


/* What is being shared: an arena with all of it, and its strings, each once. Used by one thread, without any lock. */
typedef struct Sharer {
  SharedArena arena;
  SharedArena scratch;  /* the sets are in here */
  SharedSet *longs, *shorts;
} Sharer;

typedef struct SharedSpan {
  const char *from, *to;
} SharedSpan;

LUAI_FUNC size_t luaS_spans (const SharedArena *a, SharedSpan *spans, size_t n);
LUAI_FUNC void luaS_begin (Sharer *to);
LUAI_FUNC void luaS_end (Sharer *to, int keep);
LUAI_FUNC void *luaS_take (Sharer *to, size_t size);
LUAI_FUNC void *luaS_takeforever (size_t size);
LUAI_FUNC void luaS_freearena (SharedArena *a);
LUAI_FUNC TString *luaS_shareshort (TString *from);
LUAI_FUNC TString *luaS_share (Sharer *to, TString *from);
LUAI_FUNC TString *luaS_shareforeign (Sharer *to, TString *from);
LUAI_FUNC Proto *luaS_shareproto (lua_State *L, Sharer *to, const Proto *f);
LUAI_FUNC Proto *luaS_localproto (lua_State *L, Proto *f);
LUAI_FUNC TString *luaS_findown (lua_State *L, const TString *shared);
LUAI_FUNC int luaS_sameseed (lua_State *L);
LUAI_FUNC size_t luaS_adoptedsize (const TString *ts);


/* The shared short strings, by the lower bits of their hashes. NULL: none yet. */
#define LOGSHARDS	5
#define NSHARDS	(1 << LOGSHARDS)
extern _Atomic(SharedSet *) luaS_shared[NSHARDS];


/* The shared instance of a short string, or NULL. */
static inline TString *luaS_findshared (const char *str, size_t l, unsigned int h) {
  SharedSet *s = atomic_load_explicit(&luaS_shared[h & (NSHARDS - 1)], memory_order_acquire);
  if (s != NULL) {
    unsigned int i = h >> LOGSHARDS;
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
