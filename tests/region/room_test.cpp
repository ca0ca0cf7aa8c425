#include "region/room.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <thread>
#include <vector>

#include "region/fake_memory.hpp"
#include "support/eventually.hpp"
#include "support/loop_fixture.hpp"

namespace r3map::region {
namespace {

using namespace std::chrono_literals;
using test::eventually;
using test::FakeMemory;
using test::pages;

// A call, and how it ended.
struct Call {
  std::optional<Code> code;
};

loop::Task<void> take(Room& room, Range range, Hold hold, Call& call, std::vector<Call*>* order) {
  auto taking = room.take(range, hold);
  const Result<> taken = co_await taking;
  call.code = taken ? Code::ok : taken.error().code;
  if (order) order->push_back(&call);
}

// Of 800 pages, 700 can be pinned for good.
class RoomTest : public test::LoopTest {
 protected:
  // One region with its room.
  struct Party {
    Party(RoomTest& test, loop::Clock::duration deadline, bool scarce = true)
        : evictor(test.budget_, 0, fill, pins, [](Range) {}),
          room(*test.loop_, pins, evictor, deadline, scarce) {}

    FakeMemory memory{pages(1024)};
    Fill fill{memory};
    Pins pins;
    Evictor evictor;
    Room room;
  };

  void start(Party& party, Range range, Hold hold, Call& call, std::vector<Call*>* order = nullptr) {
    on_loop([&] { loop::spawn(take(party.room, range, hold, call, order)); });
  }
  Code take_now(Party& party, Range range, Hold hold) {
    Call call;
    start(party, range, hold, call);
    EXPECT_TRUE(has_ended(call));
    return *call.code;
  }
  bool give_back(Party& party, Range range, Hold hold) {
    bool given = false;
    on_loop([&] { given = party.room.give_back(range, hold); });
    return given;
  }
  bool waits(const Call& call) {
    bool waiting = false;
    on_loop([&] { waiting = !call.code; });
    return waiting;
  }
  bool has_ended(const Call& call) {
    return eventually([&] { return !waits(call); });
  }

