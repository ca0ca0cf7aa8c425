// Regions whose requests fail, stall or are slow, and what overtakes what.

#include <gtest/gtest.h>

#include "region/fake_memory.hpp"
#include "region/region_fixture.hpp"

namespace r3map::region {
namespace {

using namespace std::chrono_literals;
using resource::Urgency;
using test::eventually;
using test::get;
using test::pages;

constexpr uint64_t kMiB = 1 << 20;

class RegionFailureTest : public test::RegionFixture {};

// ---- failures -----------------------------------------------------------------------------------

TEST_F(RegionFailureTest, AFaultThatFailsIsSigbusInItsToucherOnly) {
  control_->add({.where = {kMiB, kPage}, .error = Code::denied});
  const auto region = open({.size = 4 * kMiB});
  std::atomic<bool> stop = false;
  std::atomic<int> rounds = 0;
  std::thread other([&] {
    for (uint64_t at = 2 * kMiB; !stop; at = at + kPage < 4 * kMiB ? at + kPage : 2 * kMiB) {
      ASSERT_TRUE(region->touched(at));
      ++rounds;
    }
  });
  EXPECT_FALSE(region->touched(kMiB + 100));
  EXPECT_EQ(test::last_touch_failure().signal, SIGBUS);
  EXPECT_EQ(align_down(reinterpret_cast<uint64_t>(test::last_touch_failure().address), kPage),
            reinterpret_cast<uint64_t>(region->data() + kMiB));
  EXPECT_TRUE(eventually([&] { return rounds > 100; }));
  stop = true;
  other.join();
  EXPECT_EQ(region->last_error().code, Code::denied);
  EXPECT_EQ(region->last_error().message, "an injected failure");
  EXPECT_EQ(region->stats().failed_faults, 1u);
}

TEST_F(RegionFailureTest, ADeadlineIsSigbusInTheToucherOnly) {
  control_->add({.where = {kMiB, kPage}, .block = true});
  const auto region = open({.size = 4 * kMiB}, {.deadline = 100ms});
  auto waiting = region->touch_async(kMiB);
  EXPECT_TRUE(region->matches({2 * kMiB, kMiB}));
  EXPECT_FALSE(get(waiting));
  EXPECT_EQ(region->last_error().code, Code::timed_out);
  EXPECT_TRUE(region->touched(3 * kMiB));
}

TEST_F(RegionFailureTest, FaultTimesAreFromTheTouchToThePage) {
  const auto region = open({.size = 4 * kMiB}, {.pull = Pull::none});
  control_->add({.delay = 30ms});
  EXPECT_TRUE(region->touched(0));
  const Histogram times = region->stats().fault_times;
  EXPECT_EQ(times.count(), 1u);
  EXPECT_GE(times.max(), 30ms);
  EXPECT_EQ(times.percentile(0.5), times.max());
  // A failed one is not among them.
  control_->clear();
  control_->add({.error = Code::denied});
  EXPECT_FALSE(region->touched(kMiB));
  EXPECT_EQ(region->stats().fault_times.count(), 1u);
  EXPECT_EQ(region->stats().failed_faults, 1u);
}

TEST_F(RegionFailureTest, ADeadlineOfZeroIsForEver) {
  control_->add({.block = true});
  const auto region = open({.size = kMiB}, {.deadline = 0s});
  auto waiting = region->touch_async(0);
  auto populating = std::async([&] { return region->populate({kMiB / 2, kPage}); });
  ASSERT_TRUE(someone_is_blocked(2));
  EXPECT_EQ(waiting.wait_for(150ms), std::future_status::timeout);
  EXPECT_EQ(populating.wait_for(0s), std::future_status::timeout);
  control_->unblock();
  EXPECT_TRUE(get(waiting));
  EXPECT_EQ(get(populating), Code::ok);
}

TEST_F(RegionFailureTest, CallsHaveADeadlineToo) {
  control_->add({.block = true});
  const auto region = open({.size = 8 * kMiB}, {.deadline = 30ms});
  EXPECT_EQ(region->populate({0, kPage}), Code::timed_out);
  EXPECT_EQ(region->populate({0, 8 * kMiB}), Code::timed_out);
  EXPECT_EQ(region->pin({0, kPage}), Code::timed_out);
  std::vector<std::byte> bytes(100);
  EXPECT_EQ(region->read(0, bytes), Code::timed_out);
  EXPECT_EQ(region->stats().pinned, 0u) << "a call that failed left its pin behind";
  control_->clear();
  ASSERT_TRUE(eventually([&] { return region->stats().in_flight == 0; }));
  // On a busy machine 30 ms may pass without progress.
  EXPECT_TRUE(eventually([&] { return region->populate({0, 7 * kMiB}) == Code::ok; }));
}

TEST_F(RegionFailureTest, ACallThatFailedIsNotFetchedOn) {
  const auto region = open({.size = 32 * kMiB, .preferred_request = 64 << 10,
                            .parallel_requests = 1});
  control_->add({.where = {0, kPage}, .block = true});
  control_->add({.where = {kMiB, kPage}, .times = 1, .error = Code::denied});
  auto failing = std::async([&] { return region->populate({0, 16 * kMiB}); });
  ASSERT_TRUE(someone_is_blocked());
  // Another call behind it gets what it asked for all the same.
  auto fine = std::async([&] { return region->populate({16 * kMiB, 8 * kMiB}); });
  ASSERT_TRUE(eventually([&] { return region->stats().pinned == 24 * kMiB; }));
  control_->unblock();
  EXPECT_EQ(get(failing), Code::denied);
  EXPECT_EQ(get(fine), Code::ok);
  ASSERT_TRUE(eventually([&] { return region->stats().in_flight == 0; }));
  EXPECT_LT(region->stats().resident, 12 * kMiB);
}

TEST_F(RegionFailureTest, PopulateCuresAPoisonedPage) {
  control_->add({.times = 1, .error = Code::not_found});
  const auto region = open({.size = kMiB});
  EXPECT_FALSE(region->touched(5));
  EXPECT_FALSE(region->touched(6)) << "a page that failed stays so until somebody asks for it";
  EXPECT_EQ(region->stats().failed_faults, 1u);
  EXPECT_EQ(region->populate({0, 10}), Code::ok);
  EXPECT_TRUE(region->touched(5));
  EXPECT_EQ(region->last_error().code, Code::not_found) << "what explains the SIGBUS stays";
}

TEST_F(RegionFailureTest, PopulateAnswersTheError) {
  control_->add({.where = {0, kMiB}, .times = 1, .error = Code::network});
  control_->add({.where = {4 * kMiB, 4 * kMiB}, .error = Code::denied});
  const auto region = open({.size = 8 * kMiB});
  EXPECT_EQ(region->populate({0, 10}), Code::network);
  EXPECT_EQ(region->populate({0, 8 * kMiB}), Code::denied);
  std::vector<std::byte> bytes(2 * kMiB);
  EXPECT_EQ(region->read(3 * kMiB, bytes), Code::denied);
  EXPECT_EQ(region->pin({6 * kMiB, kMiB}), Code::denied);
  EXPECT_EQ(region->stats().pinned, 0u);
  EXPECT_EQ(region->last_error().code, Code::ok) << "no fault has failed";
  EXPECT_EQ(region->populate({0, 4 * kMiB}), Code::ok);
}

// A request that nobody waited for when it was sent has failed: whoever waits now asks again, unless
// the failure is for good.
class FailureOfThePull : public RegionFailureTest, public testing::WithParamInterface<Code> {};
INSTANTIATE_TEST_SUITE_P(, FailureOfThePull, testing::Values(Code::network, Code::denied));

TEST_P(FailureOfThePull, KillsAWaitingFaultOnlyIfItIsForGood) {
  const bool for_good = GetParam() == Code::denied;
  control_->add({.urgency = Urgency::prefetch, .block = true, .error = GetParam()});
  const auto region = open({.size = kMiB});
  region->prefetch({{0, 64 << 10}});
  ASSERT_TRUE(someone_is_blocked());
  auto fault = region->touch_async(pages(5));
  auto populating = std::async([&] { return region->populate({pages(8), pages(2)}); });
  ASSERT_TRUE(faults_waiting(*region));
  ASSERT_TRUE(eventually([&] { return region->stats().pinned > 0; }));
  control_->unblock();
  EXPECT_EQ(get(fault), !for_good);
  EXPECT_EQ(get(populating), for_good ? Code::denied : Code::ok);
  EXPECT_EQ(region->stats().failed_requests, 1u);
  EXPECT_EQ(region->stats().failed_faults, for_good ? 1u : 0u);
  EXPECT_EQ(region->last_error().code, for_good ? Code::denied : Code::ok);
}

TEST_F(RegionFailureTest, AStaleObjectIsDeadButForWhatIsHere) {
  control_->add({.where = {kMiB, kPage}, .error = Code::stale});
  const auto region = open({.size = 4 * kMiB});
  EXPECT_TRUE(region->touched(0));
  EXPECT_FALSE(region->touched(kMiB));
  EXPECT_EQ(region->last_error().code, Code::stale);
  const size_t requests = control_->seen().size();
  EXPECT_FALSE(region->touched(2 * kMiB));
  EXPECT_FALSE(region->touched(3 * kMiB));
  EXPECT_EQ(region->populate({2 * kMiB, kPage}), Code::stale);
  EXPECT_EQ(region->pin({2 * kMiB, kPage}), Code::stale);
  std::vector<std::byte> bytes(8);
  EXPECT_EQ(region->read(3 * kMiB, bytes), Code::stale);
  EXPECT_EQ(region->prefetch({{3 * kMiB, kPage}}), Code::stale);
  EXPECT_EQ(control_->seen().size(), requests) << "the store was asked again";
  // Bytes of the version that was opened stay what they were.
  EXPECT_TRUE(region->touched(0));
  EXPECT_EQ(region->populate({0, 100}), Code::ok);
  EXPECT_EQ(region->read(0, bytes), Code::ok);
}

TEST_F(RegionFailureTest, WaitAnswersTheBackgroundsErrorOnce) {
  control_->add({.where = {kMiB, kPage}, .times = 1, .error = Code::io});
  const auto region = open({.size = 4 * kMiB});
  EXPECT_EQ(region->wait(), Code::ok);
  region->prefetch({{kMiB, 100}});
  EXPECT_EQ(region->wait(), Code::io);
  EXPECT_EQ(region->wait(), Code::ok);
  EXPECT_TRUE(region->touched(kMiB)) << "left for a later touch, which tries again";
  region->prefetch({{0, 10}, {2 * kMiB, kMiB}, {10, 5}});
  EXPECT_EQ(region->wait(), Code::ok);
  EXPECT_EQ(region->stats().in_flight, 0u);
  EXPECT_GE(region->stats().resident, kMiB + 2 * kPage);
}

// Its page came at once; what hangs is only the rest of the request.
TEST_F(RegionFailureTest, AFaultThatWasAnsweredDoesNotFailLater) {
  control_->add({.times = 1, .bytes_before = kPage, .block = true});
  const auto region = open({.size = kMiB}, {.deadline = 50ms});
  EXPECT_TRUE(region->touched(0));
  ASSERT_TRUE(eventually([&] { return region->stats().failed_requests == 1; }));
  EXPECT_EQ(region->stats().failed_faults, 0u);
  EXPECT_EQ(region->last_error().code, Code::ok);
  EXPECT_TRUE(region->touched(0));
  EXPECT_TRUE(region->touched(kPage));
}

TEST_F(RegionFailureTest, APageThatWasAnsweredAndEvictedIsNotPoisonedByItsOldDeadline) {
  for (const Code code : {Code::ok, Code::denied}) {
    control_->clear();
    control_->add({.times = 1, .bytes_before = kPage, .delay = 120ms, .error = code});
    const auto region = open({.size = kMiB}, {.deadline = 50ms});
    EXPECT_TRUE(region->touched(0));
    region->evict({0, kMiB});
    ASSERT_TRUE(eventually([&] { return region->stats().in_flight == 0; }));
    EXPECT_EQ(region->stats().failed_faults, 0u) << "nobody waited";
    EXPECT_TRUE(region->touched(0));
  }
}

TEST_F(RegionFailureTest, WhatArrivesBehindAGapIsProgress) {
  control_->add({.where = {0, kPage}, .times = 1, .block = true});
  control_->add({.delay = 300ms});
  const auto region = open({.size = 6 * kMiB}, {.deadline = 1s});
  EXPECT_EQ(region->populate({0, 6 * kMiB}), Code::ok) << "nothing came for a second";
}

// An idle connection that a firewall has forgotten: the first touch after the pause meets it.
TEST_F(RegionFailureTest, TheFirstRequestMayBeTheLateOne) {
  control_->add({.times = 1, .block = true});
  const auto region = open({.size = kMiB, .remote = true, .latency = 1ms});
  EXPECT_TRUE(region->touched(0));
  EXPECT_EQ(region->stats().hedged_requests, 1u);
}

TEST_F(RegionFailureTest, WhatWaitsToBeFetchedInTheBackgroundDiesWithTheObject) {
  const auto region = open({.size = 64 * kMiB, .preferred_request = kMiB});
  control_->add({.where = {0, 63 * kMiB}, .block = true});
  control_->add({.where = {63 * kMiB, kMiB}, .error = Code::stale});
  EXPECT_EQ(region->prefetch({{0, 32 * kMiB}}), Code::ok);
  ASSERT_TRUE(someone_is_blocked());
  const size_t requests = control_->seen().size();
  EXPECT_FALSE(region->touched(63 * kMiB));
  control_->unblock();
  EXPECT_EQ(region->wait(), Code::stale);
  EXPECT_EQ(control_->seen().size(), requests + 1) << "the touch";
}

TEST_F(RegionFailureTest, MoreRangesThanCanWaitAreRefused) {
  const auto region = open({.size = 64 * kMiB});
  control_->add({.block = true});
  std::vector<Range> ranges;
  for (uint64_t i = 0; i < limits::kPrefetchRanges; ++i) ranges.push_back({2 * i, 1});
  EXPECT_EQ(region->prefetch(ranges), Code::ok);
  Code last = region->prefetch(ranges);  // what joined the first request waits no more
  for (int i = 0; i < 2 && last == Code::ok; ++i) last = region->prefetch(ranges);
  EXPECT_EQ(last, Code::busy);
}

// As a kernel without UFFDIO_POISON at the limit of a process's mappings.
class StubbornMemory : public memory::LocalMemory {
 public:
  StubbornMemory(std::unique_ptr<memory::LocalMemory> memory, std::atomic<int>& refusals)
      : memory_(std::move(memory)), refusals_(refusals) {}

