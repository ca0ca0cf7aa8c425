#include "region/fetcher.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <atomic>
#include <optional>

#include "base/limits.hpp"
#include "region/evictor.hpp"
#include "region/fake_memory.hpp"
#include "support/fake_resource.hpp"
#include "support/loop_fixture.hpp"

namespace r3map::region {
namespace {

using namespace std::chrono_literals;
using resource::Urgency;
using test::pages;
using Control = test::FaultInjectingResource::Control;

constexpr uint64_t kPages = 1024;
const Fetcher::Limits kRoomy{pages(16), pages(64), 0s};

struct Ended {
  Range range;
  Urgency urgency;
  Code code;
};

class FetcherTest : public test::LoopTest, public Fetcher::Owner {
 protected:
  void start(Fetcher::Limits limits, uint64_t budget = pages(kPages)) {
    on_loop([&] {
      evictor_.emplace(common_, budget, fill_, pins_, [](Range) {});
      fetcher_.emplace(*loop_, resource_, fill_, *evictor_, limits, owner());
    });
  }
  // The budget is full of what can't be evicted.
  void start_all_pinned() {
    start(kRoomy, pages(16));
    on_loop([&] {
      fetcher_->demand({0, pages(16)});
      pins_.add({0, pages(16)});
    });
    idle();
  }
  Fetcher::Owner& owner() { return *this; }
  void on_fetched(const Fetch& fetch, const Result<>& result) override {
    if (fetch.landed > 0) evictor_->arrived(fetch.range);
    ended_.push_back({fetch.range, fetch.urgency, result ? Code::ok : result.error().code});
  }
  void on_landed(Range) override { ++progress_; }
  void on_retrying(uint64_t, const Error&, loop::Clock::duration) override {}
  Range waited_for(Range range) const override { return intersect(range, waited_for_); }
  void TearDown() override {
    if (!fetcher_) return;
    on_loop([&] { fetcher_->stop(); });
    idle();
    on_loop([&] {
      fetcher_.reset();
      evictor_.reset();
    });
  }
  void idle() {
    (void)run<int>([&]() -> loop::Task<Result<int>> { return wait_idle(); });
  }
  loop::Task<Result<int>> wait_idle() {
    auto idle = fetcher_->idle();
    co_await idle;
    co_return 0;
  }
  bool is_idle() { return fetcher_->queued() == 0 && !fetcher_->has_running(); }
  void block(Range range = {0, UINT64_MAX}) { control_->add({.where = range, .block = true}); }
  std::vector<Range> seen() {
    settle();
    std::vector<Range> ranges;
    for (const auto& one : control_->seen()) ranges.push_back(one.range);
    return ranges;
  }
  // A task is started in one turn of the loop and runs in the same; two make sure.
  void settle() {
    on_loop([] {});
    on_loop([] {});
  }

