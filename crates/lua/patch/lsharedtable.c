/*
** Tables that several states read.
**
** A version is a graph of tables, copied out of the state that made it into memory of its own, which its owner frees when no state
** refers to it any more. Tables, functions and long strings live in there; short strings are those of the shared set (lshared.c).
** Nothing is written to after that: the length is that of the array, all missing metamethods are noted in 'flags', the hashes of
** long strings are known.
**
** A shared table has the type tag of a table with a variant of its own. The fast paths of the VM test for the ordinary
** variant, so that a read ends up in luaV_finishget, which does it; an assignment finds no table and no metamethod, and is
** an error. Functions of the API that write look at the mark of the table.
**
** Identity of strings. A state that has own instances of strings of the version must not see two instances. Other than for code,
** copies are out of the question; so the state gives its own instances up: they are taken out of its string table, and every
** reference to one, anywhere in the state, is exchanged for the shared instance. The same walk over the state exchanges an old
** version for a new one. It happens in a function that C code calls with no other C function on the stack that could know an address.
*/

#define lsharedtable_c
#define LUA_CORE

#include "lprefix.h"

#include <stdlib.h>
#include <string.h>

#include "lua.h"

#include "lapi.h"
#include "ldo.h"
#include "lfunc.h"
#include "lgc.h"
#include "lmem.h"
#include "lobject.h"
#include "lshared.h"
#include "lstate.h"
#include "lstring.h"
#include "ltable.h"
#include "ltm.h"


/*
** {======================================================
** A map of addresses, in order of insertion
** =======================================================
*/

typedef struct Pair {
  GCObject *from;
  GCObject *to;
} Pair;

typedef struct Map {
  Pair *pair;
  unsigned int *slot;  /* index + 1 into 'pair', or 0 */
  unsigned int n, mask;  /* at most half of the slots are used */
} Map;


static unsigned int place (const Map *m, const GCObject *o) {
  size_t a = (size_t)o;
  unsigned int i = cast_uint((a >> 4) * 0x9E3779B1u);
  while (m->slot[i & m->mask] != 0 && m->pair[m->slot[i & m->mask] - 1].from != o)
    i++;
  return i & m->mask;
}


static Pair *find (const Map *m, const GCObject *o) {
  unsigned int i;
  if (m->n == 0) return NULL;
  i = m->slot[place(m, o)];
  return i == 0 ? NULL : &m->pair[i - 1];
}


/* Adds a pair; 'from' is not in the map. 0 if there is no memory. */
static int add (Map *m, GCObject *from, GCObject *to) {
  if (m->slot == NULL || 2 * (m->n + 1) > m->mask) {
    Map b;
    unsigned int i;
    unsigned int size = m->slot == NULL ? 64 : 2 * (m->mask + 1);
    b.mask = size - 1;
    b.n = 0;
    b.slot = cast(unsigned int *, calloc(size, sizeof(unsigned int)));
    if (b.slot == NULL) return 0;
    b.pair = cast(Pair *, realloc(m->pair, size / 2 * sizeof(Pair)));
    if (b.pair == NULL) { free(b.slot); return 0; }
    for (i = 0; i < m->n; i++)
      b.slot[place(&b, b.pair[i].from)] = i + 1;
    free(m->slot);
    b.n = m->n;
    *m = b;
  }
  m->pair[m->n].from = from;
  m->pair[m->n].to = to;
  m->slot[place(m, from)] = ++m->n;
  return 1;
}


static void clearmap (Map *m) {
  free(m->pair);
  free(m->slot);
}

/* }====================================================== */


/*
** {======================================================
** Making a version
** =======================================================
*/

typedef struct lua_SharedTable {
  SharedArena arena;  /* has all of it, this included */
  Table *root;
  unsigned int nstrings;
  TString **strings;  /* all short strings, by address */
} lua_SharedTable;

typedef struct Builder {
  SharedArena arena;
  Map map;  /* tables and functions of the state to their copies; doubles as the list of what is to be done */
  TString **strings;
  size_t nstrings, room;
  const char *error;  /* a format with at most one type name */
  const char *type;
  Table *root;
} Builder;

static const char nomemory[] = "not enough memory";


static int fail (Builder *b, const char *error, const char *type) {
  b->error = error;
  b->type = type;
  return 0;
}


