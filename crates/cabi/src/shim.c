/* The functions that services written in C call.
 *
 * They are C for two reasons: one of them takes a variable number of arguments, which stable Rust cannot define; and
 * the linker keeps the symbols of a C object in an executable, also through link-time optimisation, when it is told to
 * export them. All of them go through one table, which Rust fills in before it loads the first library.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shim.h"

static const struct skynet_host *host;

void
cabi_install(const struct skynet_host *table) {
	host = table;
}

void
skynet_error(struct skynet_context *ctx, const char *fmt, ...) {
	char line[256];
	va_list args;
	va_start(args, fmt);
	if (strcmp(fmt, "%*s") == 0) {
		int size = va_arg(args, int);
		const char *bytes = va_arg(args, const char *);
		if (size >= 0)
			host->error(ctx, bytes, (size_t)size);
		va_end(args);
		return;
	}
	va_list again;
	va_copy(again, args);
	int size = vsnprintf(line, sizeof line, fmt, args);
	va_end(args);
	if (size >= 0 && (size_t)size < sizeof line) {
		host->error(ctx, line, (size_t)size);
	} else if (size >= 0) {
		char *text = host->alloc((size_t)size + 1);
		if (text != NULL) {
			vsnprintf(text, (size_t)size + 1, fmt, again);
			host->error(ctx, text, (size_t)size);
			host->free(text);
		}
	}
	va_end(again);
}

const char *
skynet_command(struct skynet_context *ctx, const char *cmd, const char *param) {
	return host->command(ctx, cmd, param);
}

uint32_t
skynet_queryname(struct skynet_context *ctx, const char *name) {
	return host->queryname(ctx, name);
}

int
skynet_send(struct skynet_context *ctx, uint32_t source, uint32_t destination, int type, int session, void *msg, size_t sz) {
	return host->send(ctx, source, destination, type, session, msg, sz);
}

int
skynet_sendname(struct skynet_context *ctx, uint32_t source, const char *destination, int type, int session, void *msg,
	size_t sz) {
	return host->sendname(ctx, source, destination, type, session, msg, sz);
}

int
skynet_isremote(struct skynet_context *ctx, uint32_t handle, int *harbor) {
	return host->isremote(ctx, handle, harbor);
}

void
skynet_callback(struct skynet_context *ctx, void *ud, skynet_cb cb) {
	host->callback(ctx, ud, cb);
}

uint32_t
skynet_current_handle(void) {
	return host->current_handle();
}

uint64_t
skynet_now(void) {
	return host->now();
}

void
skynet_debug_memory(const char *info) {
	host->debug_memory(info);
}

uint32_t
skynet_context_handle(struct skynet_context *ctx) {
	return host->context_handle(ctx);
}

void
skynet_context_reserve(struct skynet_context *ctx) {
	host->context_reserve(ctx);
}

void *
skynet_malloc(size_t sz) {
	return host->alloc(sz);
}

void *
skynet_calloc(size_t nmemb, size_t size) {
	if (size != 0 && nmemb > SIZE_MAX / size)
		return NULL;
	void *block = host->alloc(nmemb * size);
	if (block != NULL)
		memset(block, 0, nmemb * size);
	return block;
}

void *
skynet_realloc(void *ptr, size_t size) {
	return host->realloc(ptr, size);
}

void
skynet_free(void *ptr) {
	host->free(ptr);
}

void *
skynet_memalign(size_t alignment, size_t size) {
	return host->alloc_aligned(alignment, size);
}

void *
skynet_aligned_alloc(size_t alignment, size_t size) {
	return host->alloc_aligned(alignment, size);
}

int
skynet_posix_memalign(void **memptr, size_t alignment, size_t size) {
	if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0)
		return EINVAL;
	void *block = host->alloc_aligned(alignment, size);
	if (block == NULL)
		return ENOMEM;
	*memptr = block;
	return 0;
}

char *
skynet_strdup(const char *str) {
	size_t size = strlen(str) + 1;
	char *copy = host->alloc(size);
	return copy == NULL ? NULL : memcpy(copy, str, size);
}

void *
skynet_lalloc(void *ud, void *ptr, size_t osize, size_t nsize) {
	(void)ud;
	(void)osize;
	if (nsize == 0) {
		host->free(ptr);
		return NULL;
	}
	return host->realloc(ptr, nsize);
}
