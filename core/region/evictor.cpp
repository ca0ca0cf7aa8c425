#include "region/evictor.hpp"

#include <algorithm>

namespace r3map::region {

namespace {

// What is dropped by one system call: less would be called too often, more would stall the loop.
constexpr uint64_t kStep = 1 << 20;

}  // namespace

void Evictor::evict_range(Range range) {
  for (Range part : pins_.unpinned(range)) {
    // What the kernel won't drop stays resident and counted, and is tried again later.
    const uint64_t bytes = fill_.evict(part).value_or(0);
    release(bytes);
    evicted_ += bytes;
  }
}

void Evictor::evict(uint64_t bytes) {
  const uint64_t goal = used() > bytes ? used() - bytes : 0;
  // Each entry once: pinned parts go to the back.
  std::vector<Range> pinned;
  while (used() > goal && !arrivals_.empty()) {
    Range& oldest = arrivals_.front();
    const uint64_t step = std::min(oldest.length, std::max(align_up(used() - goal, kPage), kStep));
    const Range part{oldest.offset, step};
    oldest = range_between(part.end(), oldest.end());
    if (oldest.empty()) arrivals_.pop_front();
    evict_range(part);
    for (Range stays : pins_.pinned(part)) pinned.push_back(stays);
  }
  arrivals_.insert(arrivals_.end(), pinned.begin(), pinned.end());
}

}  // namespace r3map::region
