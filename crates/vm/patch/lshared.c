/*
** Sharing of code and strings between states.
**
** What is shared. The prototypes of a file, with everything they refer to (instructions, constants, debug information),
** are copied out of the state that compiled them into memory that no state owns, once; any state then runs them,
** through closures of its own. They are never written to, and live until the cache of files and all states that have
** loaded them have let go of them; short strings, which may be anywhere, live for ever. Their mark says "black and old"
** to every collector, so the barriers, the marking and the sweeping of Lua need no changes: nothing white is found, and
** shared objects are in nobody's list of objects.
**
** Short strings. Lua compares them by address, so within one state there may be one instance of each. The short strings
** of shared code, and those that every state has (reserved words, metamethods, libraries), are in a process-wide set
** that only grows and that is read without locks. (Those of shared tables are not: see lsharedtable.c.) Creating a
** short string looks (1) into the state's own string table, (2) into the shared set, (3) makes an own one. So a state
** that already had an own instance when the shared one appeared keeps its own.
**
** That leaves one case: a state holds own instances of some strings, and now loads shared code with other instances of
** them as constants. Such functions, and those that enclose them, get private prototypes in this state, whose constants
** are the state's own instances; instructions and line information stay shared, and so do all other functions of the
** file. The case is rare: a string is its own only if it was made at run time before any file had it as a constant. It
** is found by looking up the state's own strings in the shared set (or the file's strings in the state's table, if
** these are fewer), so loading costs about a microsecond. The rule that makes this sound: a state that holds an own
** instance of a string never refers to the shared one. It holds at each of the steps: an own instance is found first; a
** shared one is only handed out, and shared code only loaded, if there is no own one.
**
** Tables of libraries. Every state has some tables of functions written in C that are rarely changed. Their hash nodes
** exist once; the table of a state refers to them until it is written to, and then gets a copy. All writes to nodes
** come through few functions of ltable.c, which look at a bit of the table that they read anyway.
**
** Long strings are compared by content; any instance will do. Their hashes, which Lua computes when they are first used
** as a key, are computed before they are shared.
**
** All states use one seed for hashes (the first one's), which is random. A state with another seed finds nothing in the
** set, and gets private prototypes.
**
** Publishing. What is shared is made by one thread, in memory that nobody else knows yet, and published by whoever
** hands it to other threads. Only the set of short strings is common: it is in parts, by the hashes, so that none is
** large when it has to grow, and who adds a string holds a lock for that long, which is a microsecond, or some hundred
** where a part grows.
*/

#define lshared_c
#define LUA_CORE

#include "lprefix.h"

#include <pthread.h>
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


_Atomic(SharedSet *) luaS_shared[NSHARDS];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;  /* of all that follows, for writing */
static unsigned int sharedseed;
static atomic_int seeded;  /* the seed is set */


/*
** {======================================================
** Memory: pieces of large chunks
** =======================================================
*/

/* A new chunk is as large as all before together, within these limits. */
#define MINCHUNK	(2 * 1024)
#define MAXCHUNK	(64 * 1024)

typedef struct Chunk {
  struct Chunk *previous;  /* also keeps all chunks reachable, for leak checkers */
  size_t size;
} Chunk;

static SharedArena forever;  /* nothing of it is given back; under the lock */


/* NULL if there is no memory. */
static void *takefrom (SharedArena *a, size_t size) {
  char *p;
  size = (size + 15) & ~(size_t)15;
  if (size > a->left) {
    size_t chunk = a->size < MINCHUNK ? MINCHUNK : a->size > MAXCHUNK ? MAXCHUNK : a->size;
    int alone = size > chunk / 4;
    size_t want = alone ? size : chunk - sizeof(Chunk) - 16;
    Chunk *c = cast(Chunk *, malloc(sizeof(Chunk) + 16 + want));
    if (c == NULL) return NULL;
    c->previous = cast(Chunk *, a->chunks);
    c->size = sizeof(Chunk) + 16 + want;
    a->chunks = c;
    p = cast_charp(((size_t)(c + 1) + 15) & ~(size_t)15);
    if (!alone) {
      a->next = p + size;
      a->left = want - size;
    }
  }
  else {
    p = a->next;
    a->next += size;
    a->left -= size;
  }
  a->size += size;
  return p;
}


