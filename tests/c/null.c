/* A service that cannot be created. */
#include "skynet.h"

void *
null_create(void) {
	return NULL;
}

int
null_init(void *inst, struct skynet_context *ctx, const char *param) {
	(void)inst;
	(void)param;
	skynet_error(ctx, "initialised");
	return 0;
}