static int notestrings (Builder *b, TString *ts, const Proto *f) {
  size_t n = f != NULL ? luaS_constants(f, NULL, 0) : 1;
  if (b->nstrings + n > b->room) {
    size_t room = 2 * (b->nstrings + n) + 64;
    TString **new = cast(TString **, realloc(b->strings, room * sizeof(TString *)));
    if (new == NULL) return fail(b, nomemory, NULL);
    b->strings = new;
    b->room = room;
  }
  if (f != NULL)
    luaS_constants(f, b->strings, b->nstrings);
  else
    b->strings[b->nstrings] = ts;
  b->nstrings += n;
  return 1;
}


/* The copy of a function without upvalues. */
static GCObject *copyfunction (lua_State *L, Builder *b, LClosure *from) {
  LClosure *cl = cast(LClosure *, luaS_take(sizeof(LClosure)));
  if (cl == NULL) return NULL;
  memset(cl, 0, sizeof(LClosure));
  cl->tt = LUA_VLCL;
  cl->marked = SHAREDMARK;
  cl->p = luaS_shareproto(L, from->p);
  if (cl->p == NULL || !notestrings(b, NULL, cl->p)) return NULL;
  return obj2gco(cl);
}


/* The copy of a table, empty for now. */
static GCObject *copytable (Table *from) {
  Table *t = cast(Table *, luaS_take(sizeof(Table)));
  if (t == NULL) return NULL;
  memset(t, 0, sizeof(Table));
  t->tt = LUA_VSHRTAB;
  t->marked = SHAREDMARK;
  t->flags = BITDUMMY;
  UNUSED(from);
  return obj2gco(t);
}


/* Turns '*o' into its shared counterpart. */
static int sharevalue (lua_State *L, Builder *b, TValue *o) {
  switch (ttypetag(o)) {
    case LUA_VSHRSTR: case LUA_VLNGSTR: {
      TString *ts = luaS_share(tsvalue(o));
      if (ts == NULL) return fail(b, nomemory, NULL);
      setsvalue(L, o, ts);
      return !strisshr(ts) || notestrings(b, ts, NULL);
    }
    case LUA_VTABLE: case LUA_VSHRTAB: case LUA_VLCL: {
      GCObject *from = gcvalue(o);
      Pair *known = find(&b->map, from);
      GCObject *to;
      if (known != NULL)
        to = known->to;
      else {
        if (ttisLclosure(o)) {
          if (clLvalue(o)->nupvalues > 0) return fail(b, "Invalid function with upvalue", NULL);
          to = copyfunction(L, b, clLvalue(o));
        }
        else {
          if (hvalue(o)->metatable != NULL) return fail(b, "Can't share metatable", NULL);
          to = copytable(hvalue(o));
        }
        if (to == NULL || !add(&b->map, from, to)) return fail(b, nomemory, NULL);
      }
      val_(o).gc = to;
      settt_(o, ctb(to->tt));
      return 1;
    }
    case LUA_VCCL:
      return fail(b, "Invalid function with upvalue", NULL);
    case LUA_VUSERDATA: case LUA_VTHREAD:
      return fail(b, "Invalid type [%s]", ttypename(ttype(o)));
    default:
      return 1;  /* no object */
  }
}


/* Fills the copy 't' of 'from'. Its hash is made as an ordinary table first, at the top of the stack. */
static int filltable (lua_State *L, Builder *b, Table *from, Table *t) {
  unsigned int n = isshared(from) ? sharedlen(from) : 0;
  unsigned int i, count = 0;
  Table *h;
  if (!isshared(from)) {
    lua_Unsigned len = luaH_getn(L, from);
    n = len > INT_MAX / 16 ? 0 : cast_uint(len);
  }
  if (!isshared(from)) luaS_makeall(L, from);
  for (i = 0; i < sizenode(from); i++) {
    if (!isempty(gval(gnode(from, i)))) count++;
  }
  count += from->asize;  /* an upper limit for now */
  h = luaH_new(L);
  sethvalue2s(L, L->top.p - 1, h);
  if (n > 0) {
    char *block = cast_charp(luaS_take(n * (sizeof(Value) + 1) + sizeof(unsigned)));
    if (block == NULL) return fail(b, nomemory, NULL);
    t->array = cast(Value *, block) + n;
    *lenhint(t) = n;
    for (i = 0; i < n; i++) {
      TValue v;
      luaH_getint(from, cast(lua_Integer, i) + 1, &v);
      if (!sharevalue(L, b, &v)) return 0;
      obj2arr(t, i, &v);
    }
    t->asize = n;
  }
  /* what is not in the array, counted exactly */
  {
    unsigned int rest = 0, pass;
    for (pass = 0; pass < 2; pass++) {
      for (i = 0; i < from->asize + sizenode(from); i++) {
        TValue k, v;
        if (i < from->asize) {
          if (i < n || tagisempty(*getArrTag(from, i))) continue;
          setivalue(&k, cast(lua_Integer, i) + 1);
          arr2obj(from, i, &v);
        }
        else {
          Node *node = gnode(from, i - from->asize);
          if (isempty(gval(node))) continue;
          getnodekey(L, &k, node);
          v = *gval(node);
          if (ttisinteger(&k) && l_castS2U(ivalue(&k)) - 1u < n) continue;
        }
        if (pass == 0)
          rest++;
        else {
          if (!sharevalue(L, b, &k) || !sharevalue(L, b, &v)) return 0;
          luaH_set(L, h, &k, &v);
        }
      }
      if (pass == 0 && rest > 0) luaH_resize(L, h, 0, rest);
    }
  }
  if (isdummy(h))
    t->node = h->node;
  else {
    t->node = cast(Node *, luaS_take(sizenode(h) * sizeof(Node)));
    if (t->node == NULL) return fail(b, nomemory, NULL);
    memcpy(t->node, h->node, sizenode(h) * sizeof(Node));
  }
  t->lsizenode = h->lsizenode;
  t->flags = cast_byte(h->flags & BITDUMMY);
  for (i = 0; i <= TM_EQ; i++) {
    if (ttisnil(luaH_Hgetshortstr(h, G(L)->tmname[i])))
      t->flags |= cast_byte(1u << i);
  }
  return 1;
}


