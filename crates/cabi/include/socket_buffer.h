/* What is to be sent on a socket, for the functions of skynet_socket.h. MIT licence. */
#ifndef SOCKET_BUFFER_H
#define SOCKET_BUFFER_H

#include <stddef.h>

#define SOCKET_BUFFER_MEMORY 0     /* a block of skynet_malloc: the runtime's from now on, whatever happens */
#define SOCKET_BUFFER_OBJECT 1     /* an object of skynet (C); it is refused here, and stays the caller's */
#define SOCKET_BUFFER_RAWPOINTER 2 /* the caller's: it is copied as far as it cannot be written at once */

struct socket_sendbuffer {
	int id;
	int type;
	const void *buffer;
	size_t sz;
};

#endif
