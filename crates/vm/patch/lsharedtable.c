/*
** Tables that several states read.
**
** A version is a graph of tables, copied out of the state that made it into memory of its own, which its owner frees
** when no state refers to it any more. Tables, functions and all strings that are in them live in there; what is in the
** process-wide set of short strings anyway (lshared.c) comes from there. Nothing is written to after that: the length
** is that of the array, all missing metamethods are noted in 'flags', the hashes of long strings are known. So making
** one needs no lock, and freeing one no question.
**
** A shared table has the type tag of a table with a variant of its own. The fast paths of the VM test for the ordinary
** variant, so that a read ends up in luaV_finishget, which comes here; an assignment finds no table and no metamethod,
** and is an error. Functions of the API that write look at the mark of the table.
**
** Identity of strings. Lua compares short strings by address, so a state may know one instance of each. Therefore a
** version's short strings never get into a state:
** - They have a tag of their own in the places of shared tables, and only there (LUA_VFORSTR). Whoever takes a value or
**   a key out gets the state's instance of the same content: its own one if it has one, that of the process-wide set,
**   or a new one. It is an ordinary string, which the state's collector frees. All reading goes through luaS_getshared,
**   luaS_nextshared and luaS_ownmethod; packing (src/vm/seri) reads the bytes.
** - The same holds for strings of the process-wide set: a state may have an own instance that it made before. Only as
**   keys they have the ordinary tag, so that Lua finds metamethods in a shared table.
** - A key is looked up by its content. Places of string keys have half of the key's hash in their spare bytes, so that
**   only a key that is the right one is looked at. So it does not matter which instances a state has, which it makes
**   later, and what the process-wide set gets later; a version's short strings go when the version goes; and opening
**   one costs nothing.
**
** What a state has read last is remembered by the address of the version's string (OwnStrings), which saves the look-up
** in the state's string table, and making the string again. Each collection forgets half of what nobody else refers to.
** The addresses stay valid because a state holds the versions that it has opened.
**
** An update goes over the whole state, and so finds out whether there is anything left of the old version: a long
** string, or a function. If not, the state need not hold it any longer.
**
** Functions have constants, which the VM does compare by address. They are those of shared code: in the process-wide
** set, for ever. If a state that opens a version has an own instance of one, it gets a closure of its own, with a
** private prototype, and reads that in the place of the shared one.
**
** Reading must not fail where it did not before: strings are made as unmade functions are (llazy.c), whatever the limit
** of memory is. The collector has its turn before one is made, as when a metamethod is called.
*/

#define lsharedtable_c
#define LUA_CORE

#include "lprefix.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lua.h"

#include "lapi.h"
#include "ldebug.h"
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
** Looking up
** =======================================================
*/

#define halfhash(h)	cast(unsigned short, (h) >> 16)


/* The place with a short string as its key, or NULL. 'key' may be that string. */
l_sinline const Node *findstring (const Table *t, const TString *key, const char *s, size_t l, unsigned int h) {
  const Node *n = gnode(t, lmod(h, sizenode(t)));
  unsigned short half = halfhash(h);
  for (;;) {
    if (n->u.spare == half && (keytt(n) == ctb(LUA_VFORSTR) || keyisshrstr(n))) {
      const TString *k = keystrval(n);
      if (k == key || (k->hash == h && cast_sizet(k->shrlen) == l && memcmp(rawgetshrstr(k), s, l) == 0))
        return n;
    }
    if (gnext(n) == 0) return NULL;
    n += gnext(n);
  }
}


l_sinline const Node *findname (const Table *t, const TString *name) {
  return findstring(t, name, rawgetshrstr(name), cast_sizet(name->shrlen), name->hash);
}


/* Is this the content of a short string? Then '*n' is the place with that key, or NULL. */
static int findifstring (const Table *t, const TValue *key, const Node **n) {
  switch (ttypetag(key)) {
    case LUA_VSHRSTR: case LUA_VFORSTR:
      *n = findname(t, tsvalue(key));
      return 1;
    case LUA_VLNGSTR: {
      TString *ts = tsvalue(key);
      if (ts->u.lnglen > LUAI_MAXSHORTLEN) return 0;
      *n = findstring(t, NULL, getlngstr(ts), ts->u.lnglen, luaS_hashlongstr(ts));  /* its bytes are elsewhere */
      return 1;
    }
    default:
      return 0;
  }
}


