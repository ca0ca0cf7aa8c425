// The callers who wait for pages, found by the pages.
#pragma once

#include <algorithm>
#include <list>
#include <map>
#include <vector>

#include "base/range.hpp"
#include "loop/event.hpp"

namespace r3map::region {

// One caller, woken whenever some of its pages may have come.
struct Waiter {
  Range pages;    // all that it wants; empty: it waits for something else
  Range missing;  // what of it is not known to be here
  std::vector<Range> again;   // to be asked for once more
  Error cause{Code::ok, ""};  // why it had to be
  bool starving = false;      // other regions hold the room that it needs
  loop::Event* wakeup = nullptr;
  Result<> result;
};

// There can be very many for a page or two each, and few for much. Thread: one at a time.
class Waiters {
 public:
  // The longest range that is looked up instead of gone through.
  explicit Waiters(uint64_t small) : small_(small) {}

  void add(Waiter& waiter) {
    if (is_small(waiter))
      by_offset_.emplace(waiter.pages.offset, &waiter);
    else
      others_.push_back(&waiter);
    ++size_;
  }
  void remove(Waiter& waiter) {
    --size_;
    if (!is_small(waiter)) {
      others_.remove(&waiter);
      return;
    }
    auto [at, end] = by_offset_.equal_range(waiter.pages.offset);
    by_offset_.erase(std::find_if(at, end, [&](const auto& entry) { return entry.second == &waiter; }));
  }
  size_t size() const { return size_; }

  // Those whose pages may intersect `range`, and all who wait for something else. `visit` must not
  // change who waits.
  template <typename Visit>
  void for_each_at(Range range, Visit visit) const {
    const uint64_t first = range.offset > small_ ? range.offset - small_ : 0;
    for (auto at = by_offset_.lower_bound(first);
         at != by_offset_.end() && at->first < range.end(); ++at)
      visit(*at->second);
    for (Waiter* waiter : others_) visit(*waiter);
  }
  template <typename Visit>
  void for_each(Visit visit) const {
    for_each_at({0, UINT64_MAX}, visit);
  }

 private:
  bool is_small(const Waiter& waiter) const {
    return !waiter.pages.empty() && waiter.pages.length <= small_;
  }

  const uint64_t small_;
  std::multimap<uint64_t, Waiter*> by_offset_;
  std::list<Waiter*> others_;
  size_t size_ = 0;
};

}  // namespace r3map::region