  std::shared_ptr<Control> control_ = std::make_shared<Control>(*loop_);
  static std::unique_ptr<test::ComputedResource> computed() {
    auto resource = std::make_unique<test::ComputedResource>(pages(kPages) - 100);
    resource->settings().parallel_requests = 3;
    resource->settings().remote = true;
    return resource;
  }
  test::FaultInjectingResource resource_{*loop_, computed(), control_};
  test::FakeMemory memory_{pages(kPages)};
  Fill fill_{memory_};
  Pins pins_;
  Budget common_{pages(2 * kPages)};
  std::optional<Evictor> evictor_;
  std::optional<Fetcher> fetcher_;
  Range waited_for_;  // the loop's, as what follows
  std::vector<Ended> ended_;
  std::atomic<int> progress_ = 0;
};

TEST_F(FetcherTest, DemandFetchesTheAbsentPartAtTheBeginNow) {
  start(kRoomy);
  on_loop([&] {
    EXPECT_EQ(fetcher_->demand({pages(4), pages(3)}), (Range{pages(4), pages(3)}));
    EXPECT_TRUE(fetcher_->has_running());
    // On its way: nothing to do, and nothing of what lies behind it either.
    EXPECT_TRUE(fetcher_->demand({pages(4), pages(6)}).empty());
    EXPECT_EQ(fetcher_->demand({pages(2), pages(10)}), (Range{pages(2), pages(2)}));
    EXPECT_EQ(fetcher_->demand({pages(100), pages(100)}), (Range{pages(100), pages(16)}))
        << "at most one request";
  });
  idle();
  EXPECT_TRUE(fill_.is_resident({pages(2), pages(5)}));
  EXPECT_TRUE(fill_.is_resident({pages(100), pages(16)}));
  EXPECT_FALSE(fill_.is_resident({pages(116), pages(1)}));
  EXPECT_EQ(evictor_->used(), pages(21));
  EXPECT_EQ(fetcher_->counters().requests, 3u);
  EXPECT_EQ(fetcher_->counters().fetched_bytes, pages(21));
  EXPECT_GT(progress_, 0);
  for (const auto& one : control_->seen()) EXPECT_EQ(one.urgency, Urgency::demand);
}

TEST_F(FetcherTest, TheObjectsEndIsNotAskedBeyond) {
  start(kRoomy);
  on_loop([&] { fetcher_->demand({pages(kPages - 2), pages(2)}); });
  idle();
  EXPECT_EQ(seen(), (std::vector<Range>{{pages(kPages - 2), pages(2) - 100}}));
  EXPECT_TRUE(fill_.is_resident({pages(kPages - 2), pages(2)}));
}

TEST_F(FetcherTest, RequireGoesBeforeReadaheadAndReadaheadBeforePull) {
  start({pages(4), pages(4), 0s});
  block({0, pages(4)});
  on_loop([&] {
    fetcher_->enqueue({0, pages(4)}, Urgency::pull);  // all of the limit
    fetcher_->enqueue({pages(10), pages(4)}, Urgency::pull);
    fetcher_->enqueue({pages(20), pages(4)}, Urgency::readahead);
    fetcher_->enqueue({pages(30), pages(4)}, Urgency::require);
    fetcher_->enqueue({pages(40), pages(4)}, Urgency::require);
    EXPECT_FALSE(is_idle());
  });
  EXPECT_EQ(seen(), (std::vector<Range>{{0, pages(4)}}));
  control_->unblock();
  idle();
  EXPECT_EQ(seen(), (std::vector<Range>{{0, pages(4)},
                                        {pages(30), pages(4)},
                                        {pages(40), pages(4)},
                                        {pages(20), pages(4)},
                                        {pages(10), pages(4)}}));
  on_loop([&] { EXPECT_TRUE(is_idle()); });
}

TEST_F(FetcherTest, ALargeRangeGoesInRequestsAndASmallerNumberAtATime) {
  start({pages(4), pages(12), 0s});
  block();
  on_loop([&] { fetcher_->enqueue({0, pages(40)}, Urgency::require); });
  EXPECT_EQ(seen().size(), 3u);
  on_loop([&] { EXPECT_EQ(fill_.filling_bytes(), pages(12)); });
  // What somebody waits for in a fault is not bound by that.
  on_loop([&] { EXPECT_FALSE(fetcher_->demand({pages(100), pages(4)}).empty()); });
  EXPECT_EQ(seen().size(), 4u);
  control_->unblock();
  idle();
  EXPECT_EQ(seen().size(), 11u);
  EXPECT_TRUE(fill_.is_resident({0, pages(40)}));
}

TEST_F(FetcherTest, NoMoreRequestsThanConnectionsForBulk) {
  start({pages(64), pages(kPages), 0s});
  block();
  on_loop([&] {
    for (uint64_t i = 0; i < 60; ++i) fetcher_->enqueue({pages(i * 10), pages(1)}, Urgency::pull);
  });
  EXPECT_EQ(seen().size(), limits::kBulkConnections);
  control_->unblock();
  idle();
  EXPECT_EQ(seen().size(), 60u);
}

TEST_F(FetcherTest, FewerRequestsOrBytesIfThatWasAskedFor) {
  start({pages(64), pages(kPages), 0s, 2, pages(10)});
  block();
  on_loop([&] {
    fetcher_->enqueue({0, pages(600)}, Urgency::pull);
    fetcher_->require({pages(700), pages(20)});
  });
  EXPECT_EQ(seen(), (std::vector<Range>{{0, pages(10)}}));
  on_loop([&] { fetcher_->demand({pages(800), pages(64)}); });
  EXPECT_EQ(seen().back(), (Range{pages(800), pages(64)})) << "page faults are not bound";
  control_->unblock();
  idle();
  for (const Range range : seen())
    EXPECT_LE(range.length, pages(range.offset == pages(800) ? 64 : 10));
  EXPECT_TRUE(fill_.is_resident({0, pages(600)}));
  EXPECT_TRUE(fill_.is_resident({pages(700), pages(10)}));
}

TEST_F(FetcherTest, WhatLiesCloseTogetherIsOneRequest) {
  start(kRoomy);
  on_loop([&] { fetcher_->demand({pages(103), pages(1)}); });
  idle();
  const std::vector<Range> ranges = {{pages(10), pages(2)}, {pages(14), pages(1)},
                                     {pages(15), pages(3)},  // these together
                                     {pages(40), pages(1)},
                                     {pages(30), pages(1)},    // not in order
                                     {pages(100), pages(2)},   // something is here between them
                                     {pages(105), pages(2)},
                                     {pages(200), pages(10)},  // too much for one
                                     {pages(211), pages(10)}};
  on_loop([&] { fetcher_->enqueue(ranges, Urgency::prefetch); });
  idle();
  EXPECT_EQ(seen(), (std::vector<Range>{{pages(103), pages(1)},
                                        {pages(10), pages(8)},
                                        {pages(40), pages(1)},
                                        {pages(30), pages(1)},
                                        {pages(100), pages(2)},
                                        {pages(105), pages(2)},
                                        {pages(200), pages(10)},
                                        {pages(211), pages(10)}}));
  EXPECT_EQ(fill_.resident_bytes(), pages(35));
  EXPECT_EQ(evictor_->used(), pages(35));
}

// ---- late requests ------------------------------------------------------------------------------

// Makes the fetcher know what is usual, from page 512 on.
class HedgeTest : public FetcherTest {
 protected:
  void start_experienced() {
    start(kRoomy);
    control_->add({.delay = 1ms});  // a round trip
    for (uint64_t i = 0; i < 40; ++i) {
      on_loop([&] { fetcher_->demand({pages(512 + 4 * i), pages(1)}); });
      idle();
    }
    control_->clear();
    known_ = seen().size();
  }
  bool eventually_hedged(uint64_t count = 1) {
    const auto until = std::chrono::steady_clock::now() + 30s;
    uint64_t hedged = 0;
    while (hedged < count && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(1ms);
      on_loop([&] { hedged = fetcher_->counters().hedged; });
    }
    return hedged >= count;
  }
  size_t known_ = 0;
};

TEST_F(HedgeTest, ALateDemandIsSentAgainAndTheFirstAnswerLands) {
  start_experienced();
  control_->add({.where = {0, pages(4)}, .times = 1, .block = true});
  on_loop([&] { fetcher_->demand({0, pages(4)}); });
  ASSERT_TRUE(eventually_hedged());
  idle();  // also the late one, which is stopped
  EXPECT_EQ(seen().size(), known_ + 2);
  EXPECT_TRUE(fill_.is_resident({0, pages(4)}));
  EXPECT_EQ(evictor_->used(), pages(44)) << "paid for once";
  on_loop([&] {
    EXPECT_EQ(fetcher_->counters().failed, 0u);
    for (const Ended& one : ended_) EXPECT_EQ(one.code, Code::ok);
  });
}

TEST_F(HedgeTest, TheLateOneMayStillWin) {
  start_experienced();
  control_->add({.where = {0, pages(4)}, .block = true});
  on_loop([&] { fetcher_->demand({0, pages(4)}); });
  ASSERT_TRUE(eventually_hedged());
  control_->unblock();
  idle();
  EXPECT_TRUE(fill_.is_resident({0, pages(4)}));
  EXPECT_EQ(evictor_->used(), pages(44));
}

TEST_F(HedgeTest, OneThatFailsLeavesItToTheOther) {
  start_experienced();
  control_->add({.where = {0, pages(4)}, .times = 1, .delay = 200ms, .error = Code::io});
  control_->add({.where = {0, pages(4)}, .times = 1, .delay = 400ms});
  on_loop([&] { fetcher_->demand({0, pages(4)}); });
  ASSERT_TRUE(eventually_hedged());
  idle();
  EXPECT_TRUE(fill_.is_resident({0, pages(4)}));
  EXPECT_EQ(evictor_->used(), pages(44));
  on_loop([&] { EXPECT_EQ(fetcher_->counters().failed, 1u); });
}

TEST_F(HedgeTest, BothMayFail) {
  start_experienced();
  control_->add({.where = {0, pages(4)}, .delay = 200ms, .error = Code::io});
  on_loop([&] { fetcher_->demand({0, pages(4)}); });
  ASSERT_TRUE(eventually_hedged());
  idle();
  EXPECT_FALSE(fill_.is_resident({0, pages(1)}));
  EXPECT_EQ(fill_.first_absent({0, pages(4)}), (Range{0, pages(4)}));
  EXPECT_EQ(fill_.filling_bytes(), 0u);
  EXPECT_EQ(evictor_->used(), pages(40));
}

TEST_F(HedgeTest, OfBulkOnlyWhatSomebodyWaitsForIsSentAgain) {
  start_experienced();
  control_->add({.where = {0, pages(40)}, .urgency = Urgency::pull, .block = true});
  on_loop([&] {
    waited_for_ = {pages(20), pages(2)};
    fetcher_->enqueue({pages(16), pages(16)}, Urgency::pull);
    fetcher_->enqueue({0, pages(4)}, Urgency::pull);
  });
  ASSERT_TRUE(eventually_hedged());
  settle();
  ASSERT_EQ(seen().size(), known_ + 3);
  EXPECT_EQ(seen().back(), (Range{pages(20), pages(2)}));
  while (!fill_.is_resident({pages(20), pages(2)})) std::this_thread::sleep_for(1ms);
  control_->unblock();
  idle();
  EXPECT_TRUE(fill_.is_resident({pages(16), pages(16)}));
  EXPECT_TRUE(fill_.is_resident({0, pages(4)}));
  EXPECT_EQ(evictor_->used(), pages(60));
}

TEST_F(HedgeTest, AStoreThatIsLateWithEverythingDoesNotGetEverythingTwice) {
  start_experienced();
  control_->add({.where = {0, pages(500)}, .delay = 300ms});
  on_loop([&] {
    for (uint64_t i = 0; i < 50; ++i) fetcher_->demand({pages(i * 4), pages(1)});
  });
  ASSERT_TRUE(eventually_hedged());
  idle();
  on_loop([&] { EXPECT_LE(fetcher_->counters().hedged, 8u); });
}

TEST_F(FetcherTest, WhatIsHereOrOnItsWayIsNotFetchedAgain) {
  start(kRoomy);
  on_loop([&] {
    fetcher_->demand({pages(4), pages(4)});
    fetcher_->enqueue({0, pages(12)}, Urgency::require);
    fetcher_->enqueue({0, pages(12)}, Urgency::pull);
  });
  idle();
  EXPECT_EQ(fetcher_->counters().fetched_bytes, pages(12));
  EXPECT_EQ(seen().size(), 3u);
}

TEST_F(FetcherTest, PullEvictsNothingAndIsForgottenWhenThereIsNoRoom) {
  start(kRoomy, pages(20));
  on_loop([&] { fetcher_->demand({0, pages(16)}); });
  idle();
  on_loop([&] {
    fetcher_->enqueue({pages(100), pages(16)}, Urgency::pull);
    EXPECT_TRUE(is_idle());
  });
  EXPECT_TRUE(fill_.is_resident({0, pages(16)}));
}

TEST_F(FetcherTest, ReadaheadEvicts) {
  start(kRoomy, pages(20));
  on_loop([&] { fetcher_->demand({0, pages(16)}); });
  idle();
  on_loop([&] { fetcher_->enqueue({pages(100), pages(16)}, Urgency::readahead); });
  idle();
  EXPECT_TRUE(fill_.is_resident({pages(100), pages(16)}));
  EXPECT_LE(evictor_->used(), pages(20));
}

TEST_F(FetcherTest, APrefetchEvicts) {
  start(kRoomy, pages(20));
  on_loop([&] { fetcher_->demand({0, pages(16)}); });
  idle();
  on_loop([&] {
    fetcher_->enqueue({pages(100), pages(16)}, Urgency::prefetch);
    EXPECT_TRUE(fetcher_->has_background());
  });
  idle();
  EXPECT_TRUE(fill_.is_resident({pages(100), pages(16)}));
  on_loop([&] { EXPECT_FALSE(fetcher_->has_background()); });
}

TEST_F(FetcherTest, ACallStaysWithinTheBudget) {
  start_all_pinned();
  on_loop([&] {
    fetcher_->require({pages(50), pages(8)});
    EXPECT_FALSE(fetcher_->has_running());
    EXPECT_EQ(evictor_->used(), pages(16));
  });
}

TEST_F(FetcherTest, WithEverythingPinnedADemandStillGetsOnePage) {
  start_all_pinned();
  on_loop([&] {
    EXPECT_EQ(fetcher_->demand({pages(50), pages(8)}), (Range{pages(50), pages(1)}));
  });
  idle();
  EXPECT_TRUE(fill_.is_resident({pages(50), pages(1)}));
  EXPECT_TRUE(fill_.is_resident({0, pages(16)}));
}

TEST_F(FetcherTest, WhatIsRequiredWaitsForRoomAslongAsSomeMayCome) {
  start({pages(4), pages(64), 0s}, pages(16));
  block({0, pages(16)});
  on_loop([&] {
    pins_.add({0, pages(16)});
    for (uint64_t page = 0; page < 16; page += 4) fetcher_->demand({pages(page), pages(4)});
    fetcher_->enqueue({pages(100), pages(4)}, Urgency::require);
    EXPECT_EQ(fetcher_->queued(), 1u);
    EXPECT_TRUE(pins_.remove({0, pages(16)}));
  });
  control_->unblock();
  idle();
  EXPECT_TRUE(fill_.is_resident({pages(100), pages(4)}));
  EXPECT_LE(evictor_->used(), pages(16));
}

TEST_F(FetcherTest, WhatIsRequiredWaitsForRoom) {
  start_all_pinned();
  on_loop([&] {
    fetcher_->enqueue({pages(100), pages(4)}, Urgency::require);
    EXPECT_FALSE(fetcher_->has_running());
    EXPECT_EQ(fetcher_->queued(), 1u);
    EXPECT_TRUE(pins_.remove({0, pages(16)}));
    fetcher_->pump();
  });
  idle();
  EXPECT_TRUE(fill_.is_resident({pages(100), pages(4)}));
}

TEST_F(FetcherTest, AFailureLeavesPagesAbsentAndGivesTheirRoomBack) {
  start(kRoomy);
  control_->add({.bytes_before = pages(3) + 10, .error = Code::network});
  on_loop([&] { fetcher_->demand({0, pages(8)}); });
  idle();
  on_loop([&] {
    ASSERT_EQ(ended_.size(), 1u);
    EXPECT_EQ(ended_[0].code, Code::network);
  });
  EXPECT_TRUE(fill_.is_resident({0, pages(3)}));
  EXPECT_EQ(fill_.first_absent({0, pages(8)}), (Range{pages(3), pages(5)}));
  EXPECT_EQ(evictor_->used(), pages(3));
  EXPECT_EQ(fetcher_->counters().failed, 1u);
  EXPECT_EQ(fetcher_->counters().fetched_bytes, pages(3) + 10);
}

TEST_F(FetcherTest, AFailureToLandGivesTheRoomBackOnce) {
  start(kRoomy);
  memory_.fail_landing({pages(6), pages(1)});
  on_loop([&] {
    fetcher_->enqueue({0, pages(8)}, Urgency::require);
    fill_.take_away({pages(3), pages(1)});
  });
  idle();
  EXPECT_EQ(evictor_->used(), fill_.resident_bytes());
  on_loop([&] {
    ASSERT_EQ(ended_.size(), 1u);
    EXPECT_EQ(ended_[0].code, Code::io);
    evictor_->evict_range({0, pages(kPages)});
    EXPECT_EQ(evictor_->used(), 0u);
  });
}

// A store that says all is well and has not delivered all of it.
class ShortResource : public test::ComputedResource {
 public:
  using ComputedResource::ComputedResource;
  loop::Task<Result<>> read(Range range, resource::Request request,
                            resource::Sink& sink) override {
    range.length -= 1;
    return ComputedResource::read(range, std::move(request), sink);
  }
};

TEST_F(FetcherTest, AStoreThatDeliversTooLittleIsFoundOut) {
  ShortResource resource(pages(kPages));
  on_loop([&] {
    evictor_.emplace(common_, 0, fill_, pins_, [](Range) {});
    fetcher_.emplace(*loop_, resource, fill_, *evictor_, kRoomy, owner());
    fetcher_->demand({0, pages(2)});
  });
  idle();
  on_loop([&] {
    ASSERT_EQ(ended_.size(), 1u);
    EXPECT_EQ(ended_[0].code, Code::internal);
  });
  TearDown();
  fetcher_.reset();
}

TEST_F(FetcherTest, TheRequestsDeadlineIsPassedOn) {
  start({pages(16), pages(64), 20ms});
  block();
  on_loop([&] { fetcher_->demand({0, pages(1)}); });
  idle();
  on_loop([&] {
    ASSERT_EQ(ended_.size(), 1u);
    EXPECT_EQ(ended_[0].code, Code::timed_out);
  });
}

TEST_F(FetcherTest, StopCancelsWhatRunsForgetsWhatIsQueuedAndStartsNothing) {
  start({pages(4), pages(8), 0s});
  control_->add({.where = {0, pages(4)}, .block = true, .deaf_to_stop = 30ms});
  control_->add({.block = true});
  on_loop([&] {
    fetcher_->enqueue({0, pages(64)}, Urgency::require);
    fetcher_->demand({pages(100), pages(4)});
  });
  EXPECT_EQ(seen().size(), 3u);
  on_loop([&] {
    fetcher_->stop();
    EXPECT_EQ(fetcher_->queued(), 0u);
    EXPECT_TRUE(fetcher_->demand({pages(200), pages(1)}).empty());
    fetcher_->enqueue({pages(300), pages(4)}, Urgency::pull);
    EXPECT_EQ(fetcher_->queued(), 0u);
  });
  idle();
  EXPECT_EQ(seen().size(), 3u);
  on_loop([&] {
    EXPECT_EQ(ended_.size(), 3u);
    for (const Ended& one : ended_) EXPECT_EQ(one.code, Code::canceled);
    EXPECT_EQ(evictor_->used(), 0u);
  });
}

TEST_F(FetcherTest, ForgettingOneUrgencyLeavesTheOthers) {
  start({pages(4), pages(4), 0s});
  block();
  on_loop([&] {
    fetcher_->enqueue({0, pages(4)}, Urgency::pull);
    fetcher_->enqueue({pages(10), pages(4)}, Urgency::pull);
    fetcher_->enqueue({pages(20), pages(4)}, Urgency::readahead);
    fetcher_->forget_queued(Urgency::pull);
    EXPECT_EQ(fetcher_->queued(), 1u);
  });
  control_->unblock();
  idle();
  EXPECT_TRUE(fill_.is_resident({pages(20), pages(4)}));
  EXPECT_FALSE(fill_.is_resident({pages(10), pages(4)}));
}

TEST_F(FetcherTest, TheQueueIsBounded) {
  start({pages(1), pages(1), 0s});
  block();
  on_loop([&] {
    fetcher_->enqueue({0, pages(1)}, Urgency::pull);
    for (size_t i = 0; i < limits::kQueuedRanges + 10; ++i)
      fetcher_->enqueue({pages(1), pages(1)}, Urgency::pull);
    EXPECT_EQ(fetcher_->queued(), limits::kQueuedRanges);
    fetcher_->enqueue({pages(2), pages(1)}, Urgency::require);
    EXPECT_EQ(fetcher_->queued(), limits::kQueuedRanges + 1) << "somebody waits for this";
  });
}

}  // namespace
}  // namespace r3map::region