void *luaS_take (Sharer *to, size_t size) {
  return takefrom(&to->arena, size);
}


/* Memory that is never given back. */
void *luaS_takeforever (size_t size) {
  void *p;
  pthread_mutex_lock(&lock);
  p = takefrom(&forever, size);
  pthread_mutex_unlock(&lock);
  return p;
}


void luaS_freearena (SharedArena *a) {
  Chunk *c = cast(Chunk *, a->chunks);
  while (c != NULL) {
    Chunk *previous = c->previous;
    free(c);
    c = previous;
  }
}


/* The places of all that is in an arena, up to 'n' of them, in no order; how many there are. */
size_t luaS_spans (const SharedArena *a, SharedSpan *spans, size_t n) {
  const Chunk *c;
  size_t i = 0;
  for (c = cast(Chunk *, a->chunks); c != NULL; c = c->previous, i++) {
    if (i < n) {
      spans[i].from = cast(const char *, c);
      spans[i].to = cast(const char *, c) + c->size;
    }
  }
  return i;
}


void luaS_begin (Sharer *to) {
  memset(to, 0, sizeof(*to));
}


/* Frees what was needed meanwhile, and, unless 'keep', what was made. */
void luaS_end (Sharer *to, int keep) {
  luaS_freearena(&to->scratch);
  if (!keep) luaS_freearena(&to->arena);
}

/* }====================================================== */


/*
** {======================================================
** Strings
** =======================================================
*/

static SharedSet *newset (SharedArena *a, unsigned int slots) {
  SharedSet *s = cast(SharedSet *, takefrom(a, sizeof(SharedSet) + slots * sizeof(TString *)));
  unsigned int i;
  if (s == NULL) return NULL;
  s->mask = slots - 1;
  s->used = 0;
  for (i = 0; i < slots; i++)
    atomic_init(&s->slot[i], NULL);
  return s;
}


static void insert (SharedSet *s, TString *ts) {
  unsigned int i = ts->hash >> LOGSHARDS;
  while (atomic_load_explicit(&s->slot[i & s->mask], memory_order_relaxed) != NULL)
    i++;
  atomic_store_explicit(&s->slot[i & s->mask], ts, memory_order_release);
  s->used++;
}


/* A set with room for one more: 's' or its successor, in 'a'. */
static SharedSet *roomfor1 (SharedArena *a, SharedSet *s) {
  SharedSet *n;
  unsigned int i;
  if (s != NULL && s->used < (s->mask + 1) / 2) return s;
  n = newset(a, s == NULL ? 16 : 2 * (s->mask + 1));
  if (n == NULL) return NULL;
  if (s != NULL) {
    for (i = 0; i <= s->mask; i++) {
      TString *ts = atomic_load_explicit(&s->slot[i], memory_order_relaxed);
      if (ts != NULL) insert(n, ts);
    }
  }
  return n;
}


static TString *newshared (SharedArena *a, TString *from, size_t size) {
  TString *ts = cast(TString *, takefrom(a, size));
  if (ts == NULL) return NULL;
  ts->next = NULL;
  ts->tt = from->tt;
  ts->marked = SHAREDMARK;
  ts->extra = from->extra;
  ts->shrlen = from->shrlen;
  ts->hash = from->hash;
  return ts;
}


static TString *newshort (SharedArena *a, TString *from) {
  size_t l = cast_sizet(from->shrlen);
  TString *ts = newshared(a, from, sizestrshr(l));
  if (ts == NULL) return NULL;
  ts->u.hnext = NULL;
  memcpy(rawgetshrstr(ts), getshrstr(from), l + 1);
  return ts;
}


