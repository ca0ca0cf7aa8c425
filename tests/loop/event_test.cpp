#include "loop/event.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <vector>

namespace r3map::loop {
namespace {

void settle() { ReadyQueue::current().run(); }

// As functions with parameters: GCC 12 wants to copy an event that a lambda has captured.
Task<void> after(Event& event, std::function<void()> then) {
  co_await event;
  then();
}
Task<void> after(Event& event) { return after(event, [] {}); }
Task<void> after_idle(TaskGroup& group, std::function<void()> then) {
  Task<void> waiting = group.idle();
  co_await waiting;
  then();
}
Task<void> after_empty(Gate& gate, std::function<void()> then) {
  Task<void> waiting = gate.empty();
  co_await waiting;
  then();
}
Task<void> pass(Gate& gate, Event& event) {
  const Gate::Pass inside(gate);
  co_await event;
}

TEST(Event, LetsAllWaitersGoInOrderAndNotInsideSet) {
  Event event;
  std::vector<int> order;
  spawn(after(event, [&] { order.push_back(1); }));
  spawn(after(event, [&] { order.push_back(2); }));
  settle();
  EXPECT_TRUE(order.empty());
  EXPECT_FALSE(event.is_set());
  event.set();
  EXPECT_TRUE(event.is_set());
  EXPECT_TRUE(order.empty()) << "resumed inside set()";
  settle();
  EXPECT_EQ(order, (std::vector{1, 2}));
}

TEST(Event, WhoComesLaterDoesNotWait) {
  Event event;
  event.set();
  bool passed = false;
  spawn(after(event, [&] { passed = true; }));
  settle();
  EXPECT_TRUE(passed);
}

TEST(Event, SetTwiceResumesOnce) {
  Event event;
  int resumed = 0;
  spawn(after(event, [&] { ++resumed; }));
  settle();
  event.set();
  event.set();
  settle();
  EXPECT_EQ(resumed, 1);
}

// A waiter may end the event's life: it is not touched after its last waiter was pushed.
TEST(Event, MayBeDestroyedByItsWaiter) {
  auto event = std::make_unique<Event>();
  spawn(after(*event, [&] { event.reset(); }));
  settle();
  event->set();
  settle();
  EXPECT_FALSE(event);
}

TEST(Gate, IsEmptyWhenTheLastHasLeft) {
  Gate gate;
  Event first, second;
  bool empty = false;
  spawn(pass(gate, first));
  spawn(pass(gate, second));
  settle();
  spawn(after_empty(gate, [&] { empty = true; }));
  settle();
  first.set();
  settle();
  EXPECT_FALSE(empty);
  second.set();
  settle();
  EXPECT_TRUE(empty);
}

TEST(Gate, IsEmptyAtOnceWhenNobodyIsInside) {
  Gate gate;
  { const Gate::Pass inside(gate); }
  bool empty = false;
  spawn(after_empty(gate, [&] { empty = true; }));
  settle();
  EXPECT_TRUE(empty);
}

TEST(TaskGroup, IsIdleAtOnceWhenEmpty) {
  TaskGroup group;
  bool idle = false;
  spawn(after_idle(group, [&] { idle = true; }));
  settle();
  EXPECT_TRUE(idle);
}

TEST(TaskGroup, IdleWaitsForTheLastAlsoForThoseWhoComeMeanwhile) {
  TaskGroup group;
  Event first, second;
  bool idle = false;
  group.spawn(after(first));
  spawn(after_idle(group, [&] { idle = true; }));
  settle();
  EXPECT_FALSE(idle);
  group.spawn(after(second));
  first.set();
  settle();
  EXPECT_FALSE(idle);
  second.set();
  settle();
  EXPECT_TRUE(idle);
}

// The last task ends, and before the owner has run, another begins.
TEST(TaskGroup, IdleLooksAgainBeforeItReturns) {
  TaskGroup group;
  Event first, second;
  bool idle = false;
  group.spawn(after(first));
  spawn(after_idle(group, [&] { idle = true; }));
  settle();
  // Ready in this order: the group's task, then this one, then the owner.
  spawn(after(first, [&] { group.spawn(after(second)); }));
  settle();
  first.set();
  settle();
  EXPECT_FALSE(idle);
  second.set();
  settle();
  EXPECT_TRUE(idle);
}

TEST(TaskGroup, CanBeUsedAgainAfterIdle) {
  TaskGroup group;
  for (int round = 0; round < 3; ++round) {
    Event event;
    bool idle = false;
    group.spawn(after(event));
    spawn(after_idle(group, [&] { idle = true; }));
    settle();
    EXPECT_FALSE(idle);
    event.set();
    settle();
    EXPECT_TRUE(idle);
  }
}

// The owner may end its life after idle(): nothing of its tasks may be left by then, not even
// their parameters.
TEST(TaskGroup, NothingOfATaskOutlivesIdle) {
  const auto held = std::make_shared<int>(0);
  auto group = std::make_unique<TaskGroup>();
  Event event;
  long uses = 0;
  for (int i = 0; i < 3; ++i) group->spawn(after(event, [held] {}));
  spawn(after_idle(*group, [&] {
    uses = held.use_count();
    group.reset();
  }));
  settle();
  EXPECT_EQ(held.use_count(), 4);
  event.set();
  settle();
  EXPECT_EQ(uses, 1);
}

}  // namespace
}  // namespace r3map::loop
