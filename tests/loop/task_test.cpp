#include "loop/task.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace r3map::loop {
namespace {

constexpr int kMillion = 1'000'000;

void run(Task<void> task) {
  spawn(std::move(task));
  ReadyQueue::current().run();
}

Task<int> number(int value) { co_return value; }

TEST(Task, ReturnsItsValue) {
  int got = 0;
  const auto body = [&]() -> Task<void> {
    Task<int> task = number(7);
    got = co_await task;
  };
  run(body());
  EXPECT_EQ(got, 7);
}

TEST(Task, ReturnsWhatCanOnlyBeMovedAndHasNoDefault) {
  struct Value {
    explicit Value(int n) : number(std::make_unique<int>(n)) {}
    std::unique_ptr<int> number;
  };
  int got = 0;
  const auto make = []() -> Task<Value> { co_return Value(9); };
  const auto body = [&]() -> Task<void> {
    Task<Value> task = make();
    Value value = co_await task;
    got = *value.number;
  };
  run(body());
  EXPECT_EQ(got, 9);
}

TEST(Task, RunsOnlyWhenAwaited) {
  std::vector<std::string> order;
  const auto inner = [&]() -> Task<void> {
    order.push_back("inner");
    co_return;
  };
  const auto body = [&]() -> Task<void> {
    Task<void> task = inner();
    order.push_back("made");
    co_await task;
    order.push_back("after");
  };
  run(body());
  EXPECT_EQ(order, (std::vector<std::string>{"made", "inner", "after"}));
}

TEST(Task, SpawnDoesNotRunAnythingByItself) {
  bool ran = false;
  const auto body = [&]() -> Task<void> {
    ran = true;
    co_return;
  };
  spawn(body());
  EXPECT_FALSE(ran);
  ReadyQueue::current().run();
  EXPECT_TRUE(ran);
}

TEST(Task, OneThatIsNeverAwaitedIsDestroyed) {
  const auto held = std::make_shared<int>(1);
  const auto make = [](std::shared_ptr<int>) -> Task<void> { co_return; };
  {
    Task<void> task = make(held);
    EXPECT_EQ(held.use_count(), 2);
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST(Task, MovedOverAnotherDestroysNeitherTooEarly) {
  int got = 0;
  const auto body = [&]() -> Task<void> {
    Task<int> task = number(1);
    task = number(2);
    got = co_await task;
  };
  run(body());
  EXPECT_EQ(got, 2);
}

// The frame of an awaited task, with its parameters, is gone when the awaiter goes on.
TEST(Task, IsDestroyedBeforeItsAwaiterGoesOn) {
  const auto held = std::make_shared<int>(1);
  long uses = 0;
  const auto inner = [](std::shared_ptr<int> mine) -> Task<int> { co_return *mine; };
  const auto body = [&]() -> Task<void> {
    Task<int> task = inner(held);
    (void)co_await task;
    uses = held.use_count();
  };
  run(body());
  EXPECT_EQ(uses, 1);
}

TEST(Task, AMillionThatCompleteAtOnceNeedNoStack) {
  int64_t sum = 0;
  const auto body = [&]() -> Task<void> {
    for (int i = 0; i < kMillion; ++i) {
      Task<int> task = number(i);
      sum += co_await task;
    }
  };
  run(body());
  EXPECT_EQ(sum, int64_t{kMillion} * (kMillion - 1) / 2);
}

// Notes in which order the frames that hold one end.
class Ending {
 public:
  Ending(int depth, int& next) : depth_(depth), next_(next) {}
  ~Ending() { in_order_ = in_order_ && depth_ == next_--; }
  static bool in_order() { return std::exchange(in_order_, true); }

 private:
  static inline bool in_order_ = true;
  int depth_;
  int& next_;
};

// Each awaits the next.
Task<int> nested(int depth, int& next) {
  const Ending ending(depth, next);
  if (depth == kMillion) co_return depth;
  Task<int> deeper = nested(depth + 1, next);
  const int result = co_await deeper;
  co_return result;
}

TEST(Task, AMillionNestedOnesEndInnermostFirst) {
  int got = 0;
  int next = kMillion;
  const auto body = [&]() -> Task<void> {
    Task<int> task = nested(1, next);
    got = co_await task;
  };
  run(body());
  EXPECT_EQ(got, kMillion);
  EXPECT_EQ(next, 0) << "some frame was not destroyed";
  EXPECT_TRUE(Ending::in_order());
}

Task<int> one_more(Task<int> inner) {
  const int value = co_await inner;
  co_return value + 1;
}

// Parameters die with the frame, not at the end of the body: a frame that outlived the await would
// take all the others with it, one inside the other on the stack.
TEST(Task, AMillionThatOwnEachOtherAreDestroyedOneByOne) {
  int got = 0;
  const auto body = [&]() -> Task<void> {
    Task<int> task = number(0);
    for (int i = 0; i < kMillion; ++i) task = one_more(std::move(task));
    got = co_await task;
  };
  run(body());
  EXPECT_EQ(got, kMillion);
}

TEST(TaskDeathTest, AnExceptionEndsTheProcess) {
  const auto body = []() -> Task<void> {
    throw std::runtime_error("errors are values here");
    co_return;
  };
  EXPECT_EXIT(run(body()), testing::KilledBySignal(SIGABRT), "");
}

}  // namespace
}  // namespace r3map::loop