  const std::byte* data() const override { return memory_->data(); }
  uint64_t capacity() const override { return memory_->capacity(); }
  bool on_demand() const override { return memory_->on_demand(); }
  int fault_descriptor() const override { return memory_->fault_descriptor(); }
  size_t take_faults(std::span<memory::Fault> faults) override {
    return memory_->take_faults(faults);
  }
  Result<> land(uint64_t offset, std::span<const std::byte> pages) override {
    return memory_->land(offset, pages);
  }
  Result<> drop(Range range) override { return memory_->drop(range); }
  Result<> poison(Range range) override {
    if (refusals_.fetch_sub(1) > 0) return fail(Code::no_memory, "no mapping is left");
    return memory_->poison(range);
  }
  void wake(Range range) override { memory_->wake(range); }
  void read_pinned(uint64_t offset, std::span<std::byte> out) const override {
    memory_->read_pinned(offset, out);
  }

 private:
  const std::unique_ptr<memory::LocalMemory> memory_;
  std::atomic<int>& refusals_;
};

TEST_F(RegionFailureTest, AFaultThatCanNotBeAnsweredYetFailsOnceAndForItsOwnReason) {
  std::atomic<int> refusals = 2;
  wrap_memory_ = [&](std::unique_ptr<memory::LocalMemory> memory) {
    return std::make_unique<StubbornMemory>(std::move(memory), refusals);
  };
  control_->add({.times = 1, .error = Code::denied});
  const auto region = open({.size = kMiB}, {.deadline = 5s});
  EXPECT_FALSE(region->touched(0)) << "at the third attempt";
  EXPECT_LT(refusals, 0);
  EXPECT_EQ(region->stats().failed_faults, 1u);
  EXPECT_EQ(region->last_error().code, Code::denied);
  EXPECT_EQ(region->populate({0, kPage}), Code::ok);
  EXPECT_TRUE(region->touched(0));
}

TEST_F(RegionFailureTest, ManyThreadsOnOnePageAreOneRequest) {
  control_->add({.block = true});
  const auto region = open({.size = kMiB});
  std::vector<std::future<bool>> touches;
  for (int i = 0; i < 8; ++i) touches.push_back(region->touch_async(pages(3) + i * 7));
  ASSERT_TRUE(faults_waiting(*region, 8));
  control_->unblock();
  for (auto& touch : touches) EXPECT_TRUE(get(touch));
  EXPECT_EQ(control_->seen().size(), 1u);
}

// ---- what overtakes what ------------------------------------------------------------------------

TEST_F(RegionFailureTest, ADemandFaultOvertakesARequestThatIsFarBehind) {
  control_->add({.urgency = Urgency::prefetch, .bytes_before = 100'000, .block = true});
  const auto region = open({.size = 2 * kMiB, .preferred_request = 16 * kMiB});
  region->prefetch({{0, 2 * kMiB}});
  ASSERT_TRUE(someone_is_blocked());
  EXPECT_TRUE(region->touched(kMiB + pages(100) + 5));
  EXPECT_TRUE(region->touched(kMiB + pages(164))) << "and again, next to what overtook";
  EXPECT_EQ(region->populate({kMiB + pages(50), 100}), Code::ok);
  std::vector<std::byte> bytes(100);
  EXPECT_EQ(region->read(2 * kMiB - 100, bytes), Code::ok);
  EXPECT_EQ(control_->blocked(), 1u);
  // Late answers land on nobody's page.
  control_->unblock();
  EXPECT_EQ(region->wait(), Code::ok);
  EXPECT_EQ(region->stats().resident, 2 * kMiB);
  EXPECT_TRUE(region->matches({0, 2 * kMiB}));
}

TEST_F(RegionFailureTest, ADemandFaultNeedNotWaitForBulkToEnd) {
  control_->add({.urgency = Urgency::pull, .block = true});
  const auto region = open({.size = 64 * kMiB}, {.pull = Pull::all});
  ASSERT_TRUE(someone_is_blocked(2));
  EXPECT_TRUE(region->touched(50 * kMiB));
  EXPECT_EQ(region->populate({40 * kMiB, kMiB}), Code::ok);
  control_->unblock();
}

// The sequential reader's trap lies where somebody pins: held back it would never be resident.
TEST_F(RegionFailureTest, ATrapIsNotSetWhereSomebodyPins) {
  const auto region = open({.size = 16 * kMiB, .preferred_request = 64 << 10,
                            .parallel_requests = 1});
  control_->add({.urgency = Urgency::require, .block = true});
  auto pinning = std::async([&] { return region->pin({0, 8 * kMiB}); });
  ASSERT_TRUE(someone_is_blocked());
  // Its first request is blocked; behind it a reader goes on sequentially through what is pinned
  // and not here.
  for (uint64_t at = 4 * kMiB; at < 6 * kMiB; at += kPage) ASSERT_TRUE(region->touched(at));
  control_->unblock();
  EXPECT_EQ(get(pinning), Code::ok);
  EXPECT_EQ(region->stats().pinned, 8 * kMiB);
  EXPECT_TRUE(region->matches({0, 8 * kMiB}));
}

TEST_F(RegionFailureTest, PopulateReleasesATrap) {
  const auto region = open({.size = 16 * kMiB});
  for (uint64_t at = 0; at < kMiB; at += kPage) ASSERT_TRUE(region->touched(at));
  // Somewhere ahead a page is held back now.
  EXPECT_EQ(region->populate({0, 8 * kMiB}), Code::ok);
  const uint64_t faults = region->stats().faults;
  EXPECT_TRUE(region->matches({0, 8 * kMiB}));
  EXPECT_EQ(region->stats().faults, faults);
}

TEST_F(RegionFailureTest, WhereOnlyATrapIsMissingACallSucceeds) {
  constexpr uint64_t kGranule = 16 << 10;
  const auto region = open({.size = 5 * kGranule, .granule = kGranule});
  // A sequential reader, whose window reaches to the end: nothing more is fetched for him.
  EXPECT_TRUE(region->touched(0));
  EXPECT_TRUE(region->touched(kGranule));
  ASSERT_TRUE(eventually([&] {
    const RegionStats stats = region->stats();
    return stats.resident == 5 * kGranule && stats.in_flight == 0;
  }));
  const uint64_t requests = region->stats().requests;
  EXPECT_EQ(region->populate({0, 5 * kGranule}), Code::ok);
  const uint64_t faults = region->stats().faults;
  EXPECT_TRUE(region->matches({0, 5 * kGranule}));
  EXPECT_EQ(region->stats().faults, faults) << "a page was still held back";
  EXPECT_EQ(region->stats().requests, requests);
}

}  // namespace
}  // namespace r3map::region
