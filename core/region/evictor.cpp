#include "region/evictor.hpp"

#include <algorithm>

namespace r3map::region {

namespace {

// What is dropped by one system call: less would be called too often, more would stall the loop.
constexpr uint64_t kStep = 1 << 20;

}  // namespace

void Evictor::arrived(Range range) {
  arrivals_.push_back(range);
  if (arrivals_.size() >= forget_at_) forget_what_is_gone();
}

// Who evicts by himself may never come near the budget, and his arrivals would pile up.
void Evictor::forget_what_is_gone() {
  std::deque<Range> left;
  PageSet covered;  // by newer arrivals
  for (auto arrival = arrivals_.rbegin(); arrival != arrivals_.rend(); ++arrival) {
    if (fill_.first_absent(*arrival) == *arrival || covered.contains_all(*arrival)) continue;
    covered.add(*arrival);
    left.push_front(*arrival);
  }
  arrivals_ = std::move(left);
  forget_at_ = std::max<size_t>(1024, arrivals_.size() * 2);
}

void Evictor::evict_range(Range range) { (void)give_back(range); }

// False: the kernel won't drop some of it. That stays resident and counted.
bool Evictor::give_back(Range range) {
  bool all = true;
  for (Range part : pins_.unpinned(range)) {
    const Fill::Evicted gone = fill_.evict(part);
    for (Range evicted : gone.ranges) {
      release(evicted.length);
      evicted_ += evicted.length;
      given_back_(evicted);
    }
    all &= gone.result.has_value();
  }
  return all;
}

void Evictor::evict(uint64_t bytes) {
  const uint64_t goal = used() > bytes ? used() - bytes : 0;
  // Each entry once: what has to stay goes to the back.
  std::vector<Range> stays;
  while (used() > goal && !arrivals_.empty()) {
    Range& oldest = arrivals_.front();
    const uint64_t step = std::min(oldest.length, std::max(align_up(used() - goal, kPage), kStep));
    const Range part{oldest.offset, step};
    oldest = range_between(part.end(), oldest.end());
    if (oldest.empty()) arrivals_.pop_front();
    if (!give_back(part)) {
      stays.push_back(part);
      continue;
    }
    for (Range pinned : pins_.pinned(part)) stays.push_back(pinned);
  }
  arrivals_.insert(arrivals_.end(), stays.begin(), stays.end());
}

}  // namespace r3map::region