static void f_build (lua_State *L, void *ud) {
  Builder *b = cast(Builder *, ud);
  TValue root;
  unsigned int i;
  setobj(L, &root, s2v(L->top.p - 1));
  luaD_checkstack(L, 2);
  setnilvalue(s2v(L->top.p));
  L->top.p++;
  if (!sharevalue(L, b, &root)) return;
  b->root = cast(Table *, gcvalue(&root));
  for (i = 0; i < b->map.n; i++) {
    Pair p = b->map.pair[i];
    if (p.to->tt == LUA_VSHRTAB && !filltable(L, b, cast(Table *, p.from), cast(Table *, p.to)))
      return;
  }
}


/*
** Shares a copy of the table at the top of the stack. Returns NULL if that is impossible; '*error' is why, and may contain "%s" for
** '*type'. Raises nothing. One thread at a time.
*/
LUA_API lua_SharedTable *lua_sharetable (lua_State *L, const char **error, const char **type) {
  Builder b;
  lua_SharedTable *s = NULL;
  ptrdiff_t top = savestack(L, L->top.p);
  lu_byte emergency = G(L)->gcstopem;
  memset(&b, 0, sizeof(b));
  if (!luaS_sameseed(L)) b.error = "this state shares nothing";
  else {
    luaS_usearena(&b.arena);
    G(L)->gcstopem = 1;  /* objects in the map must not be replaced by new ones */
    if (luaD_rawrunprotected(L, f_build, &b) != LUA_OK) b.error = nomemory;
    G(L)->gcstopem = emergency;
    L->top.p = restorestack(L, top);
    if (b.error == NULL) {
      size_t i;
      qsort(b.strings, b.nstrings, sizeof(TString *), luaS_byaddress);
      s = cast(lua_SharedTable *, luaS_take(sizeof(lua_SharedTable)));
      if (s != NULL && (s->strings = cast(TString **, luaS_take((b.nstrings + 1) * sizeof(TString *)))) != NULL) {
        s->root = b.root;
        s->nstrings = 0;
        for (i = 0; i < b.nstrings; i++) {
          if (i == 0 || b.strings[i] != b.strings[i - 1])
            s->strings[s->nstrings++] = b.strings[i];
        }
        s->arena = b.arena;
      }
      else {
        s = NULL;
        b.error = nomemory;
      }
    }
    luaS_usearena(NULL);
  }
  clearmap(&b.map);
  free(b.strings);
  if (s == NULL) {
    luaS_freearena(&b.arena);
    *error = b.error;
    *type = b.type ? b.type : "";
  }
  return s;
}


LUA_API void lua_freesharedtable (lua_SharedTable *s) {
  SharedArena a = s->arena;
  luaS_freearena(&a);
}


/* Bytes. */
LUA_API size_t lua_sharedtablesize (const lua_SharedTable *s) {
  return s->arena.size;
}

/* }====================================================== */


/*
** {======================================================
** Exchanging references
** =======================================================
*/

/* An entry whose key was exchanged. */
typedef struct Moved {
  Table *t;
  TValue key, value;
} Moved;

