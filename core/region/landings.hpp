// What threads have landed, on its way to the loop.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/range.hpp"
#include "loop/loop.hpp"

namespace r3map::region {

// Thread: home loop, but for add().
class Landings {
 public:
  // `told` gets every range that was added, on the loop; none after the destructor.
  Landings(loop::Loop& loop, std::function<void(Range)> told);

  // Thread: any.
  void add(Range pages);

 private:
  void tell();

  loop::Loop& loop_;
  const std::function<void(Range)> told_;
  std::mutex mutex_;
  std::vector<Range> ranges_;  // under mutex_; not empty: tell() is posted
  std::shared_ptr<Landings*> self_;  // for what is posted and may come after the end
};

}  // namespace r3map::region
