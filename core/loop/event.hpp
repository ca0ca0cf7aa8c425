// What coroutines wait for: a one-time event, and the end of a group of tasks.
#pragma once

#include <coroutine>
#include <utility>
#include <vector>

#include "loop/task.hpp"

namespace r3map::loop {

// Set once; everyone who waits or comes later goes on. Thread: the one of its waiters.
class Event {
 public:
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  bool is_set() const { return set_; }
  void set() {
    set_ = true;
    for (std::coroutine_handle<> waiter : std::exchange(waiters_, {}))
      ReadyQueue::current().push(waiter);
  }

  bool await_ready() const noexcept { return set_; }
  void await_suspend(std::coroutine_handle<> waiter) { waiters_.push_back(waiter); }
  void await_resume() noexcept {}

 private:
  bool set_ = false;
  std::vector<std::coroutine_handle<>> waiters_;
};

// Tasks that have no awaiter of their own but an owner who must outlive them.
class TaskGroup {
 public:
  TaskGroup() = default;
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  void spawn(Task<void> task) {
    ++running_;
    loop::spawn(track(std::move(task)));
  }
  size_t running() const { return running_; }

  // Until none is left. One waiter at a time.
  Task<void> idle() {
    while (running_ > 0) {
      Event empty;
      on_empty_ = &empty;
      co_await empty;
      on_empty_ = nullptr;
    }
  }

 private:
  Task<void> track(Task<void> task) {
    co_await task;
    if (--running_ == 0 && on_empty_) on_empty_->set();
  }

  size_t running_ = 0;
  Event* on_empty_ = nullptr;
};

}  // namespace r3map::loop
