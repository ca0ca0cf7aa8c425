// Gives memory back, oldest arrival first. A region's pages carry no sign of when they were last
// touched, and for what is read once in order the oldest is the right choice.
#pragma once

#include <deque>
#include <functional>

#include "region/budget.hpp"
#include "region/fill.hpp"
#include "region/pins.hpp"

namespace r3map::region {

// Thread: home loop.
class Evictor : public Budget::Share {
 public:
  // `given_back` is told what was evicted.
  Evictor(Budget& budget, uint64_t limit, Fill& fill, const Pins& pins,
          std::function<void(Range)> given_back)
      : Share(budget, limit), fill_(fill), pins_(pins), given_back_(std::move(given_back)) {}

  // These pages arrived, and can be evicted from now on. They are counted (Share) already.
  void arrived(Range range);

  // Evicts nothing any more: the memory is about to go.
  void retire() { arrivals_.clear(); }
  // Gives back what is resident in `range` and not pinned.
  void evict_range(Range range);
  uint64_t evicted_bytes() const { return evicted_; }
  size_t arrivals() const { return arrivals_.size(); }

 protected:
  void evict(uint64_t bytes) override;

 private:
  bool give_back(Range range);
  void forget_what_is_gone();

  Fill& fill_;
  const Pins& pins_;
  std::function<void(Range)> given_back_;
  std::deque<Range> arrivals_;  // may overlap, and hold what is gone already
  size_t forget_at_ = 1024;     // so many arrivals: time to look for what is gone
  uint64_t evicted_ = 0;
};

}  // namespace r3map::region
