/* The least that is a service: no instance, no release. It is also a log service. In a file of another name, `some.plain.so`. */
#include "skynet.h"

#include <stdio.h>
#include <stdint.h>

static int
message(struct skynet_context *ctx, void *ud, int type, int session, uint32_t source, const void *msg, size_t sz) {
	(void)ctx;
	(void)ud;
	(void)session;
	if (type == PTYPE_TEXT) {
		printf("plain <%08x> %.*s\n", source, (int)sz, (const char *)msg);
		fflush(stdout);
	}
	return 0;
}

int
plain_init(void *inst, struct skynet_context *ctx, const char *param) {
	printf("plain instance %s, %s\n", inst == (void *)UINTPTR_MAX ? "none" : "?", param == NULL ? "NULL" : param);
	fflush(stdout);
	skynet_callback(ctx, NULL, message);
	if (param != NULL && *param == 'x')
		skynet_context_reserve(ctx); /* the node may end though this service goes on */
	return 0;
}
