#include "region/region.hpp"

#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <fstream>

#include "region/fake_memory.hpp"
#include "region/region_fixture.hpp"
#include "support/random.hpp"
#include "support/subprocess.hpp"

namespace r3map::region {
namespace {

using namespace std::chrono_literals;
using resource::Urgency;
using test::Control;
using test::eventually;
using test::get;
using test::MemoryKind;
using test::pages;
using test::ResourceKind;
using test::TestRegion;

constexpr uint64_t kMiB = 1 << 20;

std::vector<std::byte> expected_bytes(Range range) {
  std::vector<std::byte> bytes(range.length);
  test::ComputedResource::fill(range.offset, bytes);
  return bytes;
}

// ---- what holds for every memory and every store ------------------------------------------------

class AnyRegionTest : public test::RegionFixture,
                      public testing::WithParamInterface<std::tuple<MemoryKind, ResourceKind>> {
 protected:
  bool on_demand() const { return std::get<0>(GetParam()) == MemoryKind::uffd; }
  std::unique_ptr<TestRegion> open_any(uint64_t size, RegionOptions options = {}) {
    control_->add({.delay = 1ms, .slice = 5000});
    auto resource = std::get<1>(GetParam()) == ResourceKind::memory ? in_memory(size)
                                                                    : misbehaving({.size = size});
    auto opened = try_open(std::move(resource), std::move(options), std::get<0>(GetParam()));
    if (!opened) ADD_FAILURE() << opened.error().message;
    return opened ? std::move(*opened) : nullptr;
  }
};

std::string name_of(const testing::TestParamInfo<std::tuple<MemoryKind, ResourceKind>>& info) {
  return std::string(std::get<0>(info.param) == MemoryKind::uffd ? "Uffd" : "Plain") +
         (std::get<1>(info.param) == ResourceKind::memory ? "OverMemory" : "OverSlices");
}

INSTANTIATE_TEST_SUITE_P(, AnyRegionTest,
                         testing::Combine(testing::Values(MemoryKind::uffd, MemoryKind::plain),
                                          testing::Values(ResourceKind::memory,
                                                          ResourceKind::misbehaving)),
                         name_of);

TEST_P(AnyRegionTest, TouchingEverythingYieldsTheSource) {
  const uint64_t size = 3 * kMiB + 1234;
  const auto region = open_any(size);
  EXPECT_TRUE(region->matches({0, size}));
  for (uint64_t at = size; at < align_up(size, kPage); ++at)
    ASSERT_EQ(region->data()[at], std::byte{}) << "past the end at " << at;
}

TEST_P(AnyRegionTest, AnySizeAroundAPage) {
  for (const uint64_t size : {0, 1, 4095, 4096, 4097}) {
    SCOPED_TRACE(size);
    for (const Pull pull : {Pull::readahead, Pull::all}) {
      const auto region = open_any(size, {.pull = pull, .priority = {{0, 4096}, {4096, 1}}});
      EXPECT_NE(region->data(), nullptr);
      EXPECT_EQ(region->size(), size);
      EXPECT_EQ(region->wait(), Code::ok);
      EXPECT_EQ(region->populate({0, size}), Code::ok);
      EXPECT_TRUE(region->matches({0, size}));
      std::vector<std::byte> bytes(size);
      EXPECT_EQ(region->read(0, bytes), Code::ok);
      EXPECT_EQ(bytes, expected_bytes({0, size}));
      EXPECT_EQ(region->stats().failed_requests, 0u);
      EXPECT_EQ(region->last_error().code, Code::ok);
    }
  }
}

TEST_P(AnyRegionTest, ReadsAtAnyAlignment) {
  test::Random random;
  SCOPED_TRACE(random.trace());
  const uint64_t size = 2 * kMiB + 77;
  const auto region = open_any(size, {.budget = 3 * kMiB});
  for (int i = 0; i < 60; ++i) {
    const uint64_t offset = random.below(size + 1);
    const Range range{offset, random.one_in(3) ? size - offset : random.below(size - offset + 1)};
    std::vector<std::byte> bytes(range.length);
    ASSERT_EQ(region->read(offset, bytes), Code::ok);
    ASSERT_EQ(bytes, expected_bytes(range)) << offset << "+" << range.length;
    if (random.one_in(4)) region->evict({0, size});
  }
}

TEST_P(AnyRegionTest, CallsOnEmptyRangesDoNothing) {
  const auto region = open_any(kMiB);
  const uint64_t before = region->stats().resident;
  for (const uint64_t offset : {uint64_t{0}, uint64_t{100}, kMiB}) {
    EXPECT_EQ(region->populate({offset, 0}), Code::ok);
    EXPECT_EQ(region->pin({offset, 0}), Code::ok);
    EXPECT_EQ(region->unpin({offset, 0}), Code::ok);
    EXPECT_EQ(region->read(offset, {}), Code::ok);
    region->prefetch({{offset, 0}});
    region->evict({offset, 0});
  }
  EXPECT_EQ(region->wait(), Code::ok);
  EXPECT_EQ(region->stats().resident, before);
}

TEST_P(AnyRegionTest, PinnedPagesOutliveEviction) {
  const auto region = open_any(kMiB);
  const Range range{5000, 10'000};  // pages 1 to 3
  EXPECT_EQ(region->pin(range), Code::ok);
  EXPECT_EQ(region->pin(range), Code::ok);
  region->evict({0, kMiB});
  EXPECT_GE(region->stats().resident, pages(3));
  EXPECT_GE(region->stats().pinned, pages(3));
  EXPECT_EQ(region->unpin({5000, 3000}), Code::invalid) << "a part of it";
  EXPECT_EQ(region->unpin(range), Code::ok);
  EXPECT_GE(region->stats().pinned, pages(3));
  EXPECT_EQ(region->unpin(range), Code::ok);
  EXPECT_EQ(region->unpin(range), Code::invalid);
  region->evict({0, kMiB});
  EXPECT_EQ(region->stats().resident, on_demand() ? 0 : kMiB);
  EXPECT_TRUE(region->matches(range));
}

TEST_P(AnyRegionTest, StatsTellWhatIsWhere) {
  const uint64_t size = 2 * kMiB + 1;
  const auto region = open_any(size, {.budget = 8 * kMiB});
  RegionStats stats = region->stats();
  EXPECT_EQ(stats.eager, !on_demand());
  EXPECT_EQ(stats.size, size);
  EXPECT_EQ(stats.budget, 8 * kMiB);
  EXPECT_EQ(stats.resident, on_demand() ? 0 : align_up(size, kPage));
  EXPECT_EQ(region->populate({0, size}), Code::ok);
  stats = region->stats();
  EXPECT_EQ(stats.resident, align_up(size, kPage));
  EXPECT_EQ(stats.fetched, size);
  EXPECT_EQ(stats.in_flight, 0u);
  EXPECT_EQ(stats.evicted, 0u);
  EXPECT_EQ(stats.pinned, on_demand() ? 0 : align_up(size, kPage));
  EXPECT_GE(stats.requests, 3u);
  EXPECT_EQ(stats.failed_requests + stats.failed_faults + stats.faults, 0u);
}

TEST_P(AnyRegionTest, TwoRegionsOfOneObjectAreApart) {
  const auto one = open_any(kMiB), two = open_any(kMiB);
  EXPECT_NE(one->data(), two->data());
  EXPECT_TRUE(one->matches({0, kMiB}));
  one->close();
  EXPECT_TRUE(two->matches({0, kMiB}));
}

// ---- memory that is filled at open --------------------------------------------------------------

class EagerTest : public test::RegionFixture {};

TEST_F(EagerTest, MoreThanTheBudgetIsRefusedAndLessIsRead) {
  for (const uint64_t budget : {kMiB, kMiB + 1}) {
    SCOPED_TRACE(budget);
    const auto whole =
        try_open(misbehaving({.size = kMiB}), {.budget = budget}, MemoryKind::plain);
    ASSERT_TRUE(whole) << whole.error().message;
    EXPECT_EQ((*whole)->stats().resident, kMiB);
    const auto larger =
        try_open(misbehaving({.size = kMiB + 1}), {.budget = budget}, MemoryKind::plain);
    ASSERT_FALSE(larger);
    EXPECT_EQ(larger.error().code, Code::no_memory);
    EXPECT_NE(larger.error().message.find("docs/containers.md"), std::string::npos)
        << larger.error().message;
  }
}

TEST_F(EagerTest, TheStoresErrorIsTheOpensError) {
  control_->add({.where = {kMiB, 1}, .error = Code::denied});
  const auto region = try_open(misbehaving({.size = 2 * kMiB}), {}, MemoryKind::plain);
  ASSERT_FALSE(region);
  EXPECT_EQ(region.error().code, Code::denied);
}

TEST_F(EagerTest, ItsDeadlineIsTheOpens) {
  control_->add({.block = true});
  const auto region =
      try_open(misbehaving({.size = kMiB}), {.deadline = 20ms}, MemoryKind::plain);
  ASSERT_FALSE(region);
  EXPECT_EQ(region.error().code, Code::timed_out);
}

// ---- memory that is filled on demand ------------------------------------------------------------

class RegionTest : public test::RegionFixture {
 protected:
  bool someone_is_blocked(size_t count = 1) {
    return eventually([&] { return control_->blocked() >= count; });
  }
  bool faults_waiting(TestRegion& region, uint64_t count = 1) {
    return eventually([&] { return region.stats().faults >= count; });
  }
};

TEST_F(RegionTest, NothingIsFetchedBeforeItIsTouched) {
  const auto region = open({.size = 64 * kMiB});
  EXPECT_TRUE(region->touched(10 * kMiB));
  ASSERT_TRUE(eventually([&] { return region->stats().in_flight == 0; }));
  EXPECT_EQ(region->stats().resident, 16u << 10);
  EXPECT_EQ(region->stats().faults, 1u);
  EXPECT_EQ(control_->seen().front().urgency, Urgency::demand);
}

TEST_F(RegionTest, RandomTouchesFromSeveralThreadsUnderASmallBudget) {
  test::Random random;
  SCOPED_TRACE(random.trace());
  const uint64_t size = 16 * kMiB;
  const auto region = open({.size = size}, {.budget = kMiB});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&, seed = random.below(UINT64_MAX)] {
      test::Random own(seed);
      for (int touch = 0; touch < 300; ++touch) {
        const uint64_t offset = own.below(size);
        const uint64_t length = std::min<uint64_t>(own.below(20'000), size - offset);
        ASSERT_TRUE(region->matches({offset, length}));
      }
    });
  for (std::thread& thread : threads) thread.join();
  const RegionStats stats = region->stats();
  EXPECT_LE(stats.resident, kMiB);
  EXPECT_GT(stats.evicted, 0u);
  EXPECT_EQ(stats.failed_faults, 0u);
  EXPECT_GE(stats.fetched, stats.evicted + stats.resident);
}

TEST_F(RegionTest, AnyChunkSizeWorks) {
  for (const uint64_t chunk : {uint64_t{4096}, uint64_t{1} << 16, uint64_t{1} << 30}) {
    SCOPED_TRACE(chunk);
    for (const uint64_t budget : {kMiB, uint64_t{0}}) {
      const uint64_t size = 5 * kMiB + 99;
      const auto region = open({.size = size}, {.chunk_size = chunk, .budget = budget});
      EXPECT_TRUE(region->touched(3 * kMiB));
      EXPECT_TRUE(region->matches({0, size}));
      EXPECT_LE(region->stats().resident, region->stats().budget);
    }
  }
  control_->clear();
  const auto smallest = open({.size = 4 * kMiB}, {.chunk_size = 4096});
  EXPECT_TRUE(smallest->touched(kMiB));
  EXPECT_EQ(smallest->stats().resident, 4096u);
}

TEST_F(RegionTest, WithoutReadaheadAChunkIsAllThatComes) {
  const auto region = open({.size = 8 * kMiB}, {.chunk_size = 32 << 10, .pull = Pull::none});
  for (uint64_t at = 0; at < kMiB; at += kPage) ASSERT_TRUE(region->touched(at));
  ASSERT_TRUE(eventually([&] { return region->stats().in_flight == 0; }));
  EXPECT_EQ(region->stats().resident, kMiB);
  EXPECT_EQ(region->stats().faults, kMiB / (32 << 10));
}

TEST_F(RegionTest, ASequentialReaderIsReadAheadOf) {
  const auto region = open({.size = 16 * kMiB});
  for (uint64_t at = 0; at < 8 * kMiB; at += kPage) ASSERT_TRUE(region->touched(at));
  // Two thousand pages: with a fault for each granule it would be five hundred.
  EXPECT_LT(region->stats().faults, 100u);
}

TEST_F(RegionTest, PullAllFetchesEverythingUntouched) {
  const uint64_t size = 7 * kMiB + 1;
  const auto region = open({.size = size}, {.pull = Pull::all});
  EXPECT_EQ(region->wait(), Code::ok);
  EXPECT_EQ(region->stats().resident, align_up(size, kPage));
  EXPECT_EQ(region->stats().faults, 0u);
  EXPECT_TRUE(region->matches({0, size}));
  EXPECT_EQ(region->stats().fetched, size);
}

TEST_F(RegionTest, PullAllReachesAsFarAsTheBudget) {
  const auto region = open({.size = 8 * kMiB}, {.budget = 2 * kMiB, .pull = Pull::all});
  EXPECT_EQ(region->wait(), Code::ok);
  EXPECT_LE(region->stats().resident, 2 * kMiB);
  EXPECT_GT(region->stats().resident, kMiB);
  EXPECT_EQ(region->stats().evicted, 0u);
  EXPECT_TRUE(region->matches({0, 8 * kMiB}));
}

TEST_F(RegionTest, PriorityIsPulledFirstAndInItsOrder) {
  constexpr uint64_t kStep = 64 << 10;
  const auto region = open(
      {.size = 20 * kStep, .preferred_request = kStep, .parallel_requests = 1},
      {.pull = Pull::all,
       .priority = {{10 * kStep, kStep}, {3 * kStep, 2 * kStep}, {19 * kStep, 1 << 30},
                    {uint64_t{1} << 40, 5}, {15 * kStep + 5, 1}}});
  EXPECT_EQ(region->wait(), Code::ok);
  std::vector<Range> ranges;
  for (const auto& one : control_->seen()) {
    EXPECT_EQ(one.urgency, Urgency::pull);
    ranges.push_back(one.range);
  }
  ASSERT_GE(ranges.size(), 6u);
  ranges.resize(6);
  EXPECT_EQ(ranges, (std::vector<Range>{{10 * kStep, kStep},
                                        {3 * kStep, kStep},
                                        {4 * kStep, kStep},
                                        {19 * kStep, kStep},
                                        {15 * kStep, kPage},
                                        {0, kStep}}));
  EXPECT_EQ(region->stats().resident, 20 * kStep);
}

TEST_F(RegionTest, PriorityAloneIsPulledWithoutReadahead) {
  const auto region =
      open({.size = 4 * kMiB}, {.pull = Pull::none, .priority = {{kMiB, kMiB}}});
  EXPECT_EQ(region->wait(), Code::ok);
  EXPECT_EQ(region->stats().resident, kMiB);
}

// ---- failures -----------------------------------------------------------------------------------

TEST_F(RegionTest, AFaultThatFailsIsSigbusInItsToucherOnly) {
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

TEST_F(RegionTest, ADeadlineIsSigbusInTheToucherOnly) {
  control_->add({.where = {kMiB, kPage}, .block = true});
  const auto region = open({.size = 4 * kMiB}, {.deadline = 100ms});
  auto waiting = region->touch_async(kMiB);
  EXPECT_TRUE(region->matches({2 * kMiB, kMiB}));
  EXPECT_FALSE(get(waiting));
  EXPECT_EQ(region->last_error().code, Code::timed_out);
  EXPECT_TRUE(region->touched(3 * kMiB));
}

TEST_F(RegionTest, FaultTimesAreFromTheTouchToThePage) {
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

TEST_F(RegionTest, ADeadlineOfZeroIsForEver) {
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

TEST_F(RegionTest, CallsHaveADeadlineToo) {
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
  EXPECT_EQ(region->populate({0, 7 * kMiB}), Code::ok);
}

TEST_F(RegionTest, ACallThatFailedIsNotFetchedOn) {
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

TEST_F(RegionTest, PopulateCuresAPoisonedPage) {
  control_->add({.times = 1, .error = Code::not_found});
  const auto region = open({.size = kMiB});
  EXPECT_FALSE(region->touched(5));
  EXPECT_FALSE(region->touched(6)) << "a page that failed stays so until somebody asks for it";
  EXPECT_EQ(region->stats().failed_faults, 1u);
  EXPECT_EQ(region->populate({0, 10}), Code::ok);
  EXPECT_TRUE(region->touched(5));
  EXPECT_EQ(region->last_error().code, Code::not_found) << "what explains the SIGBUS stays";
}

TEST_F(RegionTest, PopulateAnswersTheError) {
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

// A request that nobody waited for when it was sent has failed: whoever waits now asks again.
TEST_F(RegionTest, ATransientFailureOfThePullDoesNotKillAWaitingFault) {
  control_->add({.urgency = Urgency::prefetch, .block = true, .error = Code::network});
  const auto region = open({.size = kMiB});
  region->prefetch({{0, 64 << 10}});
  ASSERT_TRUE(someone_is_blocked());
  auto fault = region->touch_async(pages(5));
  auto populating = std::async([&] { return region->populate({pages(8), pages(2)}); });
  ASSERT_TRUE(faults_waiting(*region));
  ASSERT_TRUE(eventually([&] { return region->stats().pinned > 0; }));
  control_->unblock();
  EXPECT_TRUE(get(fault));
  EXPECT_EQ(get(populating), Code::ok);
  EXPECT_EQ(region->stats().failed_requests, 1u);
  EXPECT_EQ(region->stats().failed_faults, 0u);
  EXPECT_EQ(region->last_error().code, Code::ok);
}

TEST_F(RegionTest, AFailureOfThePullThatIsForGoodIsTheWaitingFaultsAsWell) {
  control_->add({.urgency = Urgency::prefetch, .block = true, .error = Code::denied});
  const auto region = open({.size = kMiB});
  region->prefetch({{0, 64 << 10}});
  ASSERT_TRUE(someone_is_blocked());
  auto fault = region->touch_async(pages(5));
  auto populating = std::async([&] { return region->populate({pages(8), pages(2)}); });
  ASSERT_TRUE(faults_waiting(*region));
  ASSERT_TRUE(eventually([&] { return region->stats().pinned > 0; }));
  control_->unblock();
  EXPECT_FALSE(get(fault));
  EXPECT_EQ(get(populating), Code::denied);
}

TEST_F(RegionTest, AStaleObjectIsDeadButForWhatIsHere) {
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
  EXPECT_EQ(control_->seen().size(), requests) << "the store was asked again";
  // Bytes of the version that was opened stay what they were.
  EXPECT_TRUE(region->touched(0));
  EXPECT_EQ(region->populate({0, 100}), Code::ok);
  EXPECT_EQ(region->read(0, bytes), Code::ok);
}

TEST_F(RegionTest, WaitAnswersTheBackgroundsErrorOnce) {
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
TEST_F(RegionTest, AFaultThatWasAnsweredDoesNotFailLater) {
  control_->add({.times = 1, .bytes_before = kPage, .block = true});
  const auto region = open({.size = kMiB}, {.deadline = 50ms});
  EXPECT_TRUE(region->touched(0));
  ASSERT_TRUE(eventually([&] { return region->stats().failed_requests == 1; }));
  EXPECT_EQ(region->stats().failed_faults, 0u);
  EXPECT_EQ(region->last_error().code, Code::ok);
  EXPECT_TRUE(region->touched(0));
  EXPECT_TRUE(region->touched(kPage));
}

TEST_F(RegionTest, APageThatWasAnsweredAndEvictedIsNotPoisonedByItsOldDeadline) {
  for (const Code code : {Code::ok, Code::denied}) {
    control_->clear();
    control_->add({.times = 1, .bytes_before = kPage, .delay = 120ms, .error = code});
    const auto region = open({.size = kMiB}, {.deadline = 50ms});
    EXPECT_TRUE(region->touched(0));
    region->evict({0, kMiB});
    ASSERT_TRUE(eventually([&] { return region->stats().requests >= 1; }));
    EXPECT_EQ(region->stats().failed_faults, 0u) << "nobody waited";
    EXPECT_TRUE(region->touched(0));
  }
}

TEST_F(RegionTest, ManyThreadsOnOnePageAreOneRequest) {
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

TEST_F(RegionTest, ADemandFaultOvertakesARequestThatIsFarBehind) {
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

TEST_F(RegionTest, ADemandFaultNeedNotWaitForBulkToEnd) {
  control_->add({.urgency = Urgency::pull, .block = true});
  const auto region = open({.size = 64 * kMiB}, {.pull = Pull::all});
  ASSERT_TRUE(someone_is_blocked(2));
  EXPECT_TRUE(region->touched(50 * kMiB));
  EXPECT_EQ(region->populate({40 * kMiB, kMiB}), Code::ok);
  control_->unblock();
}

// The sequential reader's trap lies where somebody pins: held back it would never be resident.
TEST_F(RegionTest, ATrapIsNotSetWhereSomebodyPins) {
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

TEST_F(RegionTest, PopulateReleasesATrap) {
  const auto region = open({.size = 16 * kMiB});
  for (uint64_t at = 0; at < kMiB; at += kPage) ASSERT_TRUE(region->touched(at));
  // Somewhere ahead a page is held back now.
  EXPECT_EQ(region->populate({0, 8 * kMiB}), Code::ok);
  const uint64_t faults = region->stats().faults;
  EXPECT_TRUE(region->matches({0, 8 * kMiB}));
  EXPECT_EQ(region->stats().faults, faults);
}

TEST_F(RegionTest, WhereOnlyATrapIsMissingACallSucceeds) {
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

// ---- budgets ------------------------------------------------------------------------------------

TEST_F(RegionTest, ABudgetSmallerThanOneRequest) {
  const auto region =
      open({.size = 8 * kMiB, .granule = kMiB, .preferred_request = 8 * kMiB},
           {.budget = 256 << 10});
  EXPECT_TRUE(region->matches({0, 8 * kMiB}));
  std::vector<std::byte> bytes(8 * kMiB);
  EXPECT_EQ(region->read(0, bytes), Code::ok);
  EXPECT_EQ(bytes, expected_bytes({0, 8 * kMiB}));
  EXPECT_LE(region->stats().resident, 256u << 10);
}

TEST_F(RegionTest, WithEverythingPinnedAFaultElsewhereIsAnswered) {
  const auto region = open({.size = 8 * kMiB}, {.budget = kMiB});
  const Range most{0, kMiB - kMiB / 8};
  EXPECT_EQ(region->pin(most), Code::ok);
  EXPECT_EQ(region->pin({4 * kMiB, kPage}), Code::no_memory);
  EXPECT_TRUE(region->matches({2 * kMiB, 4 * kMiB}));
  EXPECT_TRUE(region->matches(most));
  EXPECT_LE(region->stats().resident, kMiB);
  EXPECT_EQ(region->stats().pinned, most.length);
  EXPECT_EQ(region->unpin(most), Code::ok);
  EXPECT_EQ(region->pin({4 * kMiB, kPage}), Code::ok);
}

TEST_F(RegionTest, WithTheCommonBudgetPinnedByAnotherAFaultIsAnswered) {
  const auto first = open({.size = 512 * kMiB}), second = open({.size = 8 * kMiB});
  EXPECT_EQ(first->pin({0, 224 * kMiB}), Code::ok);
  EXPECT_EQ(first->populate({224 * kMiB, 28 * kMiB}), Code::no_memory) << "beyond seven eighths";
  EXPECT_TRUE(second->matches({0, 8 * kMiB}));
  EXPECT_EQ(second->populate({0, 4 * kMiB}), Code::ok);
  EXPECT_LE(first->stats().resident + second->stats().resident, 256 * kMiB);
}

TEST_F(RegionTest, LastingPinsOfAllRegionsLeaveSomeOfTheCommonBudget) {
  const auto first = open({.size = 512 * kMiB}), second = open({.size = 512 * kMiB});
  EXPECT_EQ(first->pin({0, 200 * kMiB}), Code::ok);
  EXPECT_EQ(second->pin({0, 30 * kMiB}), Code::no_memory);
  EXPECT_EQ(second->pin({0, 20 * kMiB}), Code::ok);
  EXPECT_EQ(first->unpin({0, 200 * kMiB}), Code::ok);
  EXPECT_EQ(second->pin({0, 30 * kMiB}), Code::ok);
}

// Each alone fits the common budget, all together do not: they wait for one another.
TEST_F(RegionTest, CallsOfManyRegionsShareTheCommonBudget) {
  std::vector<std::unique_ptr<TestRegion>> regions;
  for (int i = 0; i < 6; ++i) regions.push_back(open({.size = 128 * kMiB}));
  std::vector<std::future<Code>> calls;
  for (auto& region : regions)
    for (int round = 0; round < 2; ++round)
      calls.push_back(std::async(std::launch::async,
                                 [&, round] { return region->populate({round * 60 * kMiB, 60 * kMiB}); }));
  for (auto& call : calls) EXPECT_EQ(get(call), Code::ok);
}

TEST_F(RegionTest, APrefetchWorksWhenTheBudgetIsFull) {
  const auto region = open({.size = 64 * kMiB}, {.budget = 4 * kMiB, .pull = Pull::none});
  EXPECT_EQ(region->populate({0, 3 * kMiB}), Code::ok);
  EXPECT_TRUE(region->matches({16 * kMiB, 4 * kMiB}));
  region->prefetch({{40 * kMiB, kMiB}});
  EXPECT_EQ(region->wait(), Code::ok);
  const uint64_t faults = region->stats().faults;
  EXPECT_TRUE(region->matches({40 * kMiB, kMiB}));
  EXPECT_EQ(region->stats().faults, faults);
}

TEST_F(RegionTest, AnUnpinTakesBackOnlyWhatWasPinned) {
  control_->add({.where = {kMiB, kPage}, .block = true});
  const auto region = open({.size = 4 * kMiB});
  std::vector<std::byte> bytes(kPage);
  auto reading = std::async(std::launch::async, [&] { return region->read(kMiB, bytes); });
  ASSERT_TRUE(someone_is_blocked());
  EXPECT_EQ(region->unpin({kMiB, kPage}), Code::invalid) << "this pin is the read's";
  control_->unblock();
  EXPECT_EQ(get(reading), Code::ok);
}

TEST_F(RegionTest, AWaitIsNotForOtherPeoplesReading) {
  control_->add({.where = {32 * kMiB, kMiB}, .block = true});
  const auto region = open({.size = 64 * kMiB});
  auto fault = region->touch_async(32 * kMiB);
  ASSERT_TRUE(someone_is_blocked());
  region->prefetch({{0, kMiB}});
  EXPECT_EQ(region->wait(), Code::ok);
  control_->unblock();
  EXPECT_TRUE(get(fault));
}

// Its memory is given back on another thread, while its neighbour looks for something to evict.
TEST_F(RegionTest, ARegionThatClosesIsNotEvictedFrom) {
  auto large = open({.size = 240 * kMiB});
  EXPECT_TRUE(large->matches({0, 240 * kMiB}));
  const auto small = open({.size = 64 * kMiB});
  std::thread closing([&] { large.reset(); });
  EXPECT_TRUE(small->matches({0, 64 * kMiB}));
  closing.join();
}

TEST_F(RegionTest, MoreThanTheBudgetCanNotBePopulatedOrPinned) {
  const auto region = open({.size = 8 * kMiB}, {.budget = 2 * kMiB});
  EXPECT_EQ(region->populate({0, 2 * kMiB + 1}), Code::no_memory);
  EXPECT_EQ(region->pin({0, 8 * kMiB}), Code::no_memory);
  EXPECT_EQ(region->stats().requests, 0u);
  EXPECT_EQ(region->populate({0, 7 * kMiB / 4}), Code::ok);
  EXPECT_LE(region->stats().resident, 2 * kMiB);
}

// Each alone fits; together they don't, and have to take turns.
TEST_F(RegionTest, CallsThatDoNotFitTogetherTakeTurns) {
  const auto region = open({.size = 16 * kMiB}, {.budget = 2 * kMiB});
  std::vector<std::future<Code>> calls;
  for (uint64_t i = 0; i < 8; ++i)
    calls.push_back(std::async(std::launch::async, [&, i] {
      const Range range{i * 2 * kMiB, 2 * kMiB};
      std::vector<std::byte> bytes(range.length);
      for (int round = 0; round < 5; ++round) {
        if (const Code code = region->read(range.offset, bytes); code != Code::ok) return code;
        if (bytes != expected_bytes(range)) return Code::internal;
        const Code code = region->populate({range.offset, kMiB});
        if (code != Code::ok) return code;
      }
      return Code::ok;
    }));
  for (auto& call : calls) EXPECT_EQ(get(call), Code::ok);
  EXPECT_EQ(region->stats().pinned, 0u);
  EXPECT_LE(region->stats().resident, 2 * kMiB);
}

TEST_F(RegionTest, RegionsShareTheCommonBudget) {
  std::vector<std::unique_ptr<TestRegion>> regions;
  for (int i = 0; i < 3; ++i) regions.push_back(open({.size = 160 * kMiB}));
  uint64_t resident = 0;
  for (const auto& region : regions)
    for (uint64_t at = 0; at < 160 * kMiB; at += 32 * kMiB)
      ASSERT_EQ(region->populate({at, 32 * kMiB}), Code::ok);
  for (const auto& region : regions) resident += region->stats().resident;
  EXPECT_LE(resident, 256 * kMiB);
  EXPECT_GT(resident, 200 * kMiB);
  for (const auto& region : regions) EXPECT_TRUE(region->touched(100 * kMiB));
}

uint64_t resident_set_bytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t total = 0, resident = 0;
  file >> total >> resident;
  return pages(resident);
}

TEST_F(RegionTest, ATebibyteTouchedInAThousandPlaces) {
  test::Random random;
  SCOPED_TRACE(random.trace());
  // ThreadSanitizer leaves little more than a tebibyte, in one piece or not.
  const uint64_t size = uint64_t{1} << (test::kThreadSanitizer ? 38 : 40);
  malloc_trim(0);
  const uint64_t before = resident_set_bytes();
  const auto region = open({.size = size, .granule = kPage});
  ASSERT_TRUE(region);
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(region->touched(random.below(size)));
  ASSERT_TRUE(region->touched(size - 1));
  const RegionStats stats = region->stats();
  EXPECT_LE(stats.resident, pages(1100));
  EXPECT_GE(stats.resident, pages(900));
  const uint64_t grown = resident_set_bytes() - std::min(resident_set_bytes(), before);
  if (!test::kSanitizer) {
    EXPECT_LE(grown, stats.resident + 64 * kMiB);
    EXPECT_LE(mallinfo2().uordblks, 64 * kMiB);
  }
  EXPECT_EQ(region->populate({size - 5 * kMiB, 5 * kMiB}), Code::ok);
  region->evict({0, size});
  EXPECT_EQ(region->stats().resident, 0u);
}

// ---- the end ------------------------------------------------------------------------------------

TEST_F(RegionTest, CloseDuringFaultsIsSigbus) {
  for (const auto deaf : {0ms, 50ms}) {
    control_->clear();
    control_->add({.block = true, .deaf_to_stop = deaf});
    const auto region = open({.size = 8 * kMiB}, {.deadline = 0s});
    std::vector<std::future<bool>> touches;
    for (uint64_t i = 0; i < 4; ++i) touches.push_back(region->touch_async(i * kMiB));
    ASSERT_TRUE(faults_waiting(*region, 4));
    region->close();
    for (auto& touch : touches) EXPECT_FALSE(get(touch));
  }
}

// A thread that touches on and on while the region goes: each touch is right, or SIGBUS, and never
// zeros or somebody else's bytes.
TEST_F(RegionTest, CloseWhileThreadsTouchOnAndOn) {
  for (int round = 0; round < 20; ++round) {
    const auto region = open({.size = 4 * kMiB}, {.budget = kMiB});
    const std::byte* const data = region->data();
    std::vector<std::future<int>> touchers;
    for (int i = 0; i < 3; ++i)
      touchers.push_back(std::async(std::launch::async, [data, i] {
        test::Random random(static_cast<uint64_t>(i));
        for (int touches = 0;; ++touches) {
          const uint64_t offset = random.below(4 * kMiB);
          const std::optional<std::byte> byte = test::touch(data + offset);
          if (!byte) return touches;
          if (*byte != test::ComputedResource::byte_at(offset)) return -1;
        }
      }));
    std::this_thread::sleep_for(2ms);
    region->close();
    for (auto& toucher : touchers) EXPECT_GE(get(toucher), 0);
  }
}

TEST_F(RegionTest, CloseEndsEveryCall) {
  control_->add({.block = true, .deaf_to_stop = 20ms});
  const auto region = open({.size = 64 * kMiB}, {.deadline = 0s, .pull = Pull::all});
  ASSERT_TRUE(someone_is_blocked(2));
  std::vector<std::byte> bytes(3 * kMiB);
  std::vector<std::future<Code>> calls;
  calls.push_back(std::async(std::launch::async, [&] { return region->populate({kMiB, 10}); }));
  calls.push_back(std::async(std::launch::async,
                             [&] { return region->populate({16 * kMiB, 32 * kMiB}); }));
  calls.push_back(std::async(std::launch::async, [&] { return region->pin({5 * kMiB, 10}); }));
  calls.push_back(std::async(std::launch::async, [&] { return region->read(9 * kMiB, bytes); }));
  calls.push_back(std::async(std::launch::async, [&] { return region->wait(); }));
  region->prefetch({{50 * kMiB, kMiB}, {60 * kMiB, kMiB}});
  ASSERT_TRUE(eventually([&] { return region->stats().pinned >= 33 * kMiB; }));
  on_loop([] {});
  std::this_thread::sleep_for(20ms);  // so that wait() has begun, too
  auto closing = region->close_async();
  for (auto& call : calls) EXPECT_EQ(get(call), Code::canceled);
  get(closing);
}

TEST_F(RegionTest, CloseWhileReadCopies) {
  for (int round = 0; round < 10; ++round) {
    const auto region = open({.size = 16 * kMiB});
    std::vector<std::byte> bytes(16 * kMiB);
    std::atomic<bool> begun = false;
    auto reading = std::async(std::launch::async, [&] {
      begun = true;
      return region->read(0, bytes);
    });
    ASSERT_TRUE(eventually([&] { return begun.load(); }));
    ASSERT_TRUE(eventually([&] { return region->stats().requests >= 1; }));
    region->close();
    const Code code = get(reading);
    if (code == Code::ok)
      EXPECT_TRUE(bytes == expected_bytes({0, 16 * kMiB}));
    else
      EXPECT_EQ(code, Code::canceled);
  }
}

TEST_F(RegionTest, CloseAtOnceAfterOpen) {
  control_->add({.delay = 1ms, .slice = 3000});
  for (int round = 0; round < 30; ++round) {
    const auto region = open({.size = 4 * kMiB}, {.pull = Pull::all});
    region->close();
  }
}

// ---- everything at once -------------------------------------------------------------------------

// One thread's part: random calls, with everything that was read compared with the object.
class Stressor {
 public:
  Stressor(TestRegion& region, uint64_t size, uint64_t seed)
      : region_(region), size_(size), random_(seed) {}

  void run(loop::Deadline until) {
    while (loop::Clock::now() < until && !testing::Test::HasFailure()) step();
    for (const Range range : pinned_) EXPECT_EQ(region_.unpin(range), Code::ok);
  }
  uint64_t touches = 0, failures = 0;

 private:
  Range random_range(uint64_t most) {
    const uint64_t offset = random_.below(size_);
    return {offset, std::min(random_.between(1, most), size_ - offset)};
  }
  // An injected failure is no failure of the test.
  bool fine(Code code) {
    failures += code != Code::ok;
    EXPECT_TRUE(code == Code::ok || is_transient(code) || code == Code::no_memory)
        << code_name(code);
    return code == Code::ok;
  }
  void compare(Range range) {
    for (uint64_t at = range.offset; at < range.end(); at += random_.between(1, 3000)) {
      ++touches;
      if (region_.touched(at)) continue;
      ++failures;
      fine(region_.populate({at, 1}));
    }
  }
  void step() {
    switch (random_.below(12)) {
      case 0: fine(region_.populate(random_range(64 << 10))); break;
      case 1: region_.evict(random_range(2 * kMiB)); break;
      case 2:
        region_.prefetch({random_range(64 << 10), random_range(kMiB), random_range(1)});
        break;
      case 3:
        if (pinned_.size() >= 2) break;
        if (const Range range = random_range(40'000); fine(region_.pin(range)))
          pinned_.push_back(range);
        break;
      case 4:
        if (pinned_.empty()) break;
        EXPECT_TRUE(region_.matches(pinned_.back())) << "pinned: no touch of it can fail";
        EXPECT_EQ(region_.unpin(pinned_.back()), Code::ok);
        pinned_.pop_back();
        break;
      case 5: {
        const Range range = random_range(200'000);
        std::vector<std::byte> bytes(range.length);
        if (fine(region_.read(range.offset, bytes))) {
          EXPECT_EQ(bytes, expected_bytes(range)) << range.offset << "+" << range.length;
        }
        break;
      }
      case 6: compare(random_range(kMiB)); break;  // a sequential reader
      default: compare(random_range(5000)); break;
    }
  }

  TestRegion& region_;
  uint64_t size_;
  test::Random random_;
  std::vector<Range> pinned_;
};

TEST_F(RegionTest, RandomOperationsOfManyThreadsUnderATinyBudgetWithFailures) {
  test::Random random;
  SCOPED_TRACE(random.trace());
  constexpr uint64_t kSize = 24 * kMiB + 321;
  // Of a hundred places one fails now and then, one is slow, some come in slices.
  for (uint64_t i = 0; i < 100; ++i) {
    const Range where{i * (kSize / 100), kPage};
    if (i % 10 == 1) control_->add({.where = where, .times = 40, .error = Code::network});
    if (i % 10 == 2)
      control_->add({.where = where, .times = 40, .bytes_before = 5000, .error = Code::busy});
    if (i % 10 == 3) control_->add({.where = where, .delay = 2ms, .slice = 1000});
    if (i % 10 == 4) control_->add({.where = where, .delay = 1ms});
  }
  const auto region = open({.size = kSize, .granule = 16 << 10, .preferred_request = 128 << 10},
                           {.budget = kMiB, .pull = Pull::readahead});
  const loop::Deadline until = loop::Clock::now() + 3s;
  std::vector<std::unique_ptr<Stressor>> stressors;
  std::vector<std::thread> threads;
  for (int i = 0; i < 5; ++i) {
    stressors.push_back(
        std::make_unique<Stressor>(*region, kSize, random.below(UINT64_MAX)));
    threads.emplace_back([&stressor = *stressors.back(), until] { stressor.run(until); });
  }
  for (std::thread& thread : threads) thread.join();
  uint64_t touches = 0, failures = 0;
  for (const auto& stressor : stressors) {
    touches += stressor->touches;
    failures += stressor->failures;
  }
  EXPECT_GT(touches, 100u);
  EXPECT_GT(failures, 0u) << "nothing was injected";
  EXPECT_LT(failures, touches);
  ASSERT_TRUE(eventually([&] { return region->stats().in_flight == 0; }));
  const RegionStats stats = region->stats();
  EXPECT_EQ(stats.pinned, 0u);
  EXPECT_LE(stats.resident, kMiB + 64 * kPage);
  EXPECT_GT(stats.evicted, 0u);
  // Nothing was lost sight of: all of it can go.
  control_->clear();
  region->evict({0, kSize});
  EXPECT_EQ(region->stats().resident, 0u);
  EXPECT_EQ(region->populate({0, 7 * kMiB / 8}), Code::ok) << "room was lost";
}

}  // namespace
}  // namespace r3map::region
