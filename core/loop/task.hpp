// Task<T>: a lazy coroutine that one other coroutine awaits. Started and continued through the
// ready queue only (see ready_queue.hpp). An exception that leaves one ends the process: errors
// are values here.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

#include "loop/ready_queue.hpp"

namespace r3map::loop {

namespace detail {

struct FinalAwaiter {
  bool await_ready() noexcept { return false; }
  template <typename Promise>
  void await_suspend(std::coroutine_handle<Promise> self) noexcept {
    if (self.promise().continuation) ReadyQueue::current().push(self.promise().continuation);
  }
  void await_resume() noexcept {}
};

struct PromiseBase {
  std::coroutine_handle<> continuation;

  std::suspend_always initial_suspend() noexcept { return {}; }
  FinalAwaiter final_suspend() noexcept { return {}; }
  [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
};

template <typename T>
struct Promise : PromiseBase {
  std::optional<T> value;
  void return_value(T result) { value.emplace(std::move(result)); }
  T take() { return std::move(*value); }
};

template <>
struct Promise<void> : PromiseBase {
  void return_void() {}
  void take() {}
};

}  // namespace detail

// Thread: the one whose ready queue it was started on.
template <typename T = void>
class [[nodiscard]] Task {
 public:
  struct promise_type : detail::Promise<T> {
    Task get_return_object() {
      return Task(std::coroutine_handle<promise_type>::from_promise(*this));
    }
  };

  Task(Task&& other) noexcept : self_(std::exchange(other.self_, {})) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(self_, other.self_);
    return *this;
  }
  ~Task() {
    if (self_) self_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> continuation) {
    self_.promise().continuation = continuation;
    ReadyQueue::current().push(self_);
  }
  // The frame ends here and not with this object: it may hold the task it awaited itself as a
  // parameter, and a long chain of those would be destroyed one inside the other, on the stack.
  T await_resume() {
    const Task ended(std::exchange(self_, {}));
    return ended.self_.promise().take();
  }

 private:
  explicit Task(std::coroutine_handle<promise_type> self) : self_(self) {}
  std::coroutine_handle<promise_type> self_;
};

namespace detail {

// Owns itself; destroyed when it ends.
struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
  };
};

inline Detached detach(Task<void> task) { co_await task; }

}  // namespace detail

// Runs `task` to its end with nobody waiting. A TaskGroup (event.hpp) is there for owners who must
// know when all of theirs have ended.
inline void spawn(Task<void> task) { detail::detach(std::move(task)); }

}  // namespace r3map::loop