static TString *addshort (TString *from) {
  _Atomic(SharedSet *) *shard = &luaS_shared[from->hash & (NSHARDS - 1)];
  SharedSet *old, *s;
  TString *ts = luaS_findshared(getshrstr(from), cast_sizet(from->shrlen), from->hash);
  if (ts != NULL) return ts;  /* by another thread, a moment ago */
  old = atomic_load_explicit(shard, memory_order_relaxed);
  s = roomfor1(&forever, old);
  if (s == NULL || (ts = newshort(&forever, from)) == NULL) return NULL;
  if (isforeign(ts)) ts->extra = 0;
  insert(s, ts);
  if (s != old)
    atomic_store_explicit(shard, s, memory_order_release);
  return ts;
}


/* The instance of a short string that is for all states and for ever. NULL if there is no memory. */
TString *luaS_shareshort (TString *from) {
  TString *ts = luaS_findshared(getshrstr(from), cast_sizet(from->shrlen), from->hash);
  if (ts == NULL) {
    pthread_mutex_lock(&lock);
    ts = addshort(from);
    pthread_mutex_unlock(&lock);
  }
  return ts;
}


static int samestring (TString *a, TString *b) {
  if (a->hash != b->hash || strisshr(a) != strisshr(b)) return 0;
  if (!strisshr(a)) return luaS_eqstr(a, b);
  return a->shrlen == b->shrlen && memcmp(getshrstr(a), getshrstr(b), cast_sizet(a->shrlen)) == 0;
}


/* A string of '*set' that is the same, or NULL if there is none; then '*set' has room for it. Clears '*ok' if there is no memory. */
static TString *findin (Sharer *to, SharedSet **set, TString *from, int *ok) {
  SharedSet *s = roomfor1(&to->scratch, *set);
  unsigned int i = from->hash >> LOGSHARDS;
  TString *ts;
  *ok = (s != NULL);
  if (s == NULL) return NULL;
  *set = s;
  while ((ts = atomic_load_explicit(&s->slot[i & s->mask], memory_order_relaxed)) != NULL && !samestring(ts, from))
    i++;
  return ts;
}


static TString *sharelong (Sharer *to, TString *from) {
  size_t l = from->u.lnglen;
  TString *ts;
  int ok;
  luaS_hashlongstr(from);
  ts = findin(to, &to->longs, from, &ok);
  if (ts != NULL || !ok) return ts;
  ts = newshared(&to->arena, from, luaS_sizelngstr(l, LSTRREG));
  if (ts == NULL) return NULL;
  ts->shrlen = LSTRREG;
  ts->u.lnglen = l;
  ts->contents = cast_charp(ts) + offsetof(TString, falloc);
  memcpy(ts->contents, getlngstr(from), l + 1);
  insert(to->longs, ts);
  return ts;
}


/* A string of code. */
TString *luaS_share (Sharer *to, TString *from) {
  return strisshr(from) ? luaS_shareshort(from) : sharelong(to, from);
}


/* A string of a shared table: a short one that is not for ever already goes with the table, and is foreign to all states. */
TString *luaS_shareforeign (Sharer *to, TString *from) {
  TString *ts;
  int ok;
  if (!strisshr(from)) return sharelong(to, from);
  ts = luaS_findshared(getshrstr(from), cast_sizet(from->shrlen), from->hash);
  if (ts != NULL) return ts;
  ts = findin(to, &to->shorts, from, &ok);
  if (ts != NULL || !ok) return ts;
  ts = newshort(&to->arena, from);
  if (ts == NULL) return NULL;
  ts->extra = FOREIGN;
  insert(to->shorts, ts);
  return ts;
}


/* Sets the seed of the shared set to that of the first state that shares something; 0 if this state has another one. */
int luaS_sameseed (lua_State *L) {
  if (l_unlikely(!atomic_load_explicit(&seeded, memory_order_acquire))) {
    pthread_mutex_lock(&lock);
    if (!atomic_load_explicit(&seeded, memory_order_relaxed)) {
      sharedseed = G(L)->seed;
      atomic_store_explicit(&seeded, 1, memory_order_release);
    }
    pthread_mutex_unlock(&lock);
  }
  return G(L)->seed == sharedseed;
}


