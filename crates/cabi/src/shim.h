/* What the C side asks the Rust side for. The same as `Host` in host.rs. */
#ifndef SKYNET_SHIM_H
#define SKYNET_SHIM_H

#include "skynet.h"

struct skynet_host {
	void (*error)(struct skynet_context *ctx, const char *text, size_t size);
	const char *(*command)(struct skynet_context *ctx, const char *cmd, const char *param);
	uint32_t (*queryname)(struct skynet_context *ctx, const char *name);
	int (*send)(struct skynet_context *ctx, uint32_t source, uint32_t dest, int type, int session, void *msg, size_t sz);
	int (*sendname)(struct skynet_context *ctx, uint32_t source, const char *dest, int type, int session, void *msg,
		size_t sz);
	int (*isremote)(struct skynet_context *ctx, uint32_t handle, int *harbor);
	void (*callback)(struct skynet_context *ctx, void *ud, skynet_cb cb);
	uint32_t (*current_handle)(void);
	uint64_t (*now)(void);
	void (*debug_memory)(const char *info);
	uint32_t (*context_handle)(struct skynet_context *ctx);
	void (*context_reserve)(struct skynet_context *ctx);
	void *(*alloc)(size_t size);
	void *(*alloc_aligned)(size_t alignment, size_t size);
	void *(*realloc)(void *ptr, size_t size);
	void (*free)(void *ptr);
};

void cabi_install(const struct skynet_host *host);

#endif