/* What is in the place with that key, or NULL if there is nothing. 'res' may get it. */
l_sinline const TValue *lookup (const Table *t, const TValue *key, TValue *res) {
  const Node *n;
  if (ttisshrstring(key))
    n = findname(t, tsvalue(key));
  else if (ttisinteger(key) && l_castS2U(ivalue(key)) - 1u < t->asize) {
    arr2obj(t, cast_uint(ivalue(key)) - 1u, res);
    return isempty(res) ? NULL : res;
  }
  else if (!findifstring(t, key, &n))
    return tagisempty(luaH_get(cast(Table *, t), key, res)) ? NULL : res;
  return (n == NULL || isempty(gval(n))) ? NULL : gval(n);
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
  unsigned int nfunctions;
  LClosure **functions;
  size_t nspans;
  SharedSpan *spans;  /* of the arena, by address */
} lua_SharedTable;

typedef struct Builder {
  Sharer to;
  Map map;  /* tables and functions of the state to their copies; doubles as the list of what is to be done */
  unsigned int nfunctions;
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


/* The copy of a function without upvalues. */
static GCObject *copyfunction (lua_State *L, Builder *b, LClosure *from) {
  LClosure *cl = cast(LClosure *, luaS_take(&b->to, sizeof(LClosure)));
  if (cl == NULL) return NULL;
  memset(cl, 0, sizeof(LClosure));
  cl->tt = LUA_VLCL;
  cl->marked = SHAREDMARK;
  cl->p = luaS_shareproto(L, &b->to, from->p);
  if (cl->p == NULL) return NULL;
  b->nfunctions++;
  return obj2gco(cl);
}


/* The copy of a table, empty for now. */
static GCObject *copytable (Builder *b) {
  Table *t = cast(Table *, luaS_take(&b->to, sizeof(Table)));
  if (t == NULL) return NULL;
  memset(t, 0, sizeof(Table));
  t->tt = LUA_VSHRTAB;
  t->marked = SHAREDMARK;
  t->flags = BITDUMMY;
  return obj2gco(t);
}


/* Turns '*o' into its shared counterpart. */
static int sharevalue (lua_State *L, Builder *b, TValue *o) {
  switch (ttypetag(o)) {
    case LUA_VSHRSTR: case LUA_VLNGSTR: case LUA_VFORSTR: {
      TString *ts = luaS_shareforeign(&b->to, tsvalue(o));
      if (ts == NULL) return fail(b, nomemory, NULL);
      setsvalue(L, o, ts);
      return 1;
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
          to = copytable(b);
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


/* The tag that a value has in a place of a shared table. */
static lu_byte placetag (const TValue *o) {
  return ttisshrstring(o) ? ctb(LUA_VFORSTR) : rawtt(o);
}


/* Makes places of a shared table out of those of an ordinary one. */
static void finishplaces (Table *t) {
  unsigned int i;
  for (i = 0; i < sizenode(t); i++) {
    Node *n = gnode(t, i);
    n->u.spare = 0;
    if (keyisshrstr(n)) {
      TString *key = keystrval(n);
      n->u.spare = halfhash(key->hash);
      if (isforeign(key)) n->u.key_tt = ctb(LUA_VFORSTR);
    }
    settt_(gval(n), placetag(gval(n)));
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
    char *block = cast_charp(luaS_take(&b->to, n * (sizeof(Value) + 1) + sizeof(unsigned)));
    if (block == NULL) return fail(b, nomemory, NULL);
    t->array = cast(Value *, block) + n;
    *lenhint(t) = n;
    for (i = 0; i < n; i++) {
      TValue v;
      if (tagisempty(luaH_getint(from, cast(lua_Integer, i) + 1, &v))) setempty(&v);  /* a hole */
      if (!sharevalue(L, b, &v)) return 0;
      settt_(&v, placetag(&v));
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
    t->node = cast(Node *, luaS_take(&b->to, sizenode(h) * sizeof(Node)));
    if (t->node == NULL) return fail(b, nomemory, NULL);
    memcpy(t->node, h->node, sizenode(h) * sizeof(Node));
    t->lsizenode = h->lsizenode;
    finishplaces(t);
  }
  t->flags = cast_byte(h->flags & BITDUMMY);
  for (i = 0; i <= TM_EQ; i++) {
    if (findname(t, G(L)->tmname[i]) == NULL)
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


static int byaddress (const void *a, const void *b) {
  const SharedSpan *x = cast(const SharedSpan *, a);
  const SharedSpan *y = cast(const SharedSpan *, b);
  return (x->from > y->from) - (x->from < y->from);
}


/* Is this object in the version? */
static int within (const lua_SharedTable *s, const GCObject *o) {
  const char *p = cast(const char *, o);
  size_t low = 0, high = s->nspans;
  while (low < high) {  /* the first span that ends behind 'p' */
    size_t middle = (low + high) / 2;
    if (s->spans[middle].to <= p) low = middle + 1;
    else high = middle;
  }
  return low < s->nspans && s->spans[low].from <= p;
}


/* What is there in the end, with the list of functions. NULL if there is no memory. */
static lua_SharedTable *finishversion (Builder *b) {
  lua_SharedTable *s = cast(lua_SharedTable *, luaS_take(&b->to, sizeof(lua_SharedTable)));
  unsigned int i;
  if (s == NULL) return NULL;
  s->root = b->root;
  s->nfunctions = 0;
  s->functions = NULL;
  if (b->nfunctions > 0) {
    s->functions = cast(LClosure **, luaS_take(&b->to, b->nfunctions * sizeof(LClosure *)));
    if (s->functions == NULL) return NULL;
  }
  for (i = 0; i < b->map.n; i++) {
    if (b->map.pair[i].to->tt == LUA_VLCL)
      s->functions[s->nfunctions++] = gco2lcl(b->map.pair[i].to);
  }
  s->nspans = luaS_spans(&b->to.arena, NULL, 0);
  s->spans = cast(SharedSpan *, luaS_take(&b->to, s->nspans * sizeof(SharedSpan)));
  if (s->spans == NULL) return NULL;
  luaS_spans(&b->to.arena, s->spans, s->nspans);  /* if there is a new one, it has no objects, and stands for itself */
  qsort(s->spans, s->nspans, sizeof(SharedSpan), byaddress);
  return s;
}


/*
** Shares a copy of the table at the top of the stack. Returns NULL if that is impossible; '*error' is why, and may
** contain "%s" for '*type'. Raises nothing.
*/
LUA_API lua_SharedTable *lua_sharetable (lua_State *L, const char **error, const char **type) {
  Builder b;
  lua_SharedTable *s = NULL;
  ptrdiff_t top = savestack(L, L->top.p);
  lu_byte emergency = G(L)->gcstopem;
  memset(&b, 0, sizeof(b));
  luaS_begin(&b.to);
  if (!luaS_sameseed(L)) b.error = "this state shares nothing";
  else {
    G(L)->gcstopem = 1;  /* objects in the map must not be replaced by new ones */
    if (luaD_rawrunprotected(L, f_build, &b) != LUA_OK) b.error = nomemory;
    G(L)->gcstopem = emergency;
    L->top.p = restorestack(L, top);
    if (b.error == NULL && (s = finishversion(&b)) == NULL) b.error = nomemory;
  }
  luaS_end(&b.to, s != NULL);
  clearmap(&b.map);
  if (s != NULL)
    s->arena = b.to.arena;
  else {
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
** Reading
** =======================================================
*/

#define MINOWN	64
#define MAXOWN	2048

typedef struct OwnString {
  const TString *from;  /* of a version */
  TString *to;  /* the state's */
} OwnString;

struct OwnStrings {
  unsigned int mask;  /* number of entries - 1 */
  unsigned int missed;  /* strings that were not in here, lately */
  unsigned int half;  /* of the entries that the next collection looks at */
  OwnString entry[];
};


/* The first of the two entries where a string may be. */
static OwnString *ownentry (struct OwnStrings *own, const TString *from) {
  unsigned int i = cast_uint((size_t)from >> 4) * 0x9E3779B1u;
  return &own->entry[(i >> 16) & (own->mask - 1)];
}


static size_t ownsize (unsigned int entries) {
  return sizeof(struct OwnStrings) + entries * sizeof(OwnString);
}


/* Room for more, empty. Without memory, nothing happens. */
static void growown (global_State *g) {
  unsigned int size = (g->own == NULL) ? MINOWN : 2 * (g->own->mask + 1);
  struct OwnStrings *n = cast(struct OwnStrings *, (*g->frealloc)(g->ud, NULL, LAZYKIND, ownsize(size)));
  if (n == NULL) return;
  memset(n, 0, ownsize(size));
  n->mask = size - 1;
  luaS_freeown(g);
  g->own = n;
}


void luaS_freeown (global_State *g) {
  if (g->own != NULL)
    (*g->frealloc)(g->ud, g->own, ownsize(g->own->mask + 1), 0);
  g->own = NULL;
}


/*
** In the atomic phase of a collection, when all that is reachable is marked. Half of the strings that nobody else
** refers to are forgotten, the others live on: what is read again and again is not made again and again.
*/
void luaS_clearown (global_State *g) {
  unsigned int i;
  if (g->own == NULL) return;
  for (i = 0; i <= g->own->mask; i++) {
    OwnString *e = &g->own->entry[i];
    if (e->from == NULL || !iswhite(e->to)) continue;
    if ((i & 1) == g->own->half)
      e->from = NULL;
    else {
      e->to->marked = cast_byte((e->to->marked & ~WHITEBITS) | bitmask(BLACKBIT));
      g->GCmarked += cast(l_mem, sizestrshr(cast_sizet(e->to->shrlen)));
    }
  }
  g->own->half ^= 1;
  g->own->missed /= 2;
}


/* A new string of the state, whatever the service's limit of memory is. No collection runs. */
static TString *newstring (lua_State *L, const TString *from) {
  global_State *g = G(L);
  stringtable *tb = &g->strt;
  size_t l = cast_sizet(from->shrlen);
  size_t size = sizestrshr(l);
  TString **list;
  TString *ts;
  GCObject *o;
  if (tb->nuse >= tb->size && tb->size <= INT_MAX / 4)
    luaS_resize(L, tb->size * 2);
  o = cast(GCObject *, (*g->frealloc)(g->ud, NULL, LAZYKIND, size));
  if (l_unlikely(o == NULL)) return luaS_newlstr(L, rawgetshrstr(from), l);
  g->GCdebt -= cast(l_mem, size);
  o->marked = luaC_white(g);
  o->tt = LUA_VSHRSTR;
  o->next = g->allgc;
  g->allgc = o;
  ts = gco2ts(o);
  ts->hash = from->hash;
  ts->extra = 0;
  ts->shrlen = from->shrlen;
  memcpy(getshrstr(ts), rawgetshrstr(from), l + 1);
  list = &tb->hash[lmod(ts->hash, tb->size)];
  ts->u.hnext = *list;
  *list = ts;
  tb->nuse++;
  return ts;
}


/* The state's instance of a foreign string. No collection runs. */
static TString *ownstring (lua_State *L, const TString *from) {
  global_State *g = G(L);
  TString *ts = luaS_findown(L, from);
  if (ts != NULL) {
    if (isdead(g, ts)) changewhite(ts);  /* resurrect it */
    return ts;
  }
  ts = luaS_findshared(rawgetshrstr(from), cast_sizet(from->shrlen), from->hash);
  return ts != NULL ? ts : newstring(L, from);
}


/* The state's instance of a foreign string that was not known, to 'res'. The collector has its turn before. */
static void remember (lua_State *L, const TString *from, StkId res) {
  ptrdiff_t at = savestack(L, res);
  global_State *g = G(L);
  TString *ts;
  luaC_checkGC(L);
  ts = ownstring(L, from);
  setsvalue2s(L, restorestack(L, at), ts);
  if (g->own == NULL || (g->own->missed > 2 * g->own->mask && g->own->mask < MAXOWN - 1))
    growown(g);
  if (g->own != NULL) {
    OwnString *e = ownentry(g->own, from);
    e[1] = e[0];
    e->from = from;
    e->to = ts;
    g->own->missed++;
  }
}


/* The state's counterpart of a function of a version. */
static void ownfunction (const global_State *g, TValue *o) {
  TValue k, v;
  setpvalue(&k, clLvalue(o));
  if (!tagisempty(luaH_get(g->ownfunctions, &k, &v)))
    setobj(cast(lua_State *, NULL), o, &v);
}


/* Puts what is in a place of a shared table to 'res', as a value of the state. */
l_sinline void takeout (lua_State *L, const TValue *v, StkId res) {
  const global_State *g = G(L);
  if (isforeigntag(rawtt(v))) {
    const TString *from = tsvalue(v);
    if (l_likely(g->own != NULL)) {
      const OwnString *e = ownentry(g->own, from);
      if (e->from == from || (++e)->from == from) {
        setsvalue2s(L, res, e->to);
        return;
      }
    }
    remember(L, from, res);
    return;
  }
  setobj2s(L, res, v);
  if (l_unlikely(ttisLclosure(v) && g->ownfunctions != NULL))
    ownfunction(g, s2v(res));
}


/* t[key] to 'res', which may be where the key is; the type. May run a collection. */
lu_byte luaS_getshared (lua_State *L, const Table *t, const TValue *key, StkId res) {
  TValue place;
  const TValue *v = lookup(t, key, &place);
  lu_byte type;
  if (v == NULL) {
    setnilvalue(s2v(res));
    return LUA_VNIL;
  }
  type = cast_byte(ttype(v));
  takeout(L, v, res);
  return type;
}


/* As luaH_next. May run a collection. */
int luaS_nextshared (lua_State *L, const Table *t, StkId key) {
  TValue k, v;
  ptrdiff_t at = savestack(L, key);
  const Node *n;
  if (findifstring(t, s2v(key), &n)) {
    if (n == NULL) luaG_runerror(L, "invalid key to 'next'");
    do {
      if (++n == gnode(t, sizenode(t))) return 0;
    } while (isempty(gval(n)));
    k.value_ = keyval(n);
    k.tt_ = keytt(n);
    setobj(L, &v, gval(n));
  }
  else {
    if (!luaH_next(L, cast(Table *, t), key)) return 0;
    setobj(L, &k, s2v(key));
    setobj(L, &v, s2v(key + 1));
  }
  setnilvalue(s2v(key));
  if (ttisshrstring(&k)) settt_(&k, ctb(LUA_VFORSTR));
  takeout(L, &k, key);
  takeout(L, &v, restorestack(L, at) + 1);
  return 1;
}


/* A metamethod that was found in a shared table, or nothing, as the state has it. */
const TValue *luaS_ownmethod (lua_State *L, const TValue *tm) {
  global_State *g = G(L);
  TValue *o;
  if (!isforeigntag(rawtt(tm)) && (g->ownfunctions == NULL || !ttisLclosure(tm))) return tm;
  o = &g->ownmethod[g->nextmethod++ % 4];  /* a chain of tables may need the last one, too */
  setobj(L, o, tm);
  if (ttisLclosure(o)) {
    ownfunction(g, o);
  }
  else
    setsvalue(L, o, ownstring(L, tsvalue(o)));
  return o;
}


/* Has the state opened this version before? If it has functions, there is a note in the registry. */
static int opened (lua_State *L, const lua_SharedTable *s) {
  TValue k, v;
  setpvalue(&k, cast_voidp(s));
  return !tagisempty(luaH_get(hvalue(&G(L)->l_registry), &k, &v));
}


/* A closure for each function with constants of which the state has own instances. */
static void f_open (lua_State *L, void *ud) {
  const lua_SharedTable *s = *cast(const lua_SharedTable **, ud);
  global_State *g = G(L);
  Table *registry = hvalue(&g->l_registry);
  TValue k, v;
  unsigned int i;
  for (i = 0; i < s->nfunctions; i++) {
    Proto *p;
    LClosure *cl;
    setpvalue(&k, s->functions[i]);
    if (g->ownfunctions != NULL && !tagisempty(luaH_get(g->ownfunctions, &k, &v))) continue;
    p = luaS_localproto(L, s->functions[i]->p);
    if (p == s->functions[i]->p) continue;
    cl = luaF_newLclosure(L, 0);
    cl->p = p;
    if (g->ownfunctions == NULL) {
      Table *t = luaH_new(L);
      TValue here;
      setpvalue(&here, &g->ownfunctions);
      sethvalue(L, &v, t);
      luaH_set(L, registry, &here, &v);  /* keeps it */
      luaC_barrierback(L, obj2gco(registry), &v);
      g->ownfunctions = t;
    }
    setclLvalue(L, &v, cl);
    luaH_set(L, g->ownfunctions, &k, &v);
    luaC_barrierback(L, obj2gco(g->ownfunctions), &v);
  }
  setpvalue(&k, cast_voidp(s));
  setbtvalue(&v);
  luaH_set(L, registry, &k, &v);
}


/*
** Pushes the root of a version, which has to outlive the state. Returns 0 if the state's strings have other hashes, 2
** if there is no memory, else 1.
*/
LUA_API int lua_opensharedtable (lua_State *L, const lua_SharedTable *s) {
  if (!luaS_sameseed(L)) return 0;
  if (s->nfunctions > 0 && !opened(L, s)) {
    lu_byte emergency = G(L)->gcstopem;
    ptrdiff_t top = savestack(L, L->top.p);
    TStatus status;
    G(L)->gcstopem = 1;  /* what is new is reachable by nobody */
    status = luaD_rawrunprotected(L, f_open, &s);
    G(L)->gcstopem = emergency;
    L->top.p = restorestack(L, top);
    if (status != LUA_OK) return 2;
  }
  setsharedtable(s2v(L->top.p), s->root);
  api_incr_top(L);
  return 1;
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
  const lua_SharedTable *old;
  int used;  /* there are references to what is in there */
} Walk;


/* Notes whether '*o' refers to the old version. (If that has functions, it counts as used anyway.) */
l_sinline void look (Walk *w, const TValue *o) {
  if ((ttissharedtable(o) || (ttislngstring(o) && isshared(gcvalue(o)))) && !w->used)
    w->used = within(w->old, gcvalue(o));
}


/* Returns true if it has changed '*o'. */
static int exchange (Walk *w, TValue *o) {
  Pair *p;
  if (!ttissharedtable(o) || (p = find(w->map, gcvalue(o))) == NULL) {
    look(w, o);
    return 0;
  }
  if (p->to != NULL)
    setsharedtable(o, cast(Table *, p->to))
  else
    setnilvalue(o);
  return 1;
}


static void exchangemeta (Walk *w, Table **mt) {
  if (*mt != NULL && isshared(*mt)) {
    Pair *p = find(w->map, obj2gco(*mt));
    if (p != NULL) *mt = cast(Table *, p->to);
    else if (within(w->old, obj2gco(*mt))) w->used = 1;
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
    if (isfree(gval(n))) {  /* its key may be looked at all the same */
      if (keyiscollectable(n)) {
        k.value_ = keyval(n);
        k.tt_ = keytt(n);
        look(w, &k);
      }
      continue;
    }
    if (exchange(w, gval(n)) && isempty(gval(n))) {
      if (keyiscollectable(n)) setdeadkey(n);
      continue;
    }
    if (!keyiscollectable(n)) continue;
    k.value_ = keyval(n);
    k.tt_ = keytt(n);
    if (!exchange(w, &k)) continue;
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
  int i;
  lists[0] = g->allgc;
  lists[1] = g->finobj;
  lists[2] = g->tobefnz;
  for (i = 0; i < 3; i++) {
    for (o = lists[i]; o != NULL; o = o->next) walkobject(w, o);
  }
  for (i = 0; i < LUA_NUMTYPES; i++) exchangemeta(w, &g->mt[i]);
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


/* Maps the tables of one version to those of another, along their keys. */
static int match (Map *m, Table *from, Table *to) {
  unsigned int i, done;
  if (!add(m, obj2gco(from), obj2gco(to))) return 0;
  for (done = 0; done < m->n; done++) {
    Table *a = cast(Table *, m->pair[done].from);
    Table *b = cast(Table *, m->pair[done].to);
    for (i = 0; i < a->asize + sizenode(a); i++) {
      TValue k, v, x;
      const TValue *found;
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
      found = (b != NULL) ? lookup(b, &k, &x) : NULL;
      if (!add(m, gcvalue(&v), (found != NULL && ttissharedtable(found)) ? gcvalue(found) : NULL)) return 0;
    }
  }
  return 1;
}


/*
** What becomes of the tables of one version in another; the same for all states, so it is made once. NULL if there is
** no memory. It is for as long as both versions live.
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
** Exchanges all references to tables of one version for those of another, which have been matched. Returns 0 if memory
** ran out, in which case some entries with such tables as keys may have been lost; 2 if the state refers to nothing in
** the old version any more; else 1: it has long strings or functions of it.
*/
LUA_API int lua_exchangesharedtable (lua_State *L, const void *map, const lua_SharedTable *old) {
  Walk w;
  lu_byte emergency = G(L)->gcstopem;
  int ok;
  memset(&w, 0, sizeof(w));
  w.map = cast(const Map *, map);
  w.old = old;
  w.used = (old->nfunctions > 0);
  G(L)->gcstopem = 1;
  walkstate(L, &w);
  ok = !w.lost && luaD_rawrunprotected(L, f_putmoved, &w) == LUA_OK;
  G(L)->gcstopem = emergency;
  free(w.moved);
  luaS_freeown(G(L));  /* it has addresses of the version's strings */
  return !ok ? 0 : w.used ? 1 : 2;
}

/* }====================================================== */