/*
** Shares all short strings of a state, for those that come after it.
*/
LUA_API int lua_sharestrings (lua_State *L) {
  stringtable *tb = &G(L)->strt;
  int i;
  if (!luaS_sameseed(L)) return 0;
  for (i = 0; i < tb->size; i++) {
    TString *ts;
    for (ts = tb->hash[i]; ts != NULL; ts = ts->u.hnext) {
      if (luaS_shareshort(ts) == NULL) return 0;
    }
  }
  luaS_recordnames(L);
  return 1;
}

/* }====================================================== */


/*
** {======================================================
** Functions
** =======================================================
*/

/* The functions of a file. */
typedef struct lua_Shared {
  SharedArena arena;  /* has all of it, this included */
  Proto *main;
  unsigned int nstrings;
  TString **strings;  /* the short strings among all constants, each once, by address */
} lua_Shared;


static int byaddress (const void *a, const void *b) {
  const TString *x = *cast(TString *const *, a);
  const TString *y = *cast(TString *const *, b);
  return (x > y) - (x < y);
}


/* NULL for nothing, as Lua has it: that tells it that a function has no debug information. Clears '*ok' if there is no memory. */
static void *copy (Sharer *sharer, const void *from, size_t size, int *ok) {
  void *to;
  if (size == 0) return NULL;
  to = luaS_take(sharer, size);
  if (to == NULL) *ok = 0;
  else memcpy(to, from, size);
  return to;
}


/* The shared copy of a string that may be missing; clears '*ok' if there is no memory. */
static TString *sharename (Sharer *to, TString *name, int *ok) {
  TString *ts = NULL;
  if (name != NULL && (ts = luaS_share(to, name)) == NULL) *ok = 0;
  return ts;
}


Proto *luaS_shareproto (lua_State *L, Sharer *to, const Proto *f) {
  int i, ok = 1;
  Proto *n = cast(Proto *, copy(to, f, sizeof(Proto), &ok));
  if (n == NULL) return NULL;
  n->next = NULL;
  n->gclist = NULL;
  n->marked = SHAREDMARK;
  n->flag = cast_byte((n->flag & ~PF_LAZY) | PF_FIXED);  /* nobody's, for private copies */
  n->k = cast(TValue *, copy(to, f->k, cast_sizet(f->sizek) * sizeof(TValue), &ok));
  n->code = cast(Instruction *, copy(to, f->code, cast_sizet(f->sizecode) * sizeof(Instruction), &ok));
  n->p = cast(Proto **, copy(to, f->p, cast_sizet(f->sizep) * sizeof(Proto *), &ok));
  n->upvalues = cast(Upvaldesc *, copy(to, f->upvalues, cast_sizet(f->sizeupvalues) * sizeof(Upvaldesc), &ok));
  n->lineinfo = cast(ls_byte *, copy(to, f->lineinfo, cast_sizet(f->sizelineinfo), &ok));
  n->abslineinfo = cast(AbsLineInfo *, copy(to, f->abslineinfo, cast_sizet(f->sizeabslineinfo) * sizeof(AbsLineInfo), &ok));
  n->locvars = cast(LocVar *, copy(to, f->locvars, cast_sizet(f->sizelocvars) * sizeof(LocVar), &ok));
  if (!ok) return NULL;
  n->source = sharename(to, f->source, &ok);
  for (i = 0; i < f->sizek; i++) {
    if (ttisstring(&f->k[i])) {
      TString *ts = sharename(to, tsvalue(&f->k[i]), &ok);
      if (ts != NULL) setsvalue(L, &n->k[i], ts);
    }
  }
  for (i = 0; i < f->sizeupvalues; i++)
    n->upvalues[i].name = sharename(to, f->upvalues[i].name, &ok);
  for (i = 0; i < f->sizelocvars; i++)
    n->locvars[i].varname = sharename(to, f->locvars[i].varname, &ok);
  for (i = 0; i < f->sizep; i++) {
    if ((n->p[i] = luaS_shareproto(L, to, f->p[i])) == NULL) ok = 0;
  }
  return ok ? n : NULL;
}


