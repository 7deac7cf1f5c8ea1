/*
** Library functions without a frame, and lookups that go further than the interpreter's loop; see lfast.h.
**
** A function here does what the one of the library does, for the arguments that it nearly always gets, and leaves
** everything else to it: arguments that are missing or have to be converted, metatables, shared tables, errors. It
** writes to the stack last, when nothing can go wrong any more, or when what can is running out of memory, which is an
** error of the same text. It calls no Lua, and does not run the collector: the loop does that afterwards, for those
** that make strings.
**
** Where results need more of the stack than the arguments had, there has to be room (EXTRA_STACK is for the API).
*/

#define lfastc_c
#define LUA_CORE

#include "lprefix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lua.h"

#include "ldo.h"
#include "lfast.h"
#include "lgc.h"
#include "lstring.h"
#include "ltm.h"
#include "lvm.h"


/* Longer chains of '__index' are walked by the old way, which also says when one has no end. */
#define LONGEST	16


const TValue *luaV_far (lua_State *L, const TValue *t, const TString *key) {
  global_State *g = G(L);
  const TString *index = g->tmname[TM_INDEX];
  Table *h, *mt;
  int loop;
  if (ttistable(t)) h = hvalue(t);
  else {
    if (ttisstring(t)) mt = g->mt[LUA_TSTRING];
    else if (ttisfulluserdata(t)) mt = uvalue(t)->metatable;
    else return NULL;
    if (mt == NULL || checknoTM(mt, TM_INDEX)) return NULL;  /* an error */
    h = NULL;
  }
  for (loop = 0; loop < LONGEST; loop++) {
    Node *n;
    if (h != NULL) {
      n = gnode(h, lmod(key->hash, sizenode(h)));
      for (;;) {
        if (keyisthis(n, key)) {
          if (!isempty(gval(n))) return gval(n);
          if (islazy(gval(n))) return NULL;
          break;
        }
        if (gnext(n) == 0) break;
        n += gnext(n);
      }
      mt = h->metatable;
      if (checknoTM(mt, TM_INDEX)) return &g->nilvalue;
    }
    if (isshared(mt)) return NULL;
    n = gnode(mt, lmod(index->hash, sizenode(mt)));
    while (!keyisthis(n, index)) {
      if (gnext(n) == 0) return NULL;  /* and it will be remembered */
      n += gnext(n);
    }
    if (!ttistable(gval(n))) return NULL;
    h = hvalue(gval(n));
  }
  return NULL;
}


/*
** The closing value of such a loop is nil, and what is in its place beside the tag belongs to nobody: the number of the
** node that the last step came to. It is looked at before it is believed.
*/
int luaV_pairsstep (lua_State *L, StkId ra) {
  const TValue *key = s2v(ra + 3);
  Table *t;
  unsigned i, asize, size;
  UNUSED(L);
  if (!ttistable(s2v(ra + 1)) || !ttisnil(s2v(ra + 2))) return 0;
  t = hvalue(s2v(ra + 1));
  asize = t->asize;
  size = cast_uint(sizenode(t));
  if (ttisnil(key)) i = 0;
  else if (ttisinteger(key) && l_castS2U(ivalue(key)) - 1u < asize)
    i = cast_uint(ivalue(key));
  else {
    Node *n;
    i = cast_uint(valraw(s2v(ra + 2)).i);
    if (i >= size) return 0;
    n = gnode(t, i);
    if (keytt(n) != rawtt(key) || keyval(n).i != valraw(key).i) return 0;
    i += asize + 1;
  }
  for (; i < asize; i++) {
    lu_byte tag = *getArrTag(t, i);
    if (!tagisempty(tag)) {
      setivalue(s2v(ra + 3), cast_st2S(i) + 1);
      farr2val(t, i, tag, s2v(ra + 4));
      return 1;
    }
  }
  for (i -= asize; i < size; i++) {
    Node *n = gnode(t, i);
    if (!isempty(gval(n))) {
      valraw(s2v(ra + 2)).i = cast_st2S(i);
      getnodekey(L, s2v(ra + 3), n);
      setobj2s(L, ra + 4, gval(n));
      return 1;
    }
    if (islazy(gval(n))) return 0;
  }
  setnilvalue(s2v(ra + 3));
  setnilvalue(s2v(ra + 4));
  return 1;
}


