/*
** Functions that are replaced by others wherever a state refers to them, when the code of a module is reloaded.
**
** One pass over all objects of the state, in the order in which the collector has them, finds every reference without
** following any, and without memory for what has been seen. Objects that the collector has yet to free are looked at
** like the others; whoever counts references lets the collector run before.
**
** What a coroutine has on its stack stays as it is: a frame may be in the middle of a call. There are two exceptions,
** variables that other functions share with a frame, and coroutines that have yet to start, such as those of timers:
** all that these have is the function they will call and its arguments.
*/

#define lreload_c
#define LUA_CORE

#include "lprefix.h"

#include <stdlib.h>

#include "lua.h"

#include "lapi.h"
#include "ldo.h"
#include "lfunc.h"
#include "lgc.h"
#include "lobject.h"
#include "lstate.h"
#include "ltable.h"

#if defined(SKYNET_SHARED_CODE)
#include "lshared.h"
#else
#define hassharednodes(t)	0
#endif


/* A key of a table that is to be exchanged after the walk: it has another place then. */
typedef struct Key {
  Table *t;
  TValue old, new, value;
} Key;

typedef struct Exchange {
  lua_State *L;
  Table *map;  /* function to function */
  Table *skip;  /* tables that are not looked into, as keys */
  int apply;  /* else references are only counted */
  size_t held;
  Key *keys;
  size_t n, room;
} Exchange;


/* Is it a function that is replaced, and by which one? */
l_sinline int isreplaced (const Exchange *x, const TValue *o, TValue *new) {
  return ttisLclosure(o) && !tagisempty(luaH_get(x->map, o, new)) && ttisLclosure(new);
}


/* Returns true if it has changed '*o', whose owner has to see to its barrier. */
static int exchange (Exchange *x, TValue *o) {
  TValue new;
  if (!isreplaced(x, o, &new)) return 0;
  x->held++;
  if (!x->apply) return 0;
  setobj(x->L, o, &new);
  return 1;
}


static void notekey (Exchange *x, Table *t, const TValue *old, const TValue *new, const TValue *value) {
  x->held++;
  if (!x->apply) return;
  if (x->n == x->room) {
    size_t room = 2 * x->room + 16;
    Key *keys = cast(Key *, realloc(x->keys, room * sizeof(Key)));
    if (keys == NULL) return;  /* it keeps the old one */
    x->keys = keys;
    x->room = room;
  }
  x->keys[x->n].t = t;
  x->keys[x->n].old = *old;
  x->keys[x->n].new = *new;
  x->keys[x->n].value = *value;
  x->n++;
}


static void walktable (Exchange *x, Table *t) {
  TValue v, new;
  unsigned int i;
  if (t == x->map || t == x->skip) return;
  sethvalue(x->L, &v, t);
  if (!tagisempty(luaH_get(x->skip, &v, &new))) return;
  for (i = 0; i < t->asize; i++) {
    if (*getArrTag(t, i) != ctb(LUA_VLCL)) continue;
    arr2obj(t, i, &v);
    if (exchange(x, &v)) {
      obj2arr(t, i, &v);
      luaC_barrierback(x->L, obj2gco(t), &v);
    }
  }
  if (isdummy(t) || hassharednodes(t)) return;
  for (i = 0; i < cast_uint(sizenode(t)); i++) {
    Node *n = gnode(t, i);
    if (isempty(gval(n))) continue;
    if (exchange(x, gval(n))) luaC_barrierback(x->L, obj2gco(t), gval(n));
    if (keytt(n) != ctb(LUA_VLCL)) continue;
    v.value_ = keyval(n);
    v.tt_ = keytt(n);
    if (isreplaced(x, &v, &new)) notekey(x, t, &v, &new, gval(n));
  }
}


static void walkobject (Exchange *x, GCObject *o) {
  int i;
  switch (o->tt) {
    case LUA_VTABLE:
      walktable(x, gco2t(o));
      break;
    case LUA_VUPVAL: {
      UpVal *uv = gco2upv(o);
      if (exchange(x, uv->v.p) && !upisopen(uv)) luaC_barrier(x->L, obj2gco(uv), uv->v.p);
      break;
    }
    case LUA_VCCL: {
      CClosure *cl = gco2ccl(o);
      for (i = 0; i < cl->nupvalues; i++) {
        if (exchange(x, &cl->upvalue[i])) luaC_barrier(x->L, obj2gco(cl), &cl->upvalue[i]);
      }
      break;
    }
    case LUA_VUSERDATA: {
      Udata *u = gco2u(o);
      for (i = 0; i < u->nuvalue; i++) {
        if (exchange(x, &u->uv[i].uv)) luaC_barrierback(x->L, obj2gco(u), &u->uv[i].uv);
      }
      break;
    }
    case LUA_VTHREAD: {
      lua_State *th = gco2th(o);
      StkId s;
      if (th->stack.p == NULL || th->ci != &th->base_ci || th == x->L) break;
      for (s = th->stack.p + 1; s < th->top.p; s++) exchange(x, s2v(s));
      break;
    }
    default: break;
  }
}


/* Is a coroutine inside one of the functions? */
static int isinside (const Exchange *x, lua_State *th) {
  CallInfo *ci;
  TValue new;
  for (ci = th->ci; ci != NULL && ci != &th->base_ci; ci = ci->previous) {
    if (isreplaced(x, s2v(ci->func.p), &new)) return 1;
  }
  return 0;
}


/* May be out of memory for a key; the others are done. */
static void f_putkeys (lua_State *L, void *ud) {
  Exchange *x = cast(Exchange *, ud);
  TValue nil;
  setnilvalue(&nil);
  while (x->n > 0) {
    Key *k = &x->keys[x->n - 1];
    luaH_set(L, k->t, &k->new, &k->value);
    luaC_barrierback(L, obj2gco(k->t), &k->new);
    luaC_barrierback(L, obj2gco(k->t), &k->value);
    luaH_set(L, k->t, &k->old, &nil);
    x->n--;
  }
}


/*
** The table below the top maps functions of Lua to others; the keys of the table at the top are tables that are not
** looked into. Returns how many references there are to the former functions outside of stacks, which are exchanged if
** 'apply' is set, and in 'inside' how many coroutines are inside them.
*/
LUA_API size_t lua_exchangefunctions (lua_State *L, int apply, size_t *inside) {
  global_State *g = G(L);
  GCObject *lists[3];
  GCObject *o;
  Exchange x;
  int i;
  lu_byte emergency = g->gcstopem;
  ptrdiff_t top = savestack(L, L->top.p);
  x.L = L;
  x.map = hvalue(s2v(L->top.p - 2));
  x.skip = hvalue(s2v(L->top.p - 1));
  x.apply = apply;
  x.held = x.n = x.room = 0;
  x.keys = NULL;
  *inside = 0;
  lists[0] = g->allgc;
  lists[1] = g->finobj;
  lists[2] = g->tobefnz;
  for (i = 0; i < 3; i++) {
    for (o = lists[i]; o != NULL; o = o->next) {
      walkobject(&x, o);
      if (o->tt == LUA_VTHREAD) *inside += cast_sizet(isinside(&x, gco2th(o)));
    }
  }
  g->gcstopem = 1;  /* the tables whose keys are exchanged may be reachable by nobody */
  while (x.n > 0) {
    if (luaD_rawrunprotected(L, f_putkeys, &x) != LUA_OK) x.n--;
    L->top.p = restorestack(L, top);
  }
  g->gcstopem = emergency;
  free(x.keys);
  return x.held;
}