/* Collects the short strings among the constants into 'list' (which may be NULL) and counts them. */
static size_t constants (const Proto *f, TString **list, size_t n) {
  int i;
  for (i = 0; i < f->sizek; i++) {
    if (ttisshrstring(&f->k[i])) {
      if (list != NULL) list[n] = tsvalue(&f->k[i]);
      n++;
    }
  }
  for (i = 0; i < f->sizep; i++)
    n = constants(f->p[i], list, n);
  return n;
}


static lua_Shared *sharemain (lua_State *L, Sharer *to, const Proto *f) {
  lua_Shared *s = cast(lua_Shared *, luaS_take(to, sizeof(lua_Shared)));
  size_t i, n;
  if (s == NULL) return NULL;
  s->main = luaS_shareproto(L, to, f);
  if (s->main == NULL) return NULL;
  luaS_findlazy(s->main);
  n = constants(s->main, NULL, 0);
  s->strings = cast(TString **, luaS_take(to, (n + 1) * sizeof(TString *)));
  if (s->strings == NULL) return NULL;
  constants(s->main, s->strings, 0);
  qsort(s->strings, n, sizeof(TString *), byaddress);
  s->nstrings = 0;
  for (i = 0; i < n; i++) {
    if (i == 0 || s->strings[i] != s->strings[i - 1])
      s->strings[s->nstrings++] = s->strings[i];
  }
  return s;
}


/*
** Shares the Lua function at the top of the stack, with all functions inside. Returns NULL if there is no memory, or if
** this state's strings have other hashes.
*/
LUA_API lua_Shared *lua_sharefunction (lua_State *L) {
  const TValue *o = s2v(L->top.p - 1);
  Sharer to;
  lua_Shared *s;
  if (!ttisLclosure(o) || !luaS_sameseed(L)) return NULL;
  luaS_begin(&to);
  s = sharemain(L, &to, clLvalue(o)->p);
  luaS_end(&to, s != NULL);
  if (s != NULL) s->arena = to.arena;
  return s;
}


/* Frees a shared function, which no state may have loaded. */
LUA_API void lua_freeshared (lua_Shared *s) {
  SharedArena a = s->arena;
  luaS_freearena(&a);
}


/* A state's own instance of a shared short string, or NULL. */
TString *luaS_findown (lua_State *L, const TString *shared) {
  stringtable *tb = &G(L)->strt;
  unsigned int h = shared->hash;
  TString *ts;
  for (ts = tb->hash[lmod(h, tb->size)]; ts != NULL; ts = ts->u.hnext) {
    if (ts->hash == h && ts->shrlen == shared->shrlen &&
        memcmp(getshrstr(ts), getshrstr(shared), cast_sizet(ts->shrlen)) == 0)
      return ts;
  }
  return NULL;
}


/* Does this state have own instances of these strings? They are in the order of their addresses. */
static int hasown (lua_State *L, TString *const *strings, unsigned int nstrings) {
  stringtable *tb = &G(L)->strt;
  unsigned int i;
  if (cast_uint(tb->nuse) >= nstrings) {
    for (i = 0; i < nstrings; i++) {
      if (luaS_findown(L, strings[i]) != NULL) return 1;
    }
    return 0;
  }
  for (i = 0; i < cast_uint(tb->size); i++) {
    TString *ts;
    for (ts = tb->hash[i]; ts != NULL; ts = ts->u.hnext) {
      TString *shared = luaS_findshared(getshrstr(ts), cast_sizet(ts->shrlen), ts->hash);
      if (shared != NULL && bsearch(&shared, strings, nstrings, sizeof(TString *), byaddress))
        return 1;
    }
  }
  return 0;
}


