// Every function on one would-be handle, with arguments that are fine otherwise: their codes.
#pragma once

#include <cstddef>
#include <vector>

#include "r3map.h"

namespace r3map::test {

// But for r3map_region_data, and what closes.
inline std::vector<int> call_region(r3map_region* region, r3map_queue* queue) {
  uint64_t size;
  char text[64];
  std::byte buffer[64];
  const r3map_range range{0, 64};
  unsigned char cell = 0;
  r3map_stats stats{};
  stats.struct_size = sizeof stats;
  return {
      r3map_region_size(region, &size),
      r3map_region_version(region, text, sizeof text),
      r3map_region_read(region, buffer, 64, 0),
      r3map_region_read_async(region, buffer, 64, 0, queue, 0),
      r3map_region_populate(region, 0, 64),
      r3map_region_populate_async(region, 0, 64, queue, 0),
      r3map_region_pin(region, 0, 64),
      r3map_region_pin_async(region, 0, 64, queue, 0),
      r3map_region_unpin(region, 0, 64),
      r3map_region_prefetch(region, &range, 1),
      r3map_region_evict(region, 0, 64),
      r3map_region_wait(region),
      r3map_region_wait_async(region, queue, 0),
      r3map_region_stats(region, &stats),
      r3map_region_stats_text(region, R3MAP_STATS_JSON, text, sizeof text),
      r3map_region_residency(region, 0, 64, &cell, 1),
      r3map_region_error(region, text, sizeof text),
  };
}

inline std::vector<int> call_resource(r3map_resource* resource, r3map_queue* queue) {
  uint64_t size;
  char text[64];
  std::byte buffer[64];
  return {
      r3map_resource_size(resource, &size),
      r3map_resource_version(resource, text, sizeof text),
      r3map_resource_read(resource, buffer, 64, 0),
      r3map_resource_read_async(resource, buffer, 64, 0, queue, 0),
      r3map_resource_write(resource, buffer, 64, 0),
      r3map_resource_flush(resource),
  };
}

inline std::vector<int> call_options(r3map_options* options) {
  r3map_region* region = nullptr;
  r3map_resource* resource = nullptr;
  return {
      r3map_options_set(options, "a", "b"),
      r3map_options_set_chunk_size(options, 4096),
      r3map_options_set_budget(options, 1 << 20),
      r3map_options_set_deadline(options, 1),
      r3map_options_set_pull(options, R3MAP_PULL_NONE),
      r3map_options_set_priority(options, nullptr, 0),
      r3map_options_set_trace(options, nullptr),
      r3map_options_set_pull_order(options, nullptr),
      r3map_options_set_fetch_limits(options, 0, 0),
      // NULL is no set at all, and so legal.
      options ? r3map_region_open(&region, "memory:1M", options) : R3MAP_EBADF,
      options ? r3map_resource_open(&resource, "memory:1M", options) : R3MAP_EBADF,
  };
}

inline std::vector<int> call_queue(r3map_queue* queue, r3map_region* region) {
  r3map_completion completion{};
  completion.struct_size = sizeof completion;
  std::byte buffer[64];
  return {
      r3map_queue_descriptor(queue),
      r3map_queue_next(queue, &completion, 0),
      r3map_queue_next(queue, &completion, -1),
      r3map_region_open_async("memory:1M", nullptr, queue, 0),
      r3map_resource_open_async("memory:1M", nullptr, queue, 0),
      r3map_region_read_async(region, buffer, 64, 0, queue, 0),
  };
}

}  // namespace r3map::test