int luaV_ipairsstep (lua_State *L, StkId ra) {
  Table *t;
  lua_Unsigned i;
  UNUSED(L);
  if (!ttistable(s2v(ra + 1)) || !ttisinteger(s2v(ra + 3))) return 0;
  t = hvalue(s2v(ra + 1));
  i = l_castS2U(ivalue(s2v(ra + 3)));
  if (i < t->asize) {
    lu_byte tag = *getArrTag(t, i);
    if (!tagisempty(tag)) {
      chgivalue(s2v(ra + 3), l_castU2S(i + 1));
      farr2val(t, i, tag, s2v(ra + 4));
      return 1;
    }
  }
  else if (!isdummy(t)) return 0;  /* it may be there */
  if (t->metatable != NULL) return 0;
  setnilvalue(s2v(ra + 3));
  setnilvalue(s2v(ra + 4));
  return 1;
}


/* {================================================================== math */

static int giveinteger (StkId func, lua_Integer n) {
  setivalue(s2v(func), n);
  return 1;
}


static int givefloat (StkId func, lua_Number x) {
  setfltvalue(s2v(func), x);
  return 1;
}


/* A float without a fraction. */
static int givewhole (StkId func, lua_Number x) {
  lua_Integer n;
  return lua_numbertointeger(x, &n) ? giveinteger(func, n) : givefloat(func, x);
}


static int mathfloor (lua_State *L, StkId func, int nargs) {
  const TValue *x = s2v(func + 1);
  UNUSED(L);
  if (nargs < 1 || !ttisnumber(x)) return -1;
  return ttisinteger(x) ? giveinteger(func, ivalue(x)) : givewhole(func, l_mathop(floor)(fltvalue(x)));
}


static int mathceil (lua_State *L, StkId func, int nargs) {
  const TValue *x = s2v(func + 1);
  UNUSED(L);
  if (nargs < 1 || !ttisnumber(x)) return -1;
  return ttisinteger(x) ? giveinteger(func, ivalue(x)) : givewhole(func, l_mathop(ceil)(fltvalue(x)));
}


static int mathsqrt (lua_State *L, StkId func, int nargs) {
  const TValue *x = s2v(func + 1);
  UNUSED(L);
  if (nargs < 1 || !ttisnumber(x)) return -1;
  return givefloat(func, l_mathop(sqrt)(ttisfloat(x) ? fltvalue(x) : cast_num(ivalue(x))));
}


static int mathabs (lua_State *L, StkId func, int nargs) {
  const TValue *x = s2v(func + 1);
  UNUSED(L);
  if (nargs < 1 || !ttisnumber(x)) return -1;
  if (ttisfloat(x)) return givefloat(func, l_mathop(fabs)(fltvalue(x)));
  return giveinteger(func, ivalue(x) < 0 ? l_castU2S(0u - l_castS2U(ivalue(x))) : ivalue(x));
}


/* Two numbers of one kind; -1: something else. */
static int isless (const TValue *a, const TValue *b) {
  if (ttisinteger(a) && ttisinteger(b)) return ivalue(a) < ivalue(b);
  if (ttisfloat(a) && ttisfloat(b)) return luai_numlt(fltvalue(a), fltvalue(b));
  if (ttisnumber(a) && ttisnumber(b)) return luaV_lessthan(NULL, a, b);
  return -1;
}


static int mathmax (lua_State *L, StkId func, int nargs) {
  const TValue *most = s2v(func + 1);
  int i;
  if (nargs < 2) return -1;
  for (i = 2; i <= nargs; i++) {
    int less = isless(most, s2v(func + i));
    if (less < 0) return -1;
    if (less) most = s2v(func + i);
  }
  setobj(L, s2v(func), most);
  return 1;
}


