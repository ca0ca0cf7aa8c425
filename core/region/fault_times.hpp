// How long touches of missing pages take: from the fault that the loop sees to the page that has
// landed. Several threads on one page count as one, since the first.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/histogram.hpp"
#include "base/range.hpp"
#include "loop/loop.hpp"

namespace r3map::region {

// Thread: any.
class FaultTimes {
 public:
  using Time = loop::Clock::time_point;
  using Duration = loop::Clock::duration;
  struct Answered {
    uint64_t offset;
    Duration took;
    std::string trouble;  // the last one since it was seen; "" if there was none
  };

  // Before the page's state is looked at, so that no landing is missed.
  void seen(uint64_t offset, Time now);
  // These pages have landed; answers those that were waited for. Cheap where nobody waits.
  std::vector<Answered> answered(Range pages, Time now);
  // A request failed, and is tried again: why those who wait do so for long.
  void trouble(std::string cause, Time now);
  // It gets no page; answers how long it waited, zero if it did not.
  Duration failed(uint64_t offset, Time now);

  Histogram histogram() const;

 private:
  mutable std::mutex mutex_;
  std::map<uint64_t, Time> waiting_;  // this and what follows under mutex_
  Histogram histogram_;
  std::string trouble_;
  Time trouble_at_ = Time::min();
  std::atomic<size_t> count_ = 0;  // the size of waiting_
};

}  // namespace r3map::region
