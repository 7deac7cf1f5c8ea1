/* Services written in C for skynet-rs.
 *
 * A service NAME is a shared library with these functions; the program that loads it (`cpath` in the config)
 * provides what is declared below.
 *
 *   void *NAME_create(void);                                   optional; NULL: the launch fails
 *   int   NAME_init(void *inst, struct skynet_context *ctx, const char *param);
 *                                                              0: it runs. param is NULL if there is none
 *   void  NAME_release(void *inst);                            optional; the last call
 *   void  NAME_signal(void *inst, int sig);                    optional; on the sender's thread, while the service runs
 *
 * In a dotted name such as "a.b" the functions begin with the part behind the last dot.
 *
 * cc -shared -fPIC -I DIR -o NAME.so NAME.c      (DIR is where `skynet headers DIR` has put this file)
 *
 * MIT licence.
 */
#ifndef SKYNET_H
#define SKYNET_H

#include <stddef.h>
#include <stdint.h>

#include "skynet_malloc.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Types of messages. 13 to 255 are free for applications. */
#define PTYPE_TEXT 0
#define PTYPE_RESPONSE 1  /* the answer to a request, with its session; also an expired timer: source 0, no data */
#define PTYPE_MULTICAST 2
#define PTYPE_CLIENT 3
#define PTYPE_SYSTEM 4
#define PTYPE_HARBOR 5
#define PTYPE_SOCKET 6
#define PTYPE_ERROR 7     /* session not 0: this request has failed. 0: the sender is gone */
#define PTYPE_RESERVED_QUEUE 8
#define PTYPE_RESERVED_DEBUG 9
#define PTYPE_RESERVED_LUA 10
#define PTYPE_RESERVED_SNAX 11
#define PTYPE_RESERVED_TRACE 12

/* To be or-ed into the type of a message that is sent. */
#define PTYPE_TAG_DONTCOPY 0x10000     /* the block becomes the runtime's, whatever happens. It is freed by skynet_free */
#define PTYPE_TAG_ALLOCSESSION 0x20000 /* the session is 0; a new one is taken and returned */

/* A service, as the runtime knows it. It is valid from NAME_init to the end of NAME_release. */
struct skynet_context;

/* Handles one message. Returns 0: the runtime frees msg. 1: the service keeps it, and frees it by skynet_free.
 * Messages that were copied on their way have a NUL behind their sz bytes. msg is NULL if sz is 0. */
typedef int (*skynet_cb)(struct skynet_context *ctx, void *ud, int type, int session, uint32_t source, const void *msg,
	size_t sz);

/* From the next message on, messages go to cb. Without one they are dropped. To be called in NAME_init first. */
void skynet_callback(struct skynet_context *ctx, void *ud, skynet_cb cb);

/* Writes a line to the log, in the name of ctx (NULL: of the runtime). The format "%*s" with (int)length and char *
 * writes that many bytes, whatever they are. */
void skynet_error(struct skynet_context *ctx, const char *fmt, ...)
#ifdef __GNUC__
	__attribute__((format(printf, 2, 3)))
#endif
	;

/* Runs a text command, such as "LAUNCH" or "TIMEOUT". NULL: there is no result. The result is valid until the next
 * command of the service; that of "GETENV" for ever. */
const char *skynet_command(struct skynet_context *ctx, const char *cmd, const char *param);

/* The handle that ":hex" or ".name" means; 0 if nobody has it. */
uint32_t skynet_queryname(struct skynet_context *ctx, const char *name);

/* Sends a message; source 0 stands for the service itself. Returns the session; -1: there is no such service, or its
 * mailbox is full; -2: it is too large. With destination 0 and no message it does nothing but return the session, which
 * is how one gets a new one. ctx may be NULL if source is not 0 and no session is to be allocated. Any thread may call
 * it. */
int skynet_send(struct skynet_context *ctx, uint32_t source, uint32_t destination, int type, int session, void *msg,
	size_t sz);

/* The same to ":hex", ".name" or a name that all nodes know. */
int skynet_sendname(struct skynet_context *ctx, uint32_t source, const char *destination, int type, int session,
	void *msg, size_t sz);

/* Does the handle belong to another node? *harbor, if it is not NULL, becomes the number of its node. */
int skynet_isremote(struct skynet_context *ctx, uint32_t handle, int *harbor);

/* The service whose message this thread handles. Elsewhere 0 in a worker, and -1 main thread, -2 sockets, -3 timer. */
uint32_t skynet_current_handle(void);

/* Centiseconds since the start of the node. */
uint64_t skynet_now(void);

/* Writes a line with `info` and the memory of the process to the standard error. */
void skynet_debug_memory(const char *info);

/* The service's own handle. */
uint32_t skynet_context_handle(struct skynet_context *ctx);

/* The service does not keep the node running any more. */
void skynet_context_reserve(struct skynet_context *ctx);

#ifdef __cplusplus
}
#endif

#endif