static int mathmin (lua_State *L, StkId func, int nargs) {
  const TValue *least = s2v(func + 1);
  int i;
  if (nargs < 2) return -1;
  for (i = 2; i <= nargs; i++) {
    int less = isless(s2v(func + i), least);
    if (less < 0) return -1;
    if (less) least = s2v(func + i);
  }
  setobj(L, s2v(func), least);
  return 1;
}


static int mathtointeger (lua_State *L, StkId func, int nargs) {
  const TValue *x = s2v(func + 1);
  lua_Integer n;
  UNUSED(L);
  if (nargs < 1 || !ttisnumber(x)) return -1;
  if (ttisinteger(x)) return giveinteger(func, ivalue(x));
  if (luaV_flttointeger(fltvalue(x), &n, F2Ieq)) return giveinteger(func, n);
  setnilvalue(s2v(func));
  return 1;
}


static int mathtype (lua_State *L, StkId func, int nargs) {
  const TValue *x = s2v(func + 1);
  if (nargs < 1 || !ttisnumber(x)) return -1;
  setsvalue2s(L, func, luaS_new(L, ttisinteger(x) ? "integer" : "float"));
  return 1;
}

/* }================================================================== */


/* {================================================================== string */

/* A position as the library counts: from the end if it is negative. */
static size_t position (lua_Integer pos, size_t len) {
  if (pos >= 0) return cast_sizet(pos);
  if (pos < -cast_st2S(len)) return 0;
  return len + cast_sizet(pos) + 1;
}


static int stringbyte (lua_State *L, StkId func, int nargs) {
  const char *s;
  size_t len, i, from = 1, to;
  if (nargs < 1 || nargs > 3 || !ttisstring(s2v(func + 1))) return -1;
  s = getlstr(tsvalue(s2v(func + 1)), len);
  if (nargs >= 2) {
    if (!ttisinteger(s2v(func + 2))) return -1;
    from = position(ivalue(s2v(func + 2)), len);
  }
  to = from;
  if (nargs == 3) {
    if (!ttisinteger(s2v(func + 3))) return -1;
    to = position(ivalue(s2v(func + 3)), len);
  }
  else if (from == 0) return -1;  /* in front of the text, or 0 */
  if (from == 0) from = 1;
  if (to > len) to = len;
  if (from > to) return 0;
  if (to - from >= 8 || L->stack_last.p - func <= 10) return -1;
  for (i = from; i <= to; i++)
    setivalue(s2v(func + (i - from)), cast_uchar(s[i - 1]));
  return cast_int(to - from) + 1;
}


static int stringsub (lua_State *L, StkId func, int nargs) {
  const char *s;
  size_t len, from, to;
  if (nargs < 2 || nargs > 3 || !ttisstring(s2v(func + 1)) || !ttisinteger(s2v(func + 2))) return -1;
  s = getlstr(tsvalue(s2v(func + 1)), len);
  from = position(ivalue(s2v(func + 2)), len);
  to = len;
  if (nargs == 3) {
    if (!ttisinteger(s2v(func + 3))) return -1;
    to = position(ivalue(s2v(func + 3)), len);
    if (to > len) to = len;
  }
  if (from == 0) from = 1;
  if (from > to) { setsvalue2s(L, func, luaS_newlstr(L, "", 0)); }
  else { setsvalue2s(L, func, luaS_newlstr(L, s + from - 1, to - from + 1)); }
  return 1;
}


static int stringchar (lua_State *L, StkId func, int nargs) {
  char s[8];
  int i;
  if (nargs < 1 || nargs > 8) return -1;
  for (i = 0; i < nargs; i++) {
    const TValue *c = s2v(func + 1 + i);
    if (!ttisinteger(c) || l_castS2U(ivalue(c)) > 255) return -1;
    s[i] = cast_char(ivalue(c));
  }
  setsvalue2s(L, func, luaS_newlstr(L, s, cast_sizet(nargs)));
  return 1;
}


