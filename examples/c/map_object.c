/* Maps an object, makes it resident, and sums its bytes through the pointer.
 *
 *     map_object s3://bucket/key [endpoint_url=http://localhost:9000 …]
 *
 * Credentials come from the options (docs/options.md) or from AWS_ACCESS_KEY_ID and its like. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "r3map.h"

static int fail(const char *what) {
  fprintf(stderr, "map_object: %s: %s\n", what, r3map_last_error_message());
  return EXIT_FAILURE;
}

/* "name=value" */
static int set_option(r3map_options *options, char *argument) {
  char *equals = strchr(argument, '=');
  if (equals == NULL) return R3MAP_EINVAL;
  *equals = '\0';
  return r3map_options_set(options, argument, equals + 1);
}

int main(int argc, char **argv) {
  r3map_options *options;
  r3map_region *region;
  r3map_stats stats = {0};
  const unsigned char *data;
  uint64_t size, sum = 0, i;
  int code, n;

  if (argc < 2) {
    fprintf(stderr, "usage: map_object URL [name=value …]\n");
    return 2;
  }

  if (r3map_options_new(&options) < 0) return fail("options");
  for (n = 2; n < argc; n++) {
    if (set_option(options, argv[n]) < 0) {
      fprintf(stderr, "map_object: bad option: %s\n", argv[n]);
      r3map_options_free(options);
      return 2;
    }
  }
  code = r3map_region_open(&region, argv[1], options);
  /* The region has its own copy. */
  r3map_options_free(options);
  if (code < 0) return fail("open");

  /* The pages could simply be touched. Asking for them first makes an error a code, not a SIGBUS;
   * it needs a budget that holds the whole object. */
  r3map_region_size(region, &size);
  if (r3map_region_populate(region, 0, size) < 0) {
    code = fail("populate");
    r3map_region_close(region);
    return code;
  }
  data = r3map_region_data(region);
  for (i = 0; i < size; i++) sum += data[i];

  stats.struct_size = sizeof(stats);
  r3map_region_stats(region, &stats);
  printf("bytes     %" PRIu64 "\nsum       %" PRIu64 "\n", size, sum);
  printf("resident  %" PRIu64 "\nfetched   %" PRIu64 "\nrequests  %" PRIu64 "\nfaults    %" PRIu64
         "\n", stats.resident, stats.fetched, stats.requests, stats.faults);
  r3map_region_close(region);
  return EXIT_SUCCESS;
}
