/*
** Functions of a module that are made when they are first read.
**
** A service that loads a large code base gets a table with some hundred functions, of which it calls a few; the others
** cost it a closure each, which is made, marked, swept and freed. So the statement `function M.f () ... end` in the
** main chunk of a shared file puts a mark into the table instead, which says "the function number n of that chunk, with
** these variables". Whoever reads the field gets a closure, which from then on is the field's value. Nobody can tell
** the difference: an unmade function has no identity that anybody could know, and its variables are the same whenever
** the closure is made.
**
** The mark is a value with a tag that Lua uses for the absence of a value (a variant of nil), so that the fast paths of
** the VM, which look for nil, need no change: they take the slow path, where the closure is made (luaV_finishget,
** lua_rawget, luaH_next). What asks whether a place of a table is *free* has to look twice: inserting, counting,
** copying, the collector.
**
** The variables are in a frame: a closure that nobody can call, with the upvalues of the main chunk, and behind them
** one for each register. It is made with the first unmade function of a chunk, and shared by all whose variables agree
** with it. So the collector knows already how to deal with it. The mark has the address of the frame in its lower 48
** bits, and the number of the function above. If either does not fit, the closure is made at once.
**
** When the file is shared, the functions are found that may be treated like that (luaS_findlazy): the instruction that
** makes the closure is followed by the assignment to a field, whose name is a short string and not that of a
** metamethod, and the register is not a variable. When they are executed, the table must have no metatable, and no hook
** may be set: hooks count instructions.
**
** Weak tables: nobody but the table refers to an unmade function, so the collector removes those that are weak values.
**
** Reading a field must not fail where it did not before: the allocator is told (LAZYKIND) to give the memory in any
** case, and no collection runs. The debt is left for the next allocation.
*/

#define llazy_c
#define LUA_CORE

#include "lprefix.h"

#include <stdlib.h>
#include <string.h>

#include "lua.h"

#include "ldebug.h"
#include "lfunc.h"
#include "lgc.h"
#include "lobject.h"
#include "lopcodes.h"
#include "lshared.h"
#include "lstate.h"
#include "lstring.h"
#include "ltable.h"


/* Where the table of an assignment is, and the register with the name of the field, if it is not a constant. */
#define isfieldset(i)	(GET_OPCODE(i) == OP_SETFIELD || GET_OPCODE(i) == OP_SETTABLE)


/* Names of metamethods: Lua looks for these without reading them. */
static int plainname (const TValue *k) {
  const char *s;
  if (!ttisshrstring(k)) return 0;
  s = getshrstr(tsvalue(k));
  return !(s[0] == '_' && s[1] == '_');
}


/*
** {======================================================
** Finding them, when a file is shared
** =======================================================
*/

/* The variable that is in a register before the instruction 'pc' is executed. */
static const LocVar *variable (const Proto *f, int reg, int pc) {
  int i;
  for (i = 0; i < f->sizelocvars && f->locvars[i].startpc <= pc; i++) {
    if (pc < f->locvars[i].endpc && reg-- == 0)
      return &f->locvars[i];
  }
  return NULL;
}


/* Does the instruction 'pc' assign the function that the one before has made to a field, and nothing more? The name, or NULL. */
static const TValue *assignedname (const Proto *f, int pc) {
  Instruction make = f->code[pc - 1], set = f->code[pc];
  int reg = GETARG_A(make);
  const TValue *name = NULL;
  if (!isfieldset(set) || TESTARG_k(set) || GETARG_C(set) != reg || GETARG_A(set) == reg || variable(f, reg, pc))
    return NULL;
  if (GET_OPCODE(set) == OP_SETFIELD)
    name = &f->k[GETARG_B(set)];
  else if (pc >= 2 && GET_OPCODE(f->code[pc - 2]) == OP_LOADK && GETARG_A(f->code[pc - 2]) == GETARG_B(set) &&
           GETARG_B(set) != reg)
    name = &f->k[GETARG_Bx(f->code[pc - 2])];
  return (name != NULL && plainname(name)) ? name : NULL;
}


