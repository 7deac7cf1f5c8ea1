/* The functions of skynet_socket.h, which services written in C call. See shim.c for why they are C. */
#include "sockets.h"

static const struct skynet_socket_host *host;

void
cabi_install_sockets(const struct skynet_socket_host *table) {
	host = table;
}

int
skynet_socket_listen(struct skynet_context *ctx, const char *address, int port, int backlog) {
	return host->open(ctx, SOCKET_LISTEN, address, port, backlog);
}

int
skynet_socket_connect(struct skynet_context *ctx, const char *address, int port) {
	return host->open(ctx, SOCKET_CONNECT, address, port, 0);
}

int
skynet_socket_bind(struct skynet_context *ctx, int fd) {
	return host->open(ctx, SOCKET_BIND, NULL, 0, fd);
}

void
skynet_socket_close(struct skynet_context *ctx, int id) {
	host->act(ctx, SOCKET_CLOSE, id);
}

void
skynet_socket_shutdown(struct skynet_context *ctx, int id) {
	host->act(ctx, SOCKET_SHUTDOWN, id);
}

void
skynet_socket_start(struct skynet_context *ctx, int id) {
	host->act(ctx, SOCKET_START, id);
}

void
skynet_socket_pause(struct skynet_context *ctx, int id) {
	host->act(ctx, SOCKET_PAUSE, id);
}

void
skynet_socket_nodelay(struct skynet_context *ctx, int id) {
	host->act(ctx, SOCKET_NODELAY, id);
}

static int
send_buffer(struct skynet_context *ctx, struct socket_sendbuffer *buffer, int low) {
	if (buffer->type == SOCKET_BUFFER_OBJECT)
		return -1;
	/* The block of a buffer of memory may be written to by whoever gets it. */
	return host->send(ctx, buffer->id, (void *)buffer->buffer, buffer->sz, buffer->type == SOCKET_BUFFER_MEMORY, low);
}

int
skynet_socket_sendbuffer(struct skynet_context *ctx, struct socket_sendbuffer *buffer) {
	return send_buffer(ctx, buffer, 0);
}

int
skynet_socket_sendbuffer_lowpriority(struct skynet_context *ctx, struct socket_sendbuffer *buffer) {
	return send_buffer(ctx, buffer, 1);
}

int
skynet_socket_send(struct skynet_context *ctx, int id, void *buffer, int sz) {
	return host->send(ctx, id, buffer, sz < 0 ? 0 : (size_t)sz, 1, 0);
}

int
skynet_socket_send_lowpriority(struct skynet_context *ctx, int id, void *buffer, int sz) {
	return host->send(ctx, id, buffer, sz < 0 ? 0 : (size_t)sz, 1, 1);
}

int
skynet_socket_udp(struct skynet_context *ctx, const char *addr, int port) {
	return host->open(ctx, SOCKET_UDP, addr, port, 0);
}

int
skynet_socket_udp_connect(struct skynet_context *ctx, int id, const char *addr, int port) {
	return host->open(ctx, SOCKET_UDP_CONNECT, addr, port, id);
}

int
skynet_socket_udp_dial(struct skynet_context *ctx, const char *addr, int port) {
	return host->open(ctx, SOCKET_UDP_DIAL, addr, port, 0);
}

int
skynet_socket_udp_listen(struct skynet_context *ctx, const char *addr, int port) {
	return host->open(ctx, SOCKET_UDP_LISTEN, addr, port, 0);
}

int
skynet_socket_udp_sendbuffer(struct skynet_context *ctx, const char *address, struct socket_sendbuffer *buffer) {
	if (buffer->type == SOCKET_BUFFER_OBJECT)
		return -1;
	int sent = host->udp_send(ctx, buffer->id, address, buffer->buffer, buffer->sz);
	if (buffer->type == SOCKET_BUFFER_MEMORY)
		skynet_free((void *)buffer->buffer);
	return sent;
}

int
skynet_socket_udp_send(struct skynet_context *ctx, int id, const char *address, const void *buffer, int sz) {
	return host->udp_send(ctx, id, address, buffer, sz < 0 ? 0 : (size_t)sz);
}

const char *
skynet_socket_udp_address(struct skynet_socket_message *msg, int *addrsz) {
	if (msg->type != SKYNET_SOCKET_TYPE_UDP || msg->buffer == NULL)
		return NULL;
	const char *address = msg->buffer + msg->ud;
	/* One byte for the family, two for the port, four or sixteen for the address. */
	*addrsz = address[0] == 1 ? 7 : 19;
	return address;
}