typedef struct Walk {
  const Map *map;  /* tables to tables or NULL */
  Moved *moved;
  size_t n, room;
  int lost;  /* something was lost for want of memory */
} Walk;


/* Returns true if it has changed '*o'. */
static int exchange (Walk *w, TValue *o) {
  if (ttisshrstring(o)) {
    TString *ts = tsvalue(o);
    if (!isforwarded(ts)) return 0;
    setsvalue(cast(lua_State *, NULL), o, ts->u.hnext);
    return 1;
  }
  else if (ttissharedtable(o)) {
    Pair *p = find(w->map, gcvalue(o));
    if (p == NULL) return 0;
    if (p->to != NULL)
      setsharedtable(o, cast(Table *, p->to))
    else
      setnilvalue(o);
    return 1;
  }
  return 0;
}


static void exchangemeta (Walk *w, Table **mt) {
  if (*mt != NULL && isshared(*mt)) {
    Pair *p = find(w->map, obj2gco(*mt));
    if (p != NULL) *mt = cast(Table *, p->to);
  }
}


static void walktable (Walk *w, Table *t) {
  unsigned int i;
  exchangemeta(w, &t->metatable);
  for (i = 0; i < t->asize; i++) {
    TValue v;
    if (tagisempty(*getArrTag(t, i))) continue;
    arr2obj(t, i, &v);
    if (exchange(w, &v)) obj2arr(t, i, &v);
  }
  if (isdummy(t) || hassharednodes(t)) return;
  for (i = 0; i < sizenode(t); i++) {
    Node *n = gnode(t, i);
    TValue k;
    if (isfree(gval(n))) continue;
    if (exchange(w, gval(n)) && isempty(gval(n))) {
      if (keyiscollectable(n)) setdeadkey(n);
      continue;
    }
    if (!keyiscollectable(n)) continue;
    k.value_ = keyval(n);
    k.tt_ = keytt(n);
    if (!exchange(w, &k)) continue;
    if (ttisshrstring(&k)) {
      setnodekey(n, &k);  /* the same hash */
      continue;
    }
    if (!ttisnil(&k)) {  /* another address is another place; done after the walk */
      if (w->n == w->room) {
        size_t room = 2 * w->room + 16;
        Moved *new = cast(Moved *, realloc(w->moved, room * sizeof(Moved)));
        if (new == NULL) w->lost = 1;
        else {
          w->moved = new;
          w->room = room;
        }
      }
      if (w->n < w->room) {
        w->moved[w->n].t = t;
        w->moved[w->n].key = k;
        w->moved[w->n].value = *gval(n);
        w->n++;
      }
    }
    setempty(gval(n));
    setdeadkey(n);
  }
}


static void walkobject (Walk *w, GCObject *o) {
  int i;
  switch (o->tt) {
    case LUA_VTABLE:
      walktable(w, gco2t(o));
      break;
    case LUA_VPROTO: {
      Proto *p = gco2p(o);
      for (i = 0; i < p->sizek; i++) exchange(w, &p->k[i]);
      break;
    }
    case LUA_VUPVAL: {
      UpVal *uv = gco2upv(o);
      if (!upisopen(uv)) exchange(w, uv->v.p);
      break;
    }
    case LUA_VCCL: {
      CClosure *cl = gco2ccl(o);
      for (i = 0; i < cl->nupvalues; i++) exchange(w, &cl->upvalue[i]);
      break;
    }
    case LUA_VUSERDATA: {
      Udata *u = gco2u(o);
      exchangemeta(w, &u->metatable);
      for (i = 0; i < u->nuvalue; i++) exchange(w, &u->uv[i].uv);
      break;
    }
    case LUA_VTHREAD: {
      lua_State *th = gco2th(o);
      StkId s;
      if (th->stack.p == NULL) break;
      for (s = th->stack.p; s < th->top.p; s++) exchange(w, s2v(s));
      break;
    }
    default: break;
  }
}


/* Exchanges all references of the state. No collection runs meanwhile. */
static void walkstate (lua_State *L, Walk *w) {
  global_State *g = G(L);
  GCObject *lists[3];
  GCObject *o;
  int i, j;
  lists[0] = g->allgc;
  lists[1] = g->finobj;
  lists[2] = g->tobefnz;
  for (i = 0; i < 3; i++) {
    for (o = lists[i]; o != NULL; o = o->next) walkobject(w, o);
  }
  for (i = 0; i < LUA_NUMTYPES; i++) exchangemeta(w, &g->mt[i]);
  for (i = 0; i < STRCACHE_N; i++) {
    for (j = 0; j < STRCACHE_M; j++) {
      TString *ts = g->strcache[i][j];
      if (strisshr(ts) && isforwarded(ts)) g->strcache[i][j] = ts->u.hnext;
    }
  }
}