/*
** Marks the functions in 'f', the main chunk of a file, that need not be made at once, and makes the tables that they
** are assigned to large enough from the start. 'f' is not shared yet. Without memory, nothing happens.
*/
void luaS_findlazy (Proto *f) {
  int pc, i;
  int *made;  /* for each register: one more than the last OP_NEWTABLE */
  int *seen;  /* for each constant: the table that it was last found to be a field of */
  unsigned int *count;  /* for each instruction that makes a table: fields */
  if (f->sizelineinfo == 0) return;  /* without debug information, which registers are variables is not known */
  made = cast(int *, calloc(256 + cast_sizet(f->sizek) + cast_sizet(f->sizecode), sizeof(int)));
  if (made == NULL) return;
  seen = made + 256;
  count = cast(unsigned int *, seen + f->sizek);
  for (pc = 0; pc < f->sizecode; pc++) {
    Instruction i1 = f->code[pc];
    const TValue *name;
    if (GET_OPCODE(i1) == OP_NEWTABLE)
      made[GETARG_A(i1)] = pc + 1;
    if (GET_OPCODE(i1) == OP_CLOSURE && pc + 1 < f->sizecode && (name = assignedname(f, pc + 1)) != NULL) {
      int reg = GETARG_A(f->code[pc + 1]);
      const LocVar *v = variable(f, reg, pc);
      f->p[GETARG_Bx(i1)]->flag |= PF_LAZY;
      if (v != NULL && made[reg] > 0 && v->startpc >= made[reg]) {
        int *last = &seen[name - f->k];
        if (*last != made[reg]) count[made[reg] - 1]++;
        *last = made[reg];
      }
    }
  }
  for (pc = 0; pc < f->sizecode; pc++) {
    if (count[pc] > 0) {
      int b = GETARG_vB(f->code[pc]);
      unsigned int fields = count[pc] + (b > 0 ? 1u << (b - 1) : 0);
      i = luaO_ceillog2(fields) + 1;
      if (i <= MAXARG_vB) SETARG_vB(f->code[pc], i);
    }
  }
  free(made);
}

/* }====================================================== */


/*
** {======================================================
** Marks in tables
** =======================================================
*/

/*
** The frame for a function with prototype 'p', with its variables filled in. NULL if there are too many registers for a
** closure. It is the state's current one: that of the last unmade function, until a collection ends its being kept. (An
** emergency collection, which may happen here, keeps it.)
*/
static LClosure *getframe (lua_State *L, LClosure *cl, StkId base, const Proto *p) {
  global_State *g = G(L);
  LClosure *frame = g->lazyframe;
  int ups = cl->p->sizeupvalues;
  int fresh = (frame == NULL || frame->p != cl->p);
  int i;
  if (ups + cl->p->maxstacksize > MAXUPVAL) return NULL;
  for (;;) {
    if (fresh) {
      frame = luaF_newLclosure(L, ups + cl->p->maxstacksize);
      frame->p = cl->p;
      g->lazyframe = frame;
    }
    for (i = 0; i < p->sizeupvalues; i++) {
      const Upvaldesc *d = &p->upvalues[i];
      UpVal *uv = d->instack ? luaF_findupval(L, base + d->idx) : cl->upvals[d->idx];
      UpVal **place = &frame->upvals[d->instack ? ups + d->idx : d->idx];
      if (*place != NULL && *place != uv) break;  /* another variable in the same register, or another run of the chunk */
      *place = uv;
      luaC_objbarrier(L, frame, uv);
    }
    if (i == p->sizeupvalues) return frame;
    fresh = 1;
  }
}


