/* A service with sockets: each function of skynet_socket.h, and each event. */
#include "skynet.h"
#include "skynet_socket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct wire {
	int listener;
	int outgoing;
	int dial;
	int ended;
	/* Who waits for an answer. */
	int session;
	uint32_t source;
};

void *
wire_create(void) {
	return skynet_calloc(1, sizeof(struct wire));
}

void
wire_release(struct wire *w) {
	skynet_free(w);
}

static void
answer(struct skynet_context *ctx, uint32_t dest, int session, const char *text) {
	skynet_send(ctx, 0, dest, PTYPE_RESPONSE, session, (void *)text, strlen(text));
}

static void
number(struct skynet_context *ctx, uint32_t dest, int session, int n) {
	char text[16];
	snprintf(text, sizeof text, "%d", n);
	answer(ctx, dest, session, text);
}

static void
data(struct skynet_context *ctx, struct skynet_socket_message *m) {
	if (m->ud == 3 && memcmp(m->buffer, "low", 3) == 0) {
		struct socket_sendbuffer raw = {m->id, SOCKET_BUFFER_RAWPOINTER, "first", 5};
		skynet_socket_sendbuffer(ctx, &raw);
		struct socket_sendbuffer own = {m->id, SOCKET_BUFFER_MEMORY, m->buffer, 3};
		skynet_socket_sendbuffer_lowpriority(ctx, &own);
	} else if (m->ud == 3 && memcmp(m->buffer, "end", 3) == 0) {
		skynet_free(m->buffer);
		skynet_socket_send_lowpriority(ctx, m->id, skynet_strdup("bye"), 3);
		skynet_socket_close(ctx, m->id);
	} else {
		/* The block that has come is sent back as it is. */
		skynet_socket_pause(ctx, m->id);
		skynet_socket_send(ctx, m->id, m->buffer, m->ud);
		skynet_socket_start(ctx, m->id);
	}
}

static void
on_socket(struct skynet_context *ctx, struct wire *w, struct skynet_socket_message *m, size_t sz) {
	const char *text = (const char *)(m + 1);
	int length = (int)(sz - sizeof *m);
	switch (m->type) {
	case SKYNET_SOCKET_TYPE_DATA:
		data(ctx, m);
		break;
	case SKYNET_SOCKET_TYPE_CONNECT:
		if (m->id == w->listener && m->ud != 0) {
			skynet_socket_start(ctx, m->id);
			number(ctx, w->source, w->session, m->ud);
		} else if (m->id == w->outgoing) {
			skynet_socket_nodelay(ctx, m->id);
			skynet_socket_send(ctx, m->id, skynet_strdup("from C"), 6);
			char from[64];
			snprintf(from, sizeof from, "%.*s", length, text);
			answer(ctx, w->source, w->session, from);
		}
		break;
	case SKYNET_SOCKET_TYPE_CLOSE:
		w->ended |= m->id == w->outgoing;
		skynet_socket_close(ctx, m->id);
		break;
	case SKYNET_SOCKET_TYPE_ACCEPT:
		if (m->buffer == NULL && length > 0 && strncmp(text, "127.0.0.1:", 10) == 0)
			skynet_socket_start(ctx, m->ud);
		break;
	case SKYNET_SOCKET_TYPE_ERROR:
		skynet_error(ctx, "wire: failed %.*s", length, text);
		skynet_socket_shutdown(ctx, m->id);
		break;
	case SKYNET_SOCKET_TYPE_UDP: {
		int size = 0;
		const char *from = skynet_socket_udp_address(m, &size);
		struct socket_sendbuffer raw = {m->id, SOCKET_BUFFER_RAWPOINTER, m->buffer, (size_t)m->ud};
		if (size == 7)
			skynet_socket_udp_sendbuffer(ctx, from, &raw);
		skynet_free(m->buffer);
		break;
	}
	case SKYNET_SOCKET_TYPE_WARNING:
		break;
	}
}

static void
on_text(struct skynet_context *ctx, struct wire *w, int session, uint32_t source, const char *text, int sz) {
	char word[16] = "";
	int argument = 0;
	char line[64];
	snprintf(line, sizeof line, "%.*s", sz, text);
	sscanf(line, "%15s %d", word, &argument);
	w->session = session;
	w->source = source;
	if (strcmp(word, "listen") == 0) {
		w->listener = skynet_socket_listen(ctx, "127.0.0.1", 0, 0);
	} else if (strcmp(word, "connect") == 0) {
		w->outgoing = skynet_socket_connect(ctx, "127.0.0.1", argument);
	} else if (strcmp(word, "take") == 0) {
		skynet_socket_start(ctx, argument);
		answer(ctx, source, session, "taken");
	} else if (strcmp(word, "ended") == 0) {
		answer(ctx, source, session, w->ended ? "yes" : "no");
	} else if (strcmp(word, "udp") == 0) {
		number(ctx, source, session, skynet_socket_udp(ctx, NULL, 0));
	} else if (strcmp(word, "udp_listen") == 0) {
		number(ctx, source, session, skynet_socket_udp_listen(ctx, "127.0.0.1", argument));
	} else if (strcmp(word, "udp_dial") == 0) {
		w->dial = skynet_socket_udp_dial(ctx, "127.0.0.1", argument);
		number(ctx, source, session, skynet_socket_udp_connect(ctx, w->dial, "127.0.0.1", argument));
	} else if (strcmp(word, "wrong") == 0) {
		int port = skynet_socket_connect(ctx, "127.0.0.1", 70000);
		int host = skynet_socket_listen(ctx, "no.such.host.invalid", 0, 5);
		struct socket_sendbuffer object = {w->listener, SOCKET_BUFFER_OBJECT, NULL, 0};
		skynet_socket_bind(ctx, -1);
		snprintf(line, sizeof line, "%d %d %d", port, host, skynet_socket_sendbuffer(ctx, &object));
		answer(ctx, source, session, line);
	} else if (strcmp(word, "stale") == 0) {
		int id = 0x7ffffff0;
		struct socket_sendbuffer raw = {id, SOCKET_BUFFER_RAWPOINTER, "x", 1};
		snprintf(line, sizeof line, "%d %d %d", skynet_socket_send(ctx, id, skynet_strdup("x"), 1),
			skynet_socket_sendbuffer(ctx, &raw), skynet_socket_udp_send(ctx, id, "\1\0\1\177\0\0\1", "x", 1));
		answer(ctx, source, session, line);
	}
}

static int
message(struct skynet_context *ctx, void *ud, int type, int session, uint32_t source, const void *msg, size_t sz) {
	if (type == PTYPE_SOCKET)
		on_socket(ctx, ud, (struct skynet_socket_message *)msg, sz);
	else if (type == PTYPE_TEXT)
		on_text(ctx, ud, session, source, msg, (int)sz);
	return 0;
}

int
wire_init(struct wire *w, struct skynet_context *ctx, const char *param) {
	(void)param;
	skynet_callback(ctx, w, message);
	return 0;
}
