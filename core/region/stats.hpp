// What a region counts, and how it is written: as JSON, and as Prometheus wants to scrape it. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/histogram.hpp"

namespace r3map::region {

struct RegionStats {
  bool eager = false;
  uint64_t size = 0, resident = 0, pinned = 0, in_flight = 0, budget = 0;
  uint64_t faults = 0, failed_faults = 0;
  uint64_t requests = 0, failed_requests = 0, hedged_requests = 0, retries = 0;
  uint64_t fetched = 0, evicted = 0;
  Histogram fault_times = {};
};

// Of which region they are. The number tells two regions of one URL apart.
struct NamedStats {
  uint64_t number;
  std::string url;  // without secrets
  RegionStats stats;
};

// An object.
std::string stats_json(const NamedStats& region);
// An array of them.
std::string stats_json(std::span<const NamedStats> regions);
// The text exposition format, 0.0.4: every metric once, with a sample a region.
std::string stats_prometheus(std::span<const NamedStats> regions);

}  // namespace r3map::region
