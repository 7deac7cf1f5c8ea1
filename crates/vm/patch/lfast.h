/*
** Short ways of the interpreter's loop.
**
** What a service does most is to look up fields, to call, and to walk over tables. In nearly all cases that is a few
** loads and comparisons, and Lua makes a function call of each. Here these cases are recognised and done in the loop.
** The rule: a short way that finds anything unusual has changed nothing and says so, and the loop goes on as Lua is
** published. So errors, their texts and places, metamethods, hooks and memory come from the old code.
**
** Fields. A constant key is compared with the key of its node, and of the second one of the chain ('luaV_near').
** Everything further, the chain of '__index' tables included, is walked by 'luaV_far', which neither allocates nor
** raises. Unusual are: functions that are not made yet (llazy.c), whose place looks empty; shared tables, which have a
** tag of their own; shared metatables, whose strings are not the state's; and, for writing, shared nodes (llibs.c).
**
** Library functions. 'luaV_shortcut' finds, by the address of a light C function, another one that does the same for
** the usual arguments, on the stack where they are and without a frame: see lfastc.c. None is used while a hook is set,
** since hooks see calls.
*/

#ifndef lfast_h
#define lfast_h

#include "lauxlib.h"
#include "lobject.h"
#include "lshared.h"
#include "lstate.h"
#include "ltable.h"

#define keyisthis(n,ts)	(keyisshrstr(n) && keystrval(n) == (ts))

/* The place of a constant short key, if it is in the first two nodes of its chain; else NULL. */
static inline TValue *luaV_near (const Table *h, const TString *key) {
  Node *n = gnode(h, lmod(key->hash, sizenode(h)));
  if (!keyisthis(n, key)) {
    int nx = gnext(n);
    if (nx == 0) return NULL;
    n += nx;
    if (!keyisthis(n, key)) return NULL;
  }
  return gval(n);
}

/* The value of a field, through '__index' where that is a table; NULL if the old way has to be taken. */
LUAI_FUNC const TValue *luaV_far (lua_State *L, const TValue *t, const TString *key);

/*
** The steps of 'pairs' and 'ipairs' in a generic 'for' whose iterator is at 'ra': control variable and value get their
** places. 0 if the old way has to be taken.
*/
LUAI_FUNC int luaV_pairsstep (lua_State *L, StkId ra);
LUAI_FUNC int luaV_ipairsstep (lua_State *L, StkId ra);

/* Are two values equal? -1: ask 'luaV_equalobj'. */
static inline int luaV_equalnow (const TValue *a, const TValue *b) {
  lu_byte t = rawtt(a);
  if (t == rawtt(b)) {
    if (t == ctb(LUA_VSHRSTR)) return gcvalueraw(valraw(a)) == gcvalueraw(valraw(b));
    if (t == LUA_VNUMINT) return ivalueraw(valraw(a)) == ivalueraw(valraw(b));
    if (novariant(t) <= LUA_TBOOLEAN) return 1;
    if (t == ctb(LUA_VTABLE) && gcvalueraw(valraw(a)) == gcvalueraw(valraw(b))) return 1;
    return -1;
  }
  return novariant(t) != novariant(rawtt(b)) ? 0 : -1;
}

/*
** The length of a table, if its border is where it was last or beside that, as luaH_getn finds it; -1 if it has to be
** looked for.
*/
static inline lua_Integer luaV_lengthnow (const Table *t) {
  unsigned limit;
  if (t->asize == 0) return isdummy(t) ? 0 : -1;
  limit = *lenhint(t);
  if (limit == 0) limit = 1;
  if (tagisempty(*getArrTag(t, limit - 1))) {  /* one was removed */
    if (limit == 1) return 0;
    if (tagisempty(*getArrTag(t, limit - 2))) return -1;
    return *lenhint(t) = limit - 1;
  }
  if (limit < t->asize) {
    if (tagisempty(*getArrTag(t, limit))) return limit;
    *lenhint(t) = ++limit;  /* one was added */
    if (limit < t->asize)
      return tagisempty(*getArrTag(t, limit)) ? cast(lua_Integer, limit) : -1;
  }
  return isdummy(t) ? cast(lua_Integer, limit) : -1;
}


/*
** Does what a library function would do: the function is at 'func', its arguments follow. Returns the number of
** results, which are where the function was, or -1 if nothing was done.
*/
typedef int (*luaV_Shortcut) (lua_State *L, StkId func, int nargs);

/*
** The functions, by their distance from one of them: so a build has the same places in every run. The factor is chosen
** so that no two are in one place.
*/
#define LOGSHORTCUTS	8
typedef struct luaV_Shortcuts {
  unsigned factor;
  struct { lua_CFunction f; luaV_Shortcut shortcut; } place[1 << LOGSHORTCUTS];
} luaV_Shortcuts;
LUAI_DDEC(luaV_Shortcuts luaV_shortcuts;)

LUAI_FUNC int luaB_next (lua_State *L);
LUAI_FUNC int luaB_ipairsaux (lua_State *L);

static inline unsigned luaV_shortcutplace (lua_CFunction f) {
  size_t far = cast_sizet(f) - cast_sizet(luaB_next);
  return (cast_uint(far) * luaV_shortcuts.factor) >> (32 - LOGSHORTCUTS);
}

static inline luaV_Shortcut luaV_shortcut (lua_CFunction f) {
  unsigned i = luaV_shortcutplace(f);
  return luaV_shortcuts.place[i].f == f ? luaV_shortcuts.place[i].shortcut : NULL;
}

/* What the libraries have (at the ends of lbaselib.c and others). */
LUAI_DDEC(const luaL_Reg *const luaB_functions;)
LUAI_DDEC(const luaL_Reg *const luaB_mathfunctions;)
LUAI_DDEC(const luaL_Reg *const luaB_stringfunctions;)
LUAI_DDEC(const luaL_Reg *const luaB_tablefunctions;)

#endif