/* Is there, in 'f' or inside, a constant of which the state has an own instance? 'all': the state's strings are all its own. */
static int differs (lua_State *L, const Proto *f, int all) {
  int i;
  for (i = 0; i < f->sizek; i++) {
    if (ttisshrstring(&f->k[i]) && (all || luaS_findown(L, tsvalue(&f->k[i])) != NULL))
      return 1;
  }
  for (i = 0; i < f->sizep; i++) {
    if (differs(L, f->p[i], all)) return 1;
  }
  return 0;
}


static void copyto (void *to, const void *from, size_t size) {
  if (size > 0) memcpy(to, from, size);  /* for nothing, both may be NULL */
}


/*
** 'f', or a private prototype for this state. No collection runs in here, so what is new is white and needs no barrier,
** and what is left by an error is consistent.
*/
static Proto *localize (lua_State *L, Proto *f, int all) {
  Proto *n;
  int i;
  if (!differs(L, f, all)) return f;
  n = luaF_newproto(L);
  n->numparams = f->numparams;
  n->flag = f->flag;  /* code and lines are not the state's */
  n->maxstacksize = f->maxstacksize;
  n->linedefined = f->linedefined;
  n->lastlinedefined = f->lastlinedefined;
  n->source = f->source;
  n->code = f->code;
  n->sizecode = f->sizecode;
  n->lineinfo = f->lineinfo;
  n->sizelineinfo = f->sizelineinfo;
  n->abslineinfo = f->abslineinfo;
  n->sizeabslineinfo = f->sizeabslineinfo;
  n->upvalues = luaM_newvector(L, cast_sizet(f->sizeupvalues), Upvaldesc);
  n->sizeupvalues = f->sizeupvalues;
  copyto(n->upvalues, f->upvalues, cast_sizet(f->sizeupvalues) * sizeof(Upvaldesc));
  n->locvars = luaM_newvector(L, cast_sizet(f->sizelocvars), LocVar);
  n->sizelocvars = f->sizelocvars;
  copyto(n->locvars, f->locvars, cast_sizet(f->sizelocvars) * sizeof(LocVar));
  n->k = luaM_newvector(L, cast_sizet(f->sizek), TValue);
  n->sizek = f->sizek;
  copyto(n->k, f->k, cast_sizet(f->sizek) * sizeof(TValue));
  n->p = luaM_newvector(L, cast_sizet(f->sizep), Proto *);
  n->sizep = f->sizep;
  copyto(n->p, f->p, cast_sizet(f->sizep) * sizeof(Proto *));
  for (i = 0; i < f->sizek; i++) {
    if (ttisshrstring(&f->k[i])) {
      TString *ts = tsvalue(&f->k[i]);
      if (all || luaS_findown(L, ts) != NULL)  /* also brings a dead instance back to life */
        setsvalue(L, &n->k[i], luaS_newlstr(L, getshrstr(ts), cast_sizet(ts->shrlen)));
    }
  }
  for (i = 0; i < f->sizep; i++)
    n->p[i] = localize(L, f->p[i], all);
  return n;
}


/* 'f', or a private prototype, as far as the state has own instances of its constants. No collection may run. May raise an error. */
Proto *luaS_localproto (lua_State *L, Proto *f) {
  return localize(L, f, 0);
}


static void f_load (lua_State *L, void *ud) {
  const lua_Shared *s = *cast(const lua_Shared **, ud);
  Proto *p = s->main;
  LClosure *cl;
  if (G(L)->seed != sharedseed)
    p = localize(L, p, 1);
  else if (hasown(L, s->strings, s->nstrings))
    p = localize(L, p, 0);
  luaD_checkstack(L, 1);
  cl = luaF_newLclosure(L, p->sizeupvalues);
  cl->p = p;
  setclLvalue2s(L, L->top.p++, cl);
  luaF_initupvals(L, cl);
  if (cl->nupvalues >= 1) {
    TValue gt;
    luaH_getint(hvalue(&G(L)->l_registry), LUA_RIDX_GLOBALS, &gt);
    setobj(L, cl->upvals[0]->v.p, &gt);
    luaC_barrier(L, cl->upvals[0], &gt);
  }
}


