#include "loop/ready_queue.hpp"

#include <gtest/gtest.h>

#include <exception>
#include <functional>
#include <thread>
#include <vector>

namespace r3map::loop {
namespace {

// A coroutine that calls `step` each time it is resumed, for ever.
struct Stepper {
  struct promise_type {
    Stepper get_return_object() {
      return {std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
  std::coroutine_handle<promise_type> handle;
};

class Coroutine {
 public:
  explicit Coroutine(std::function<void()> step) : stepper_(body(std::move(step))) {}
  ~Coroutine() { stepper_.handle.destroy(); }
  Coroutine(const Coroutine&) = delete;
  operator std::coroutine_handle<>() const { return stepper_.handle; }

 private:
  static Stepper body(std::function<void()> step) {
    for (;;) {
      step();
      co_await std::suspend_always();
    }
  }
  Stepper stepper_;
};

TEST(ReadyQueue, RunsNothingWhenEmpty) {
  ReadyQueue queue;
  queue.run();
}

TEST(ReadyQueue, ResumesInTheOrderOfPushing) {
  ReadyQueue queue;
  std::vector<int> order;
  Coroutine first([&] { order.push_back(1); });
  Coroutine second([&] { order.push_back(2); });
  queue.push(first);
  queue.push(second);
  queue.push(first);
  EXPECT_TRUE(order.empty()) << "push must not resume";
  queue.run();
  EXPECT_EQ(order, (std::vector{1, 2, 1}));
}

TEST(ReadyQueue, RunsWhatBecomesReadyMeanwhile) {
  ReadyQueue queue;
  std::vector<int> order;
  Coroutine last([&] { order.push_back(3); });
  Coroutine middle([&] {
    order.push_back(2);
    queue.push(last);
  });
  Coroutine first([&] {
    order.push_back(1);
    queue.push(middle);
  });
  queue.push(first);
  queue.run();
  EXPECT_EQ(order, (std::vector{1, 2, 3}));
}

TEST(ReadyQueue, ANestedRunDoesNothing) {
  ReadyQueue queue;
  std::vector<int> order;
  Coroutine second([&] { order.push_back(2); });
  Coroutine first([&] {
    queue.push(second);
    queue.run();  // must not enter `second` while this one is on the stack
    order.push_back(1);
  });
  queue.push(first);
  queue.run();
  EXPECT_EQ(order, (std::vector{1, 2}));
}

TEST(ReadyQueue, EveryThreadHasItsOwn) {
  ReadyQueue* const mine = &ReadyQueue::current();
  EXPECT_EQ(mine, &ReadyQueue::current());
  ReadyQueue* other = nullptr;
  std::thread([&] { other = &ReadyQueue::current(); }).join();
  EXPECT_NE(mine, other);
}

}  // namespace
}  // namespace r3map::loop
