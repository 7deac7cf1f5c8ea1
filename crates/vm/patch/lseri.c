/*
** What packing and unpacking of messages do that the C API of Lua has no function for. Their own code is in Rust
** (src/seri), and knows the layout of values, tables and stacks (src/layout.rs).
**
** A table of a message is made in one go. Its elements and pairs are on the stack, so their number is known, and the
** parts of the table get their final size. No key is looked up in a table that is still growing: first, every key whose
** main position is free goes there; then the others go to the free nodes that are left, behind the one in their main
** position. That is in its own main position, as all are after the first pass, so nothing ever has to be moved.
**
** All of this works with Lua as it is published, too.
*/

#define lseri_c
#define LUA_CORE

#include "lprefix.h"

#include <limits.h>
#include <string.h>

#include "lua.h"

#include "lapi.h"
#include "ldo.h"
#include "lgc.h"
#include "lmem.h"
#include "lobject.h"
#include "lstate.h"
#include "lstring.h"
#include "ltable.h"
#include "lvm.h"
#ifdef SKYNET_SHARED_CODE
#include "lshared.h"
#endif

/* From this size on (its logarithm), ltable.c keeps something else with the nodes. */
#ifdef SKYNET_SHARED_CODE
#define LIMFORLAST	5
#else
#define LIMFORLAST	3
#endif


/* The border that '#' gives, without metamethods. */
LUA_API lua_Unsigned lua_tableborder (lua_State *L, Table *t) {
#ifdef SKYNET_SHARED_CODE
  if (isshared(t)) return sharedlen(t);
#endif
  return luaH_getn(L, t);
}


/* t[n], where 'n' is not in the array. */
LUA_API void lua_tableelement (Table *t, lua_Integer n, TValue *res) {
  if (tagisempty(luaH_getint(t, n, res))) setnilvalue(res);
}


/*
** Pushes a string that is probably known already: as a key of a message of the same kind, and as a constant of the code
** that looks at it. Runs no collection; 'lua_maketable' and the end of the message see to that. Raises.
*/
LUA_API void lua_pushknown (lua_State *L, const char *s, size_t l) {
  TString *ts = NULL;
  if (l <= LUAI_MAXSHORTLEN) {
    global_State *g = G(L);
    unsigned int h = g->seed ^ cast_uint(l);
    size_t i;
    for (i = l; i > 0; i--)  /* as luaS_hash does it */
      h ^= ((h<<5) + (h>>2) + cast_byte(s[i - 1]));
    for (ts = g->strt.hash[lmod(h, g->strt.size)]; ts != NULL; ts = ts->u.hnext) {
      if (ts->hash == h && cast_sizet(ts->shrlen) == l && memcmp(s, getshrstr(ts), l) == 0) {
        if (isdead(g, ts)) changewhite(ts);  /* resurrect it */
        break;
      }
    }
#ifdef SKYNET_SHARED_CODE
    if (ts == NULL) ts = luaS_findshared(s, l, h);
#endif
  }
  if (ts == NULL) ts = luaS_newlstr(L, s, l);
  setsvalue2s(L, L->top.p, ts);
  L->top.p++;
}


/* The collector's turn, after values have been pushed by functions that leave it out. May raise, as finalizers may. */
LUA_API void lua_collectsome (lua_State *L) {
  luaC_checkGC(L);
}


/* Free nodes for 'n' keys. The table has none yet. */
static void makenodes (lua_State *L, Table *t, unsigned int n) {
  int log = luaO_ceillog2(n);
  if (log >= LIMFORLAST)
    luaH_resize(L, t, t->asize, n);
  else {
    unsigned int i, size = 1u << log;
    t->node = luaM_newvector(L, size, Node);
    t->lsizenode = cast_byte(log);
    setnodummy(t);
    for (i = 0; i < size; i++) {
      Node *node = gnode(t, i);
      gnext(node) = 0;
      setnilkey(node);
      setempty(gval(node));
    }
  }
}


/* The array of a table that has none yet, with 'n' elements. */
static void makearray (lua_State *L, Table *t, const TValue *v, unsigned int n) {
  unsigned int i;
  char *block = luaM_newblock(L, n * (sizeof(Value) + 1) + sizeof(unsigned int));
  t->array = cast(Value *, block) + n;
  t->asize = n;
  *lenhint(t) = n / 2u;
  for (i = 0; i < n; i++)
    obj2arr(t, i, v + i);
}


/* The node where a key belongs first, by the rules of ltable.c, to which other types than these are left: NULL. */
static Node *mainposition (const Table *t, const TValue *key) {
  unsigned int size = sizenode(t);
  if (ttisshrstring(key))
    return gnode(t, lmod(tsvalue(key)->hash, size));
  else if (ttisinteger(key)) {
    lua_Unsigned u = l_castS2U(ivalue(key));
    unsigned int m = (size - 1u) | 1u;
    return gnode(t, u <= cast_uint(INT_MAX) ? cast_uint(u) % m : u % m);
  }
  else
    return NULL;
}


static int haskey (const Node *n, const TValue *key) {
  return rawtt(key) == keytt(n) &&
    (ttisinteger(key) ? ivalue(key) == keyival(n) : gcvalue(key) == gcvalueraw(keyval(n)));
}


