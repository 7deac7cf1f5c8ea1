/*
** The layouts of Lua's objects that src/layout.rs knows. If one of them is another in this build, this file does not
** compile. Nothing else checks them.
**
** All of this holds for Lua as it is published, too.
*/

#define llayout_c
#define LUA_CORE

#include "lprefix.h"

#include <stddef.h>

#include "lua.h"

#include "lobject.h"
#include "lstate.h"
#include "ltable.h"
#ifdef SKYNET_SHARED_CODE
#include "lshared.h"
#endif

#define holds(c)	_Static_assert(c, #c)
#define at(type, field, offset)	holds(offsetof(type, field) == offset)

holds(sizeof(TValue) == 16 && offsetof(TValue, value_) == 0 && offsetof(TValue, tt_) == 8);
holds(sizeof(StackValue) == 16);
holds(offsetof(lua_State, status) == 11 && sizeof(((lua_State *)0)->status) == 1);
holds(offsetof(lua_State, top) == 16);
holds(offsetof(lua_State, ci) == 32);
holds(offsetof(CallInfo, func) == 0 && offsetof(CallInfo, top) == 8 && offsetof(CallInfo, previous) == 16);
holds(offsetof(Table, lsizenode) == 11 && sizeof(((Table *)0)->lsizenode) == 1);
holds(offsetof(Table, asize) == 12 && sizeof(((Table *)0)->asize) == 4);
holds(offsetof(Table, array) == 16 && offsetof(Table, node) == 24 && offsetof(Table, metatable) == 32);
holds(sizeof(Node) == 24 && offsetof(Node, u.key_tt) == 9 && offsetof(Node, u.key_val) == 16);
holds(offsetof(TString, shrlen) == 11 && sizeof(((TString *)0)->shrlen) == 1);
holds(offsetof(TString, u) == 16 && offsetof(TString, contents) == 24);
holds(LUA_VNIL == 0x00 && LUA_VFALSE == 0x01 && LUA_VTRUE == 0x11);
holds(LUA_VNUMINT == 0x03 && LUA_VNUMFLT == 0x13 && LUA_VLIGHTUSERDATA == 0x02);
holds(LUA_VLCF == 0x16);
#ifdef SKYNET_SHARED_CODE
holds(LUA_VLAZY == 0x30);
holds(ctb(LUA_VFORSTR) == 0x74 && ctb(LUA_VSHRTAB) == 0x55);
#endif
holds(LUA_VSHRSTR == 0x04 && LUA_VLNGSTR == 0x14 && LUA_VTABLE == 0x05 && BIT_ISCOLLECTABLE == 0x40);

/* What is fetched ahead of a message. */
holds(sizeof(void *) == 8);
holds(sizeof(lua_State) == 208);
at(lua_State, l_G, 24);
at(lua_State, stack_last, 40);
at(lua_State, stack, 48);
at(lua_State, base_ci, 96);
holds(sizeof(CallInfo) == 64);
at(CallInfo, next, 24);
at(CallInfo, callstatus, 60);
holds(CIST_NRESULTS == 0xff);
at(LClosure, nupvalues, 10);
holds(sizeof(((LClosure *)0)->nupvalues) == 1);
at(LClosure, p, 24);
at(LClosure, upvals, 32);
holds(sizeof(Proto) == 128);
at(Proto, sizek, 20);
at(Proto, sizecode, 24);
at(Proto, k, 56);
at(Proto, code, 64);
holds(sizeof(Instruction) == 4);
holds(sizeof(UpVal) == 40);
at(UpVal, v, 16);
holds(sizeof(Table) == 48);
holds(LUA_VLCL == 0x06);
