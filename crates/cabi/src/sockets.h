/* What the C side asks the Rust side for about sockets. The same as `Host` in sockets.rs. */
#ifndef SKYNET_CABI_SOCKETS_H
#define SKYNET_CABI_SOCKETS_H

#include "skynet_socket.h"

/* What `act` does. */
enum {
	SOCKET_CLOSE,
	SOCKET_SHUTDOWN,
	SOCKET_START,
	SOCKET_PAUSE,
	SOCKET_NODELAY,
};

/* What `open` makes. `extra` is a backlog, or the id of a UDP socket. */
enum {
	SOCKET_LISTEN,
	SOCKET_CONNECT,
	SOCKET_BIND,
	SOCKET_UDP,
	SOCKET_UDP_CONNECT,
	SOCKET_UDP_DIAL,
	SOCKET_UDP_LISTEN,
};

struct skynet_socket_host {
	int (*open)(struct skynet_context *ctx, int what, const char *host, int port, int extra);
	void (*act)(struct skynet_context *ctx, int what, int id);
	/* `own`: the block is given away. */
	int (*send)(struct skynet_context *ctx, int id, void *block, size_t size, int own, int low);
	int (*udp_send)(struct skynet_context *ctx, int id, const char *address, const void *bytes, size_t size);
};

void cabi_install_sockets(const struct skynet_socket_host *host);

#endif
