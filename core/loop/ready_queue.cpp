#include "loop/ready_queue.hpp"

namespace r3map::loop {

ReadyQueue& ReadyQueue::current() {
  thread_local ReadyQueue queue;
  return queue;
}

void ReadyQueue::run() {
  if (busy_) return;
  busy_ = true;
  while (!ready_.empty()) {
    running_.swap(ready_);
    for (std::coroutine_handle<> coroutine : running_) coroutine.resume();
    running_.clear();
  }
  busy_ = false;
}

}  // namespace r3map::loop
