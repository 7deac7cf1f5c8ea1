/* A service that tries out what the runtime offers to services written in C.
 *
 * Its requests are texts, a word and perhaps an argument; the answer is a text, or what the word does.
 */
#include "skynet.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct probe {
	struct skynet_context *ctx;
	volatile int signalled;
	/* A message that was kept, and who waits for what. */
	void *kept;
	size_t kept_size;
	int asked_session;
	uint32_t asked_source;
	int timer;
};

void *
probe_create(void) {
	return skynet_calloc(1, sizeof(struct probe));
}

void
probe_release(struct probe *p) {
	skynet_error(p->ctx, "released");
	free(p->kept); /* the same allocator */
	skynet_free(p);
}

void
probe_signal(struct probe *p, int sig) {
	p->signalled = sig + 1;
}

static int
answer(struct probe *p, uint32_t source, int session, const char *format, ...) {
	char text[256];
	va_list args;
	va_start(args, format);
	int size = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	return skynet_send(p->ctx, 0, source, PTYPE_RESPONSE, session, text, (size_t)size);
}

static int
message(struct skynet_context *ctx, void *ud, int type, int session, uint32_t source, const void *msg, size_t sz) {
	struct probe *p = ud;
	if (type == PTYPE_RESPONSE || type == PTYPE_ERROR) {
		if (session == p->timer && source == 0)
			answer(p, p->asked_source, p->asked_session, "timer %s %d", msg == NULL ? "null" : "data", (int)sz);
		else if (session == p->asked_session)
			skynet_error(ctx, "an answer with the session of another");
		else
			answer(p, p->asked_source, p->asked_session, "%s %.*s", type == PTYPE_ERROR ? "error" : "answer", (int)sz,
				(const char *)msg);
		return 0;
	}
	const char *text = msg == NULL ? "" : msg;
	if (strlen(text) != sz) {
		answer(p, source, session, "no NUL behind %d bytes", (int)sz);
	} else if (strncmp(text, "echo ", 5) == 0) {
		skynet_send(ctx, 0, source, PTYPE_RESPONSE, session, (void *)(text + 5), sz - 5);
	} else if (strcmp(text, "give") == 0) {
		char *block = malloc(1000); /* not skynet_malloc: one may be given for the other */
		memset(block, 'g', 1000);
		skynet_send(ctx, 0, source, PTYPE_RESPONSE | PTYPE_TAG_DONTCOPY, session, block, 1000);
	} else if (strncmp(text, "keep", 4) == 0) {
		free(p->kept);
		p->kept = (void *)msg;
		p->kept_size = sz;
		answer(p, source, session, "kept %d", (int)sz);
		return 1;
	} else if (strcmp(text, "kept") == 0) {
		skynet_send(ctx, 0, source, PTYPE_RESPONSE, session, p->kept, p->kept_size);
	} else if (strncmp(text, "forward ", 8) == 0) {
		/* The message itself goes on, as a request to somebody else. */
		p->asked_session = session;
		p->asked_source = source;
		uint32_t to = skynet_queryname(ctx, text + 8);
		int sent = skynet_send(ctx, 0, to, PTYPE_TEXT | PTYPE_TAG_DONTCOPY | PTYPE_TAG_ALLOCSESSION, 0, (void *)msg, sz);
		if (sent < 0)
			answer(p, source, session, "refused %d", sent);
		return 1;
	} else if (strncmp(text, "ask ", 4) == 0) {
		p->asked_session = session;
		p->asked_source = source;
		if (skynet_sendname(ctx, 0, text + 4, PTYPE_TEXT | PTYPE_TAG_ALLOCSESSION, 0, "question", 8) <= 0)
			answer(p, source, session, "nobody");
	} else if (strncmp(text, "timer ", 6) == 0) {
		p->asked_session = session;
		p->asked_source = source;
		p->timer = atoi(skynet_command(ctx, "TIMEOUT", text + 6));
	} else if (strncmp(text, "command ", 8) == 0) {
		char word[32] = "";
		const char *rest = strchr(text + 8, ' ');
		size_t size = rest == NULL ? sz - 8 : (size_t)(rest - text - 8);
		memcpy(word, text + 8, size);
		const char *result = skynet_command(ctx, word, rest == NULL ? NULL : rest + 1);
		answer(p, source, session, "%s", result == NULL ? "NULL" : result);
	} else if (strcmp(text, "values") == 0) {
		const char *first = skynet_command(ctx, "GETENV", "thread");
		const char *second = skynet_command(ctx, "GETENV", "harbor");
		answer(p, source, session, "%s %s %s", first, second, skynet_command(ctx, "GETENV", "none") == NULL ? "NULL" : "?");
	} else if (strcmp(text, "facts") == 0) {
		int harbor = -1;
		int remote = skynet_isremote(ctx, 0x05000001, &harbor);
		answer(p, source, session, "%d %d %d %d %d %d", remote, harbor, skynet_isremote(ctx, source, NULL),
			skynet_current_handle() == skynet_context_handle(ctx), skynet_now() > 0,
			skynet_queryname(ctx, "unknown") == 0 && skynet_queryname(ctx, ".nobody") == 0);
	} else if (strcmp(text, "errors") == 0) {
		char big[1000];
		memset(big, 'x', sizeof big);
		big[999] = 0;
		skynet_error(ctx, "number %d of %s", 7, "nine");
		skynet_error(ctx, "long %s.", big);
		skynet_error(ctx, "%*s", 7, "raw\0%s!");
		skynet_error(NULL, "nobody's line");
		skynet_debug_memory("memory now");
		answer(p, source, session, "done");
	} else if (strcmp(text, "sends") == 0) {
		void *block = skynet_malloc(100);
		char *small = skynet_strdup("x");
		int first = skynet_send(ctx, 0, 0, PTYPE_TEXT | PTYPE_TAG_ALLOCSESSION, 0, NULL, 0);
		int second = skynet_send(ctx, 0, 0, PTYPE_TEXT | PTYPE_TAG_ALLOCSESSION, 0, NULL, 0);
		int none = skynet_send(ctx, 0, 0x00fffff0, PTYPE_TEXT | PTYPE_TAG_DONTCOPY, 3, block, 100);
		int zero = skynet_send(ctx, 0, 0, PTYPE_TEXT | PTYPE_TAG_DONTCOPY, 3, small, 1);
		int large = skynet_send(ctx, 0, source, PTYPE_TEXT, 3, "x", (size_t)1 << 60);
		int name = skynet_sendname(ctx, 0, ".nobody", PTYPE_TEXT, 3, "x", 1);
		/* Without a context, in the name of another. */
		int foreign = skynet_send(NULL, skynet_context_handle(ctx), source, PTYPE_TEXT, 9, "hello", 5);
		answer(p, source, session, "%d %d %d %d %d %d", second - first, none, zero, large, name, foreign);
	} else if (strcmp(text, "memory") == 0) {
		void *aligned = NULL;
		int status = skynet_posix_memalign(&aligned, 256, 1000);
		void *other = skynet_memalign(64, 10);
		void *third = skynet_aligned_alloc(128, 128);
		char *grown = skynet_realloc(skynet_strdup("grown"), 100000);
		int ok = status == 0 && ((uintptr_t)aligned & 255) == 0 && ((uintptr_t)other & 63) == 0 && ((uintptr_t)third & 127) == 0;
		ok = ok && strcmp(grown, "grown") == 0 && skynet_posix_memalign(&aligned, 3, 1) != 0;
		ok = ok && skynet_calloc((size_t)1 << 40, (size_t)1 << 40) == NULL;
		grown = skynet_lalloc(NULL, grown, 100000, 10);
		ok = ok && strcmp(grown, "grown") == 0 && skynet_lalloc(NULL, grown, 10, 0) == NULL;
		free(aligned);
		free(other);
		skynet_free(third);
		answer(p, source, session, ok ? "fine" : "wrong");
	} else if (strcmp(text, "spin") == 0) {
		while (p->signalled == 0) {
		}
		answer(p, source, session, "signal %d", p->signalled - 1);
		p->signalled = 0;
	} else if (strcmp(text, "nap") == 0) {
		nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
	} else if (strcmp(text, "deaf") == 0) {
		answer(p, source, session, "deaf");
		skynet_callback(ctx, NULL, NULL);
	} else {
		answer(p, source, session, "what is %s?", text);
	}
	return 0;
}

int
probe_init(struct probe *p, struct skynet_context *ctx, const char *param) {
	p->ctx = ctx;
	p->timer = -1;
	if (param != NULL && strcmp(param, "fail") == 0)
		return 1;
	skynet_callback(ctx, p, message);
	skynet_error(ctx, "init with %s", param == NULL ? "NULL" : param);
	return 0;
}
