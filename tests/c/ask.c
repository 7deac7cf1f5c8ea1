/* A C module for Lua that talks to services through the functions of skynet.h. */
#include "skynet.h"

#include "lauxlib.h"
#include "lua.h"

static struct skynet_context *
context(lua_State *L) {
	lua_getfield(L, LUA_REGISTRYINDEX, "skynet_context");
	struct skynet_context *ctx = lua_touserdata(L, -1);
	lua_pop(L, 1);
	return ctx;
}

/* post(handle, text) */
static int
post(lua_State *L) {
	size_t size;
	const char *text = luaL_checklstring(L, 2, &size);
	int session = skynet_send(context(L), 0, (uint32_t)luaL_checkinteger(L, 1), PTYPE_TEXT, 0, (void *)text, size);
	lua_pushinteger(L, session);
	return 1;
}

/* block(text): a block for skynet.send, which owns it then */
static int
block(lua_State *L) {
	size_t size;
	const char *text = luaL_checklstring(L, 1, &size);
	char *copy = skynet_malloc(size);
	for (size_t i = 0; i < size; i++)
		copy[i] = text[i];
	lua_pushlightuserdata(L, copy);
	lua_pushinteger(L, (lua_Integer)size);
	return 2;
}

static int
take(lua_State *L) {
	skynet_callback(context(L), NULL, NULL);
	return 0;
}

int
luaopen_ask(lua_State *L) {
	luaL_checkversion(L);
	luaL_Reg functions[] = { { "post", post }, { "block", block }, { "take", take }, { NULL, NULL } };
	luaL_newlib(L, functions);
	return 1;
}