  Budget budget_{pages(800)};
};

TEST_F(RoomTest, LastingPinsAreRefusedWhereThereIsNoRoomForThem) {
  Party party(*this, 0s);
  EXPECT_EQ(take_now(party, {0, pages(500)}, Hold::lasting), Code::ok);
  EXPECT_EQ(take_now(party, {pages(500), pages(300)}, Hold::lasting), Code::no_memory);
  EXPECT_EQ(take_now(party, {pages(400), pages(300)}, Hold::lasting), Code::ok) << "200 are new";
  EXPECT_FALSE(give_back(party, {pages(1), pages(1)}, Hold::lasting)) << "nobody pinned just that";
  EXPECT_TRUE(give_back(party, {0, pages(500)}, Hold::lasting));
  EXPECT_EQ(party.pins.bytes(), pages(300));
}

TEST_F(RoomTest, WhoAsksForMoreThanThereIsDoesNotWait) {
  Party party(*this, 0s);
  EXPECT_EQ(take_now(party, {0, pages(10)}, Hold::passing), Code::ok);
  EXPECT_EQ(take_now(party, {pages(10), pages(701)}, Hold::passing), Code::no_memory);
}

TEST_F(RoomTest, WhoFindsNoneWaitsHisTurn) {
  Party party(*this, 0s);
  ASSERT_EQ(take_now(party, {0, pages(600)}, Hold::passing), Code::ok);
  Call large, small;
  std::vector<Call*> order;
  start(party, {pages(600), pages(300)}, Hold::passing, large, &order);
  start(party, {pages(900), pages(50)}, Hold::passing, small, &order);
  EXPECT_TRUE(waits(large));
  EXPECT_TRUE(waits(small)) << "it would fit, but then large ones might wait for ever";
  give_back(party, {0, pages(600)}, Hold::passing);
  ASSERT_TRUE(has_ended(large) && has_ended(small));
  EXPECT_EQ(large.code, Code::ok);
  EXPECT_EQ(small.code, Code::ok);
  EXPECT_EQ(order, (std::vector<Call*>{&large, &small}));
}

TEST_F(RoomTest, WhatAnotherRegionGivesBackIsFoundWithoutBeingTold) {
  Party other(*this, 0s), party(*this, 0s);
  ASSERT_EQ(take_now(other, {0, pages(600)}, Hold::passing), Code::ok);
  Call call;
  start(party, {0, pages(300)}, Hold::passing, call);
  EXPECT_TRUE(waits(call));
  give_back(other, {0, pages(600)}, Hold::passing);
  ASSERT_TRUE(has_ended(call));
  EXPECT_EQ(call.code, Code::ok);
}

TEST_F(RoomTest, WaitingEndsAtTheDeadline) {
  Party party(*this, 50ms);
  ASSERT_EQ(take_now(party, {0, pages(600)}, Hold::passing), Code::ok);
  Call first, second;
  start(party, {pages(600), pages(300)}, Hold::passing, first);
  start(party, {pages(600), pages(300)}, Hold::lasting, second);
  ASSERT_TRUE(has_ended(first) && has_ended(second));
  EXPECT_EQ(first.code, Code::timed_out);
  EXPECT_EQ(second.code, Code::timed_out);
  EXPECT_EQ(party.pins.bytes(), pages(600));
}

TEST_F(RoomTest, TheDeadlineBeginsAnewWheneverSomebodyLetsGo) {
  Party party(*this, 2s);
  const Range held[] = {{0, pages(300)}, {pages(300), pages(300)}, {pages(600), pages(200)}};
  for (const Range range : held) ASSERT_EQ(take_now(party, range, Hold::passing), Code::ok);
  Call call;
  start(party, {pages(2000), pages(700)}, Hold::passing, call);
  for (const Range range : held) {
    std::this_thread::sleep_for(800ms);
    EXPECT_TRUE(waits(call));
    give_back(party, range, Hold::passing);
  }
  ASSERT_TRUE(has_ended(call));
  EXPECT_EQ(call.code, Code::ok) << "after 2.4 seconds, but never two without anything";
}

TEST_F(RoomTest, WhatPassesMayUseTheEighthThatStaysFreeOfLastingPins) {
  Party party(*this, 0s);
  ASSERT_EQ(take_now(party, {0, pages(700)}, Hold::lasting), Code::ok);
  EXPECT_EQ(take_now(party, {pages(700), pages(100)}, Hold::passing), Code::ok);
  EXPECT_TRUE(give_back(party, {pages(700), pages(100)}, Hold::passing));
  EXPECT_EQ(take_now(party, {pages(700), pages(101)}, Hold::passing), Code::no_memory);
}

TEST_F(RoomTest, CloseEndsAllWhoWait) {
  Party party(*this, 0s);
  ASSERT_EQ(take_now(party, {0, pages(600)}, Hold::passing), Code::ok);
  Call first, second;
  start(party, {pages(600), pages(300)}, Hold::passing, first);
  start(party, {pages(600), pages(200)}, Hold::passing, second);
  on_loop([&] { party.room.close(); });
  ASSERT_TRUE(has_ended(first) && has_ended(second));
  EXPECT_EQ(first.code, Code::canceled);
  EXPECT_EQ(second.code, Code::canceled);
  EXPECT_EQ(take_now(party, {0, pages(1)}, Hold::passing), Code::canceled);
}

TEST_F(RoomTest, MemoryThatIsNeverEvictedHasRoomForAll) {
  Party party(*this, 0s, false);
  EXPECT_EQ(take_now(party, {0, pages(1024)}, Hold::lasting), Code::ok);
  EXPECT_TRUE(give_back(party, {0, pages(1024)}, Hold::lasting));
}

}  // namespace
}  // namespace r3map::region
