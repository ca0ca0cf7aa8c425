#include "region/region.hpp"

#include <gtest/gtest.h>

#include <atomic>

#include "region/fake_memory.hpp"
#include "region/region_fixture.hpp"
#include "support/random.hpp"

namespace r3map::region {
namespace {

using namespace std::chrono_literals;
using resource::Urgency;
using test::eventually;
using test::expected_bytes;
using test::get;
using test::MemoryKind;
using test::pages;
using test::ResourceKind;
using test::TestRegion;

constexpr uint64_t kMiB = 1 << 20;

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

class RegionTest : public test::RegionFixture {};

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
