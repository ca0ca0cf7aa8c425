// The event loop: one thread, its timers and watched descriptors. libuv stays inside loop.cpp.
#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <stop_token>

#include "base/result.hpp"
#include "loop/task.hpp"

namespace r3map::loop {

using Clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC: stands still while the machine sleeps
using Deadline = Clock::time_point;
inline constexpr Deadline kNever = Deadline::max();

// `budget` from now; zero means never.
inline Deadline deadline_after(Clock::duration budget) {
  return budget == Clock::duration::zero() ? kNever : Clock::now() + budget;
}

class Loop {
 public:
  static Result<std::unique_ptr<Loop>> start(const char* thread_name);
  ~Loop();  // stops and joins; what is still posted is dropped
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  bool on_thread() const;

  // Runs `work` on the loop's thread. Thread: any.
  void post(std::function<void()> work);

  // Runs `work` on the loop's thread, and waits until it has run. Thread: any but the loop's own.
  void call(const std::function<void()>& work);

  // Starts `make()`'s task on the loop's thread and waits for its result. Thread: any but the
  // loop's own, which gets Code::deadlock.
  template <typename T>
  Result<T> wait(std::function<Task<Result<T>>()> make) {
    if (on_thread()) return fail(Code::deadlock, "a blocking call on the loop's own thread");
    std::promise<Result<T>> promise;
    post([&] { spawn(deliver<T>(make, promise)); });
    return promise.get_future().get();
  }

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  explicit Loop(std::unique_ptr<Impl> impl);

  template <typename T>
  static Task<void> deliver(std::function<Task<Result<T>>()> make,
                            std::promise<Result<T>>& promise) {
    Task<Result<T>> task = make();
    Result<T> result = co_await task;
    make = nullptr;  // and what it holds, while the caller still waits
    promise.set_value(std::move(result));
  }

  std::unique_ptr<Impl> impl_;
};

// One-shot. The callback may destroy or restart it. Thread: the loop's.
class Timer {
 public:
  Timer(Loop& loop, std::function<void()> fired);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void start(Clock::duration delay);  // may be a millisecond late, never early
  void stop();

 private:
  struct Impl;
  Impl* impl_;  // freed by libuv's close callback
};

// Readiness of a descriptor, level-triggered. The callback may destroy it. Thread: the loop's.
class FdWatch {
 public:
  enum Interest { kReadable = 1, kWritable = 2 };
  // Called with the ready events; an error or hang-up counts as all that was asked for.
  FdWatch(Loop& loop, int fd, std::function<void(int events)> ready);
  ~FdWatch();
  FdWatch(const FdWatch&) = delete;
  FdWatch& operator=(const FdWatch&) = delete;

  Result<> watch(int interest);  // 0: not now

 private:
  struct Impl;
  Impl* impl_;
};

// Until `until`, or Code::canceled when `stop` is requested (from the loop's thread).
Task<Result<>> sleep_until(Loop& loop, Deadline until, std::stop_token stop);

}  // namespace r3map::loop
