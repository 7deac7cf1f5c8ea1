/* Sockets for services written in C for skynet-rs.
 *
 * A socket belongs to a service, which gets its events as messages of the type PTYPE_SOCKET, source and session 0. It
 * is closed when its service ends. Functions that make a socket return its id, or -1; the log says why. Any thread may
 * call them.
 *
 * MIT licence.
 */
#ifndef SKYNET_SOCKET_H
#define SKYNET_SOCKET_H

#include "skynet.h"
#include "socket_buffer.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SKYNET_SOCKET_TYPE_DATA 1    /* ud bytes of a stream, in buffer */
/* It is ready; ud is the port of a listener. Text: an address, "start", "transfer", "binding". */
#define SKYNET_SOCKET_TYPE_CONNECT 2
#define SKYNET_SOCKET_TYPE_CLOSE 3   /* the peer has finished, or it is closed; once */
#define SKYNET_SOCKET_TYPE_ACCEPT 4  /* ud is the id of a new connection. Text: "ip:port" of its peer */
#define SKYNET_SOCKET_TYPE_ERROR 5   /* Text: what is wrong */
#define SKYNET_SOCKET_TYPE_UDP 6     /* a datagram of ud bytes in buffer; skynet_socket_udp_address says from where */
#define SKYNET_SOCKET_TYPE_WARNING 7 /* ud KiB wait to be sent; 0: all has been sent after such a warning */

/* The message. buffer is the service's, which frees it by skynet_free or sends it; it has no NUL behind its bytes. Without a
 * buffer it is NULL, and a text of 128 bytes at most follows the structure: size of the message less that of the
 * structure. */
struct skynet_socket_message {
	int type;
	int id;
	int ud;
	char *buffer;
};

/* Listens; accepts after skynet_socket_start. A backlog of 0 or less is the node's default. */
int skynet_socket_listen(struct skynet_context *ctx, const char *host, int port, int backlog);

/* Connects. CONNECT follows, or ERROR. */
int skynet_socket_connect(struct skynet_context *ctx, const char *host, int port);

/* Adopts a descriptor, which is never closed. */
int skynet_socket_bind(struct skynet_context *ctx, int fd);

/* Closes when all has been sent; closes now. */
void skynet_socket_close(struct skynet_context *ctx, int id);
void skynet_socket_shutdown(struct skynet_context *ctx, int id);

/* Begins to accept or to read, or goes on; the service becomes the owner. Stops reading for the time being. */
void skynet_socket_start(struct skynet_context *ctx, int id);
void skynet_socket_pause(struct skynet_context *ctx, int id);

/* Sends small pieces at once. */
void skynet_socket_nodelay(struct skynet_context *ctx, int id);

/* Sends. 0, or -1 if there is no such socket, or if it is being closed. Low priority: behind all others that wait. */
int skynet_socket_sendbuffer(struct skynet_context *ctx, struct socket_sendbuffer *buffer);
int skynet_socket_sendbuffer_lowpriority(struct skynet_context *ctx, struct socket_sendbuffer *buffer);

/* The same for a block of skynet_malloc, which is the runtime's from now on. */
int skynet_socket_send(struct skynet_context *ctx, int id, void *buffer, int sz);
int skynet_socket_send_lowpriority(struct skynet_context *ctx, int id, void *buffer, int sz);

/* A UDP socket, bound if there is a host or a port; one with a destination; one that is bound to a port. udp_connect sets the
 * destination. */
int skynet_socket_udp(struct skynet_context *ctx, const char *addr, int port);
int skynet_socket_udp_connect(struct skynet_context *ctx, int id, const char *addr, int port);
int skynet_socket_udp_dial(struct skynet_context *ctx, const char *addr, int port);
int skynet_socket_udp_listen(struct skynet_context *ctx, const char *addr, int port);

/* Sends to an address as skynet_socket_udp_address gives it. buffer of the second one stays the caller's. */
int skynet_socket_udp_sendbuffer(struct skynet_context *ctx, const char *address, struct socket_sendbuffer *buffer);
int skynet_socket_udp_send(struct skynet_context *ctx, int id, const char *address, const void *buffer, int sz);

/* Who has sent a datagram: *addrsz bytes inside its buffer. NULL for other messages. */
const char *skynet_socket_udp_address(struct skynet_socket_message *msg, int *addrsz);

#ifdef __cplusplus
}
#endif

#endif