/*
** Puts a key with an occupied main position into a free node before '*free'. Returns 0 if that is luaH_set's business.
*/
static int putbehind (Table *t, const TValue *p, Node **free) {
  Node *mp = mainposition(t, p);
  Node *n = mp;
  if (mp == NULL) return 0;
  for (;;) {
    if (haskey(n, p)) {
      setobj2t(cast(lua_State *, NULL), gval(n), p + 1);
      return 1;
    }
    if (gnext(n) == 0) break;
    n += gnext(n);
  }
  if (ttisnil(p + 1)) return 1;
  do {
    if (*free == t->node) return 0;
    n = --*free;
  } while (!keyisnil(n));
  setnodekey(n, p);
  setobj2t(cast(lua_State *, NULL), gval(n), p + 1);
  gnext(n) = (gnext(mp) == 0) ? 0 : cast_int(mp + gnext(mp) - n);
  gnext(mp) = cast_int(n - mp);
  return 1;
}


/*
** Assigns pairs, in their order, to a table whose nodes are all free and, but for surprises, sufficient. Spoils the
** pairs.
*/
static void putpairs (lua_State *L, Table *t, TValue *p, unsigned int n) {
  Node *nodes = t->node;
  Node *free = gnode(t, sizenode(t));
  TValue *q, *end = p + 2 * n;
  TValue *later = p;  /* end of those for the second pass */
  for (q = p; q < end; q += 2) {
    Node *mp;
    lua_Integer i;
    if (ttisfloat(q) && luaV_flttointeger(fltvalue(q), &i, F2Ieq))
      setivalue(q, i);
    if (ttisinteger(q) && l_castS2U(ivalue(q)) - 1u < t->asize) {
      obj2arr(t, cast_uint(ivalue(q)) - 1, q + 1);
      continue;
    }
    mp = mainposition(t, q);
    if (mp != NULL && keyisnil(mp)) {
      if (ttisnil(q + 1)) continue;
      setnodekey(mp, q);
      setobj2t(L, gval(mp), q + 1);
    }
    else {
      setobj(L, later, q);
      setobj(L, later + 1, q + 1);
      later += 2;
    }
  }
  for (; p < later; p += 2) {
    if (t->node != nodes || !putbehind(t, p, &free))
      luaH_set(L, t, p, p + 1);  /* may rearrange the nodes */
  }
}


/* Ends the making or filling of a table, which may have become black while memory was short. */
static void finish (lua_State *L, Table *t, TValue *slot) {
  invalidateTMcache(t);
  if (isblack(t)) luaC_barrierback_(L, obj2gco(t));
  L->top.p = cast(StkId, slot + 1);
  luaC_checkGC(L);
}


/*
** Makes a table of the top 'na' elements and 'np' pairs, which lie above a slot for the table, and leaves it at the
** top. It gets room for 'nodes' pairs. Raises.
*/
LUA_API void lua_maketable (lua_State *L, unsigned int na, unsigned int np, unsigned int nodes) {
  TValue *slot = s2v(L->top.p) - (na + 2 * np + 1);
  Table *t = luaH_new(L);
  sethvalue(L, slot, t);
  if (na > 0) makearray(L, t, slot + 1, na);
  if (nodes > 0) makenodes(L, t, nodes);
  if (np > 0) putpairs(L, t, slot + 1 + na, np);
  finish(L, t, slot);
}


/*
** Adds the top 'na' elements, which come behind the first 'first' ones, and 'np' pairs to the table below them, and
** pops them. If the table has no pairs yet, it gets room for 'nodes'. Raises.
*/
LUA_API void lua_filltable (lua_State *L, unsigned int first, unsigned int na, unsigned int np, unsigned int nodes) {
  TValue *slot = s2v(L->top.p) - (na + 2 * np + 1);
  Table *t = hvalue(slot);
  TValue *v = slot + 1;
  for (; na > 0; na--, v++) {
    if (first < t->asize) obj2arr(t, first, v);
    else luaH_setint(L, t, cast(lua_Integer, first) + 1, v);
    first++;
  }
  if (isdummy(t) && nodes > 0) {
    makenodes(L, t, nodes);
    putpairs(L, t, v, np);
  }
  else {
    for (; np > 0; np--, v += 2)
      luaH_set(L, t, v, v + 1);
  }
  finish(L, t, slot);
}


#ifdef SKYNET_SHARED_CODE

/* The block of a message that has become a string. (src/vm/seri/adopt.rs) */
typedef struct Adopted {
  global_State *g;
  size_t size;
  void (*release) (struct Adopted *a);
} Adopted;


static void *freeadopted (void *ud, void *block, size_t osize, size_t nsize) {
  Adopted *a = cast(Adopted *, ud);
  UNUSED(block); UNUSED(osize); UNUSED(nsize);
  a->g->GCdebt += cast(l_mem, a->size);
  a->release(a);
  return NULL;
}


/* How many bytes a string has outside that the collector has to reckon with. */
size_t luaS_adoptedsize (const TString *ts) {
  return (ts->shrlen == LSTRMEM && ts->falloc == freeadopted) ? ts->u.lnglen + 1 : 0;
}


/*
** Pushes a string whose bytes, and a place for the zero behind, are in a block. Raises, and releases the block then.
*/
LUA_API void lua_pushadopted (lua_State *L, const char *s, size_t len, Adopted *a) {
  TString *ts;
  a->g = G(L);
  G(L)->GCdebt -= cast(l_mem, a->size);
  ts = luaS_newextlstr(L, s, len, freeadopted, a);
  setsvalue2s(L, L->top.p, ts);
  L->top.p++;
  luaC_checkGC(L);
}

#endif