/*
** Executes the instruction before 'pc', which makes a function, and the one at 'pc', which assigns it to a field,
** without making it. Returns 0 if that is not possible.
*/
int luaS_setlazy (lua_State *L, LClosure *cl, StkId base, const Instruction *pc) {
  Instruction make = pc[-1], set = pc[0];
  const TValue *o = s2v(base + GETARG_A(set));
  TValue name, v;
  unsigned int n = cast_uint(GETARG_Bx(make));
  LClosure *frame;
  Table *t;
  int hres;
  if (L->ci->u.l.trap || !ttistable(o)) return 0;
  t = hvalue(o);
  if (t->metatable != NULL || hassharednodes(t) || n > LAZYMAX) return 0;
  if (GET_OPCODE(set) == OP_SETFIELD) {
    setobj(L, &name, &cl->p->k[GETARG_B(set)]);
  }
  else {
    setobj(L, &name, s2v(base + GETARG_B(set)));  /* may be another one than has been seen: 'M[x or "name"]' */
  }
  if (!plainname(&name)) return 0;
  frame = getframe(L, cl, base, cl->p->p[n]);
  if (frame == NULL || !lazyfits(frame)) return 0;
  setlazy(&v, frame, n);
  hres = luaH_psetshortstr(t, tsvalue(&name), &v);
  if (hres != HOK) luaH_finishset(L, t, &name, &v, hres);
  invalidateTMcache(t);
  if (isblack(t) && iswhite(frame)) luaC_barrierback_(L, obj2gco(t));
  setnilvalue(s2v(base + GETARG_A(make)));  /* the collector looks at it next */
  return 1;
}


/* A closure, whatever the service's limit of memory is. No collection runs. */
static LClosure *newclosure (lua_State *L, int n) {
  global_State *g = G(L);
  size_t size = cast_sizet(sizeLclosure(n));
  GCObject *o = cast(GCObject *, (*g->frealloc)(g->ud, NULL, LAZYKIND, size));
  if (l_unlikely(o == NULL)) return luaF_newLclosure(L, n);
  g->GCdebt -= cast(l_mem, size);
  o->marked = luaC_white(g);
  o->tt = LUA_VLCL;
  o->next = g->allgc;
  g->allgc = o;
  gco2lcl(o)->nupvalues = cast_byte(n);
  return gco2lcl(o);
}


/* Makes the function that is marked in 'slot', a place of 't'. */
void luaS_makelazy (lua_State *L, Table *t, TValue *slot) {
  const LClosure *frame = lazyframe(slot);
  Proto *p = frame->p->p[lazynumber(slot)];
  int ups = frame->p->sizeupvalues;
  LClosure *cl = newclosure(L, p->sizeupvalues);
  int i;
  cl->p = p;
  for (i = 0; i < p->sizeupvalues; i++) {
    const Upvaldesc *d = &p->upvalues[i];
    cl->upvals[i] = frame->upvals[d->instack ? ups + d->idx : d->idx];
  }
  setclLvalue(L, slot, cl);
  luaC_barrierback(L, obj2gco(t), slot);
}


/* Makes the function that is marked in the field 'key' of 't', and copies it to 'res'. */
lu_byte luaS_getlazy (lua_State *L, Table *t, const TValue *key, TValue *res) {
  TString *name = tsvalue(key);
  TValue *slot;
  if (!strisshr(name)) name = luaS_normstr(L, name);  /* its bytes are elsewhere; it is there already as the key */
  slot = cast(TValue *, luaH_Hgetshortstr(t, name));
  luaS_makelazy(L, t, slot);
  setobj(L, res, slot);
  return ttypetag(slot);
}


/* Makes all functions that are marked in 't'. */
void luaS_makeall (lua_State *L, Table *t) {
  unsigned int i;
  if (hassharednodes(t)) return;
  for (i = 0; i < sizenode(t); i++) {
    if (islazy(gval(gnode(t, i)))) luaS_makelazy(L, t, gval(gnode(t, i)));
  }
}

/* }====================================================== */
