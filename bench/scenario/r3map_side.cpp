// r3map's side, through the C ABI alone.
#include <algorithm>
#include <cstdio>
#include <fstream>
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

namespace {

// A field of /proc/self/status, in bytes.
uint64_t status_field(const std::string& name) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(name + ":")) return std::stoull(line.substr(name.size() + 1)) << 10;
  die("no " + name + " in /proc/self/status");
}

double mib(uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

}  // namespace

// What a region takes beside its pages. All that the process has more than at its begin counts, but
// for the pages themselves and the kernel's tables for them, which are told apart.
void sparse_r3map(const Arguments& arguments) {
  const std::vector<uint64_t> places =
      spread_pages(arguments.size, arguments.count, arguments.seed);
  const uint64_t memory_before = status_field("VmRSS");
  const uint64_t tables_before = status_field("VmPTE");
  RegionPointer region = open_memory(arguments.size);
  time_touches(data_of(region.get()), places);
  const r3map_stats stats = stats_of(region.get());
  const uint64_t memory = status_field("VmRSS") - memory_before;
  const uint64_t tables = status_field("VmPTE") - tables_before;
  region.reset();
  const uint64_t left = status_field("VmRSS");
  std::printf("{\"bookkeeping_mib\": %.3f, \"resident_mib\": %.3f, \"page_tables_mib\": %.3f, "
              "\"left_after_close_mib\": %.3f}\n",
              mib(memory - std::min(memory, stats.resident)), mib(stats.resident), mib(tables),
              mib(left - std::min(left, memory_before)));
}

}  // namespace bench