/*
** Like lua_load, for a shared function: pushes a closure, or an error message if there is no memory.
*/
LUA_API int lua_loadshared (lua_State *L, const lua_Shared *s) {
  TStatus status;
  lu_byte emergency;
  lua_lock(L);
  luaC_checkGC(L);
  emergency = G(L)->gcstopem;
  G(L)->gcstopem = 1;  /* prototypes without closure are reachable by nobody */
  status = luaD_pcall(L, f_load, &s, savestack(L, L->top.p), L->errfunc);
  G(L)->gcstopem = emergency;
  lua_unlock(L);
  return APIstatus(status);
}


/*
** {======================================================
** Tables of libraries
** =======================================================
*/

typedef struct lua_SharedNodes {
  Node *node;
  lu_byte lsizenode;
} lua_SharedNodes;


static int shareable (const TValue *o) {
  return ttisstring(o) ? strisshr(tsvalue(o)) : !iscollectable(o);
}


/*
** Shares the nodes of a copy of the table at the top of the stack. Returns NULL if it contains anything that is not a
** number, boolean, short string, light userdata or C function without upvalues, if it has elements in its array, or if
** there is no memory. May raise an error.
*/
LUA_API const lua_SharedNodes *lua_sharenodes (lua_State *L) {
  Table *t = hvalue(s2v(L->top.p - 1));
  Table *n;
  lua_SharedNodes *s;
  unsigned i, count = 0;
  if (!luaS_sameseed(L) || t->asize > 0 || isdummy(t)) return NULL;
  for (i = 0; i < sizenode(t); i++) {
    if (!isempty(gval(gnode(t, i)))) count++;
  }
  n = luaH_new(L);
  sethvalue2s(L, L->top.p, n);
  api_incr_top(L);
  luaH_resize(L, n, 0, count);
  for (i = 0; i < sizenode(t); i++) {
    Node *from = gnode(t, i);
    TValue k, v;
    if (isempty(gval(from))) continue;
    getnodekey(L, &k, from);
    v = *gval(from);
    if (!shareable(&k) || !shareable(&v)) return NULL;
    if (ttisstring(&k)) {
      TString *ts = luaS_shareshort(tsvalue(&k));
      if (ts == NULL) return NULL;
      setsvalue(L, &k, ts);
    }
    if (ttisstring(&v)) {
      TString *ts = luaS_shareshort(tsvalue(&v));
      if (ts == NULL) return NULL;
      setsvalue(L, &v, ts);
    }
    luaH_set(L, n, &k, &v);
  }
  s = cast(lua_SharedNodes *, luaS_takeforever(sizeof(lua_SharedNodes)));
  if (s == NULL) return NULL;
  s->lsizenode = n->lsizenode;
  s->node = cast(Node *, luaS_takeforever(sizenode(n) * sizeof(Node)));
  if (s->node == NULL) return NULL;
  memcpy(s->node, n->node, sizenode(n) * sizeof(Node));
  L->top.p--;
  return s;
}


/*
** Pushes a new table with shared nodes. The state must have the seed of the shared set. May raise an error.
*/
LUA_API void lua_pushsharednodes (lua_State *L, const lua_SharedNodes *s) {
  Table *t;
  t = luaH_new(L);
  t->node = s->node;
  t->lsizenode = s->lsizenode;
  t->flags = cast_byte((t->flags & ~(maskflags | BITDUMMY)) | BITSHAREDNODES);
  sethvalue2s(L, L->top.p, t);
  api_incr_top(L);
  luaC_checkGC(L);
}

/* }====================================================== */