static void f_putmoved (lua_State *L, void *ud) {
  Walk *w = cast(Walk *, ud);
  size_t i;
  for (i = 0; i < w->n; i++) {
    Moved *m = &w->moved[i];
    luaH_set(L, m->t, &m->key, &m->value);
    invalidateTMcache(m->t);
    luaC_barrierback(L, obj2gco(m->t), &m->value);
  }
}


/* Gives up the state's own instances of all strings that are shared. */
static int unify (lua_State *L) {
  stringtable *tb = &G(L)->strt;
  Map none;
  Walk w;
  int i, forwarded = 0;
  for (i = 0; i < tb->size; i++) {
    TString **p = &tb->hash[i];
    while (*p != NULL) {
      TString *ts = *p;
      TString *shared = luaS_findshared(getshrstr(ts), cast_sizet(ts->shrlen), ts->hash);
      if (shared == NULL)
        p = &ts->u.hnext;
      else {
        *p = ts->u.hnext;
        tb->nuse--;
        ts->u.hnext = shared;
        ts->extra = FORWARDED;
        forwarded = 1;
      }
    }
  }
  if (!forwarded) return 0;
  memset(&none, 0, sizeof(none));
  memset(&w, 0, sizeof(w));
  w.map = &none;
  walkstate(L, &w);
  return 1;
}


/*
** Pushes the root of a version, which has to outlive the state. Returns 0 if the state's strings have other hashes, 2 if strings have
** got other addresses, else 1. No C function that keeps an address of a string may be active in any coroutine of the state.
*/
LUA_API int lua_opensharedtable (lua_State *L, const lua_SharedTable *s) {
  int result = 1;
  if (!luaS_sameseed(L)) return 0;
  if (luaS_hasown(L, s->strings, s->nstrings) && unify(L)) result = 2;
  setsharedtable(s2v(L->top.p), s->root);
  api_incr_top(L);
  return result;
}


/* Maps the tables of one version to those of another, along their keys. */
static int match (Map *m, Table *from, Table *to) {
  unsigned int i, done;
  if (!add(m, obj2gco(from), obj2gco(to))) return 0;
  for (done = 0; done < m->n; done++) {
    Table *a = cast(Table *, m->pair[done].from);
    Table *b = cast(Table *, m->pair[done].to);
    for (i = 0; i < a->asize + sizenode(a); i++) {
      TValue k, v, x;
      if (i < a->asize) {
        setivalue(&k, cast(lua_Integer, i) + 1);
        arr2obj(a, i, &v);
      }
      else {
        Node *n = gnode(a, i - a->asize);
        if (isempty(gval(n))) continue;
        k.value_ = keyval(n);
        k.tt_ = keytt(n);
        v = *gval(n);
      }
      if (!ttissharedtable(&v) || find(m, gcvalue(&v)) != NULL) continue;
      if (b == NULL || tagisempty(luaH_get(b, &k, &x)) || !ttissharedtable(&x))
        setnilvalue(&x);
      if (!add(m, gcvalue(&v), ttisnil(&x) ? NULL : gcvalue(&x))) return 0;
    }
  }
  return 1;
}


/*
** What becomes of the tables of one version in another; the same for all states, so it is made once. NULL if there is no memory. It is for
** as long as both versions live.
*/
LUA_API void *lua_matchsharedtables (const lua_SharedTable *from, const lua_SharedTable *to) {
  Map *m = cast(Map *, calloc(1, sizeof(Map)));
  if (m != NULL && !match(m, from->root, to->root)) {
    clearmap(m);
    free(m);
    return NULL;
  }
  return m;
}


LUA_API void lua_freesharedmatch (void *map) {
  clearmap(cast(Map *, map));
  free(map);
}


/*
** Exchanges all references to tables of one version for those of another, which have been matched. Returns 0 if memory ran out, in
** which case some entries with such tables as keys may have been lost.
*/
LUA_API int lua_exchangesharedtable (lua_State *L, const void *map) {
  Walk w;
  lu_byte emergency = G(L)->gcstopem;
  int ok;
  memset(&w, 0, sizeof(w));
  w.map = cast(const Map *, map);
  G(L)->gcstopem = 1;
  walkstate(L, &w);
  ok = !w.lost && luaD_rawrunprotected(L, f_putmoved, &w) == LUA_OK;
  G(L)->gcstopem = emergency;
  free(w.moved);
  return ok;
}

/* }====================================================== */
