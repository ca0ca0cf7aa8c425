/* The header alone, first and twice, as strict C99; and every function with the type it should
 * have. Compiled with -pedantic-errors. */
#include "r3map.h"
#include "r3map.h"

int header_in_c99(void);

static int opens(const char *url) {
  r3map_region *region = NULL;
  r3map_stats stats = {0};
  uint64_t size = 0;
  int code = r3map_region_open(&region, url, NULL);
  if (code < 0) return code;
  stats.struct_size = sizeof stats;
  if (r3map_region_size(region, &size) != R3MAP_OK || size != 8192) return -100;
  if (r3map_region_data(region) == NULL || ((const char *)r3map_region_data(region))[5000] != 0)
    return -101;
  if (r3map_region_stats(region, &stats) != R3MAP_OK || stats.size != 8192) return -102;
  return r3map_region_close(region);
}

int header_in_c99(void) {
  /* Initialised with the wrong type, each of these is an error. */
  const char *(*const message)(void) = r3map_last_error_message;
  const char *(*const name)(int) = r3map_error_name;
  int (*const number)(int) = r3map_error_errno;
  int (*const shown)(const char *, char *, size_t) = r3map_url_shown;
  const char *(*const version)(void) = r3map_version;
  void (*const options_free)(r3map_options *) = r3map_options_free;
  void (*const queue_free)(r3map_queue *) = r3map_queue_free;
  const void *(*const data)(r3map_region *) = r3map_region_data;
  int (*const next)(r3map_queue *, r3map_completion *, int64_t) = r3map_queue_next;
  int (*const read)(r3map_region *, void *, uint64_t, uint64_t) = r3map_region_read;
  int (*const write)(r3map_resource *, const void *, uint64_t, uint64_t) = r3map_resource_write;
  int (*const prefetch)(r3map_region *, const r3map_range *, size_t) = r3map_region_prefetch;
  const r3map_range range = {1, 2};
  r3map_completion completion = {sizeof completion, 0, 0, 0, ""};

  if (!message || !name || !number || !shown || !version || !options_free || !queue_free || !data || !next ||
      !read || !write || !prefetch)
    return -1;
  if (range.offset + range.length != 3 || completion.message[0] != '\0') return -2;
  if (sizeof completion.message != 512 || sizeof(r3map_completion) != 536) return -3;
  if (sizeof(r3map_stats) != 152 || sizeof(r3map_range) != 16) return -4;
  return opens("memory:8K");
}
