// The page faults that threads wait in, each with its deadline.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "base/range.hpp"
#include "loop/loop.hpp"

namespace r3map::region {

// Thread: home loop.
class WaitingFaults {
 public:
  // `expired` is told each page whose deadline passed; it is not waiting any more then.
  WaitingFaults(loop::Loop& loop, loop::Clock::duration patience,
                std::function<void(uint64_t offset)> expired);

  void add(uint64_t offset);  // keeps the first deadline of a page
  void add_for(uint64_t offset, loop::Clock::duration patience);
  void settle(Range range);   // nobody waits there any more
  bool is_late(uint64_t offset) const;  // its deadline has come, or as good as
  std::vector<uint64_t> in(Range range) const;

 private:
  void on_timer();
  void arm();

  const loop::Clock::duration patience_;
  std::function<void(uint64_t)> expired_;
  std::map<uint64_t, loop::Deadline> deadlines_;
  loop::Deadline armed_for_ = loop::kNever;  // never: not armed
  loop::Timer timer_;
};

}  // namespace r3map::region
