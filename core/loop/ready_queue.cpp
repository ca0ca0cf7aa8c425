#include "loop/ready_queue.hpp"

namespace r3map::loop {

ReadyQueue& ReadyQueue::current() {
  thread_local ReadyQueue queue;
  return queue;
}

bool ReadyQueue::run(size_t most) {
  if (busy_) return false;
  busy_ = true;
  for (size_t resumed = 0; !ready_.empty() && resumed < most;) {
    running_.swap(ready_);
    for (std::coroutine_handle<> coroutine : running_) coroutine.resume();
    resumed += running_.size();
    running_.clear();
  }
  busy_ = false;
  return !ready_.empty();
}

}  // namespace r3map::loop