static int stringlen (lua_State *L, StkId func, int nargs) {
  UNUSED(L);
  if (nargs < 1 || !ttisstring(s2v(func + 1))) return -1;
  setivalue(s2v(func), cast_st2S(tsslen(tsvalue(s2v(func + 1)))));
  return 1;
}

/* }================================================================== */


/* {================================================================== table */

/* A table that is nothing but a table. */
static Table *plain (const TValue *o) {
  return ttistable(o) && hvalue(o)->metatable == NULL ? hvalue(o) : NULL;
}


/* Elements lie backwards, their tags forwards. */
static void moveelements (Table *t, unsigned to, unsigned from, unsigned n) {
  memmove(getArrVal(t, to + n - 1), getArrVal(t, from + n - 1), n * sizeof(Value));
  memmove(getArrTag(t, to), getArrTag(t, from), n);
}


static int tableinsert (lua_State *L, StkId func, int nargs) {
  Table *t;
  const TValue *v;
  lua_Integer n;
  lua_Unsigned at;
  if (nargs < 2 || nargs > 3 || (t = plain(s2v(func + 1))) == NULL) return -1;
  n = luaV_lengthnow(t);
  if (n < 0 || n >= t->asize) return -1;
  v = s2v(func + nargs);
  at = l_castS2U(n);
  if (nargs == 3) {
    if (!ttisinteger(s2v(func + 2))) return -1;
    at = l_castS2U(ivalue(s2v(func + 2))) - 1u;
    if (at > l_castS2U(n)) return -1;
    if (at < l_castS2U(n))
      moveelements(t, cast_uint(at) + 1, cast_uint(at), cast_uint(l_castS2U(n) - at));
  }
  obj2arr(t, cast_uint(at), v);
  luaC_barrierback(L, obj2gco(t), v);
  return 0;
}


static int tableremove (lua_State *L, StkId func, int nargs) {
  Table *t;
  lua_Integer n;
  unsigned at;
  UNUSED(L);
  if (nargs < 1 || nargs > 2 || (t = plain(s2v(func + 1))) == NULL) return -1;
  n = luaV_lengthnow(t);
  if (n <= 0) return -1;
  at = cast_uint(n) - 1;
  if (nargs == 2) {
    lua_Unsigned pos;
    if (!ttisinteger(s2v(func + 2))) return -1;
    pos = l_castS2U(ivalue(s2v(func + 2))) - 1u;
    if (pos > at) return -1;
    at = cast_uint(pos);
  }
  farr2val(t, at, *getArrTag(t, at), s2v(func));
  if (at + 1 < cast_uint(n))
    moveelements(t, at, at + 1, cast_uint(n) - 1 - at);
  *getArrTag(t, n - 1) = LUA_VNIL;
  return 1;
}


static int tableunpack (lua_State *L, StkId func, int nargs) {
  Table *t;
  lua_Integer from = 1, to;
  int i, n;
  if (nargs < 1 || nargs > 3 || (t = plain(s2v(func + 1))) == NULL) return -1;
  if (nargs >= 2) {
    if (!ttisinteger(s2v(func + 2))) return -1;
    from = ivalue(s2v(func + 2));
  }
  if (nargs == 3 && !ttisnil(s2v(func + 3))) {
    if (!ttisinteger(s2v(func + 3))) return -1;
    to = ivalue(s2v(func + 3));
  }
  else if ((to = luaV_lengthnow(t)) < 0) return -1;
  if (from > to) return 0;
  if (from < 1 || to > t->asize || to - from >= 250) return -1;
  n = cast_int(to - from) + 1;
  if (L->stack_last.p - func <= n + 1) return -1;
  for (i = 0; i < n; i++) {
    unsigned k = cast_uint(from) - 1 + cast_uint(i);
    lu_byte tag = *getArrTag(t, k);
    if (tagisempty(tag)) setnilvalue(s2v(func + i));
    else farr2val(t, k, tag, s2v(func + i));
  }
  return n;
}

