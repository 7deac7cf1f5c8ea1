/* Memory that services and the runtime pass to each other. See skynet.h.
 *
 * In the `skynet` program malloc and free are the same allocator, so that either side may free the other's blocks.
 *
 * MIT licence.
 */
#ifndef SKYNET_MALLOC_H
#define SKYNET_MALLOC_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

void *skynet_malloc(size_t sz);
void *skynet_calloc(size_t nmemb, size_t size);
void *skynet_realloc(void *ptr, size_t size);
void skynet_free(void *ptr);
void *skynet_memalign(size_t alignment, size_t size);
void *skynet_aligned_alloc(size_t alignment, size_t size);
int skynet_posix_memalign(void **memptr, size_t alignment, size_t size);
char *skynet_strdup(const char *str);

/* For lua_newstate. */
void *skynet_lalloc(void *ud, void *ptr, size_t osize, size_t nsize);

#ifdef __cplusplus
}
#endif

#endif
