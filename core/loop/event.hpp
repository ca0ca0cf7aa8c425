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

// Counts operations that use an object, so that its end can wait for theirs.
class Gate {
 public:
  // One operation, for its scope.
  class Pass {
   public:
    explicit Pass(Gate& gate) : gate_(&gate) { ++gate_->inside_; }
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Pass& operator=(Pass&&) = delete;
    ~Pass() {
      if (gate_ && --gate_->inside_ == 0 && gate_->on_empty_) gate_->on_empty_->set();
    }

   private:
    Gate* gate_;
  };

  // Until nobody is inside. One waiter at a time.
  Task<void> empty() {
    while (inside_ > 0) {
      Event left;
      on_empty_ = &left;
      co_await left;
      on_empty_ = nullptr;
    }
  }

 private:
  size_t inside_ = 0;
  Event* on_empty_ = nullptr;
};

// Tasks that have no awaiter of their own but an owner who must outlive them.
class TaskGroup {
 public:
  TaskGroup() = default;
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  void spawn(Task<void> task) { loop::spawn(track(Gate::Pass(gate_), std::move(task))); }

  // Until none is left. One waiter at a time.
  Task<void> idle() { return gate_.empty(); }

 private:
  // The pass counts from before the task has started.
  static Task<void> track(Gate::Pass, Task<void> task) { co_await task; }

  Gate gate_;
};

}  // namespace r3map::loop
