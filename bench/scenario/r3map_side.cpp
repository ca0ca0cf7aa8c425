// r3map's side, through the C ABI alone.
#include <memory>

#include "r3map.h"
#include "support.hpp"

namespace bench {

namespace {

void check(int code, const char* what) {
  if (code < 0) die(std::string(what) + ": " + r3map_last_error_message());
}

struct CloseRegion {
  void operator()(r3map_region* region) const { r3map_region_close(region); }
};
using RegionPointer = std::unique_ptr<r3map_region, CloseRegion>;

RegionPointer open_memory(uint64_t size) {
  r3map_region* region = nullptr;
  check(r3map_region_open(&region, ("memory:" + std::to_string(size)).c_str(), nullptr), "open");
  return RegionPointer(region);
}

const std::byte* data_of(r3map_region* region) {
  return static_cast<const std::byte*>(r3map_region_data(region));
}

r3map_stats stats_of(r3map_region* region) {
  r3map_stats stats{};
  stats.struct_size = sizeof stats;
  check(r3map_region_stats(region, &stats), "stats");
  return stats;
}

std::string counters(const r3map_stats& now, const r3map_stats& before) {
  if (now.eager) die("userfaultfd is forbidden here: there is nothing to measure");
  if (now.evicted != before.evicted) die("too little memory: pages were evicted meanwhile");
  return ", \"faults\": " + std::to_string(now.faults - before.faults) +
         ", \"requests\": " + std::to_string(now.requests - before.requests);
}

}  // namespace

void sequential_r3map(const Arguments& arguments) {
  const RegionPointer region = open_memory(arguments.size);
  const std::byte* data = data_of(region.get());
  if (arguments.warm) {
    touch_pages(data, arguments.size);
    check(r3map_region_evict(region.get(), 0, arguments.size), "evict");
  }
  const r3map_stats before = stats_of(region.get());
  const double begin = seconds_now();
  const uint64_t sum = arguments.sum ? sum_words(data, arguments.size)
                                     : touch_pages(data, arguments.size);
  const double seconds = seconds_now() - begin;
  if (sum != 0) die("the memory backend holds zeros, and the sum is another");
  print_seconds(seconds, arguments.size, counters(stats_of(region.get()), before));
}

void random_r3map(const Arguments& arguments) {
  const RegionPointer region = open_memory(arguments.size);
  const r3map_stats before = stats_of(region.get());
  const std::vector<double> latencies = time_touches(
      data_of(region.get()), random_pages(arguments.size, arguments.count, arguments.seed));
  print_latencies(latencies, counters(stats_of(region.get()), before));
}

}  // namespace bench