/* }================================================================== */


/* {================================================================== basic functions */

static int basictype (lua_State *L, StkId func, int nargs) {
  if (nargs < 1) return -1;
  setsvalue2s(L, func, luaS_new(L, ttypename(ttype(s2v(func + 1)))));
  return 1;
}


static int basicassert (lua_State *L, StkId func, int nargs) {
  int i;
  if (nargs < 1 || l_isfalse(s2v(func + 1))) return -1;
  for (i = 0; i < nargs; i++) setobjs2s(L, func + i, func + i + 1);
  return nargs;
}


static int basicselect (lua_State *L, StkId func, int nargs) {
  const TValue *which = s2v(func + 1);
  lua_Integer from;
  int i, n;
  if (nargs < 1) return -1;
  if (ttisshrstring(which) && *getshrstr(tsvalue(which)) == '#') {
    setivalue(s2v(func), nargs - 1);
    return 1;
  }
  if (!ttisinteger(which)) return -1;
  from = ivalue(which);
  if (from < 1) return -1;
  if (from >= nargs) return 0;
  n = nargs - cast_int(from);
  for (i = 0; i < n; i++) setobjs2s(L, func + i, func + 1 + cast_int(from) + i);
  return n;
}


static int basicnext (lua_State *L, StkId func, int nargs) {
  Table *t;
  unsigned i, size;
  const TValue *key = s2v(func + 2);
  if (nargs < 1 || nargs > 2 || !ttistable(s2v(func + 1))) return -1;
  t = hvalue(s2v(func + 1));
  if (nargs == 1 || ttisnil(key)) i = 0;
  else if (ttisinteger(key) && l_castS2U(ivalue(key)) - 1u < t->asize)
    i = cast_uint(ivalue(key));
  else if (ttisshrstring(key)) {
    const TValue *at = luaV_near(t, tsvalue(key));
    if (at == NULL) return -1;
    i = cast_uint(cast(const Node *, at) - gnode(t, 0)) + 1 + t->asize;
  }
  else return -1;
  for (; i < t->asize; i++) {
    lu_byte tag = *getArrTag(t, i);
    if (!tagisempty(tag)) {
      farr2val(t, i, tag, s2v(func + 1));
      setivalue(s2v(func), cast_st2S(i) + 1);
      return 2;
    }
  }
  size = cast_uint(sizenode(t));
  for (i -= t->asize; i < size; i++) {
    Node *n = gnode(t, i);
    if (!isempty(gval(n))) {
      getnodekey(L, s2v(func), n);
      setobj2s(L, func + 1, gval(n));
      return 2;
    }
    if (islazy(gval(n))) return -1;
  }
  setnilvalue(s2v(func));
  return 1;
}


static int basicpairs (lua_State *L, StkId func, int nargs) {
  if (nargs != 1 || plain(s2v(func + 1)) == NULL || L->stack_last.p - func <= 5) return -1;
  setfvalue(s2v(func), luaB_next);
  setnilvalue(s2v(func + 2));
  setnilvalue(s2v(func + 3));
  return 4;
}


static int basicipairs (lua_State *L, StkId func, int nargs) {
  if (nargs != 1 || L->stack_last.p - func <= 4) return -1;
  setfvalue(s2v(func), luaB_ipairsaux);
  setivalue(s2v(func + 2), 0);
  return 3;
}


static int basicrawget (lua_State *L, StkId func, int nargs) {
  lu_byte tag;
  TValue v;
  if (nargs < 2 || !ttistable(s2v(func + 1))) return -1;
  tag = luaH_get(hvalue(s2v(func + 1)), s2v(func + 2), &v);
  if (tagisempty(tag)) {
    if (tag == LUA_VLAZY) return -1;
    setnilvalue(s2v(func));
  }
  else { setobj2s(L, func, &v); }
  return 1;
}


