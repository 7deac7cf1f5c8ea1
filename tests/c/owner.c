/* A service that owns one connection from its start: it takes over the socket whose id it is launched with, sends back
 * what comes, and ends with it. */
#include "skynet.h"
#include "skynet_socket.h"

#include <stdlib.h>

static int
on_message(struct skynet_context *ctx, void *ud, int type, int session, uint32_t source, const void *msg, size_t sz) {
	const struct skynet_socket_message *event = msg;
	(void)ud;
	(void)session;
	(void)source;
	(void)sz;
	if (type != PTYPE_SOCKET)
		return 0;
	switch (event->type) {
	case SKYNET_SOCKET_TYPE_DATA:
		skynet_socket_send(ctx, event->id, event->buffer, event->ud);
		break;
	case SKYNET_SOCKET_TYPE_CLOSE:
		skynet_socket_close(ctx, event->id);
		skynet_command(ctx, "EXIT", NULL);
		break;
	}
	return 0;
}

int
owner_init(void *self, struct skynet_context *ctx, const char *id) {
	(void)self;
	if (id == NULL)
		return 1;
	skynet_callback(ctx, NULL, on_message);
	skynet_socket_start(ctx, atoi(id));
	skynet_socket_nodelay(ctx, atoi(id));
	return 0;
}