static int basicsetmetatable (lua_State *L, StkId func, int nargs) {
  Table *t;
  const TValue *mt = s2v(func + 2);
  if (nargs != 2 || (t = plain(s2v(func + 1))) == NULL || !ttistable(mt)) return -1;
  t->metatable = hvalue(mt);
  luaC_objbarrier(L, t, hvalue(mt));
  luaC_checkfinalizer(L, obj2gco(t), hvalue(mt));
  sethvalue2s(L, func, t);
  return 1;
}


static int basictonumber (lua_State *L, StkId func, int nargs) {
  const TValue *x = s2v(func + 1);
  if (nargs != 1) return -1;
  if (ttisnumber(x)) { setobj2s(L, func, x); }
  else if (ttisshrstring(x)) {
    TValue v;
    if (luaO_str2num(getshrstr(tsvalue(x)), &v) != cast_sizet(tsvalue(x)->shrlen) + 1) return -1;
    setobj2s(L, func, &v);
  }
  else return -1;
  return 1;
}


static int basictostring (lua_State *L, StkId func, int nargs) {
  const TValue *x = s2v(func + 1);
  if (nargs < 1 || !ttisnumber(x) || G(L)->mt[LUA_TNUMBER] != NULL) return -1;
  setobj2s(L, func, x);
  luaO_tostring(L, s2v(func));
  return 1;
}

/* }================================================================== */


luaV_Shortcuts luaV_shortcuts;

typedef struct Named {
  const char *name;
  luaV_Shortcut shortcut;
} Named;

static const Named mathnames[] = {
  {"abs", mathabs}, {"ceil", mathceil}, {"floor", mathfloor}, {"max", mathmax}, {"min", mathmin},
  {"sqrt", mathsqrt}, {"tointeger", mathtointeger}, {"type", mathtype}, {NULL, NULL}
};
static const Named stringnames[] = {
  {"byte", stringbyte}, {"char", stringchar}, {"len", stringlen}, {"sub", stringsub}, {NULL, NULL}
};
static const Named tablenames[] = {
  {"insert", tableinsert}, {"remove", tableremove}, {"unpack", tableunpack}, {NULL, NULL}
};
static const Named basicnames[] = {
  {"assert", basicassert}, {"ipairs", basicipairs}, {"next", basicnext}, {"pairs", basicpairs}, {"rawget", basicrawget},
  {"select", basicselect}, {"setmetatable", basicsetmetatable}, {"tonumber", basictonumber},
  {"tostring", basictostring}, {"type", basictype}, {NULL, NULL}
};


/* Puts the functions into their places; 0 if a place is taken. */
static int addshortcuts (const luaL_Reg *all, const Named *names) {
  for (; names->name != NULL; names++) {
    const luaL_Reg *r = all;
    unsigned i;
    while (r->name != NULL && strcmp(r->name, names->name) != 0) r++;
    if (r->func == NULL) continue;
    i = luaV_shortcutplace(r->func);
    if (luaV_shortcuts.place[i].f != NULL) return 0;
    luaV_shortcuts.place[i].f = r->func;
    luaV_shortcuts.place[i].shortcut = names->shortcut;
  }
  return 1;
}


/* Before there is a thread that could look. */
__attribute__((constructor)) static void findshortcuts (void) {
  unsigned factor;
  for (factor = 0x9E3779B1u; ; factor += 0x61C88646u) {
    memset(&luaV_shortcuts, 0, sizeof(luaV_shortcuts));
    luaV_shortcuts.factor = factor;
    if (addshortcuts(luaB_mathfunctions, mathnames) &&
        addshortcuts(luaB_stringfunctions, stringnames) &&
        addshortcuts(luaB_tablefunctions, tablenames) &&
        addshortcuts(luaB_functions, basicnames))
      return;
  }
}
