// Regions that are larger than what may be resident, alone and beside others.

#include <gtest/gtest.h>
#include <malloc.h>

#include <fstream>

#include "region/fake_memory.hpp"
#include "region/region_fixture.hpp"
#include "support/random.hpp"
#include "support/subprocess.hpp"

namespace r3map::region {
namespace {

using namespace std::chrono_literals;
using test::expected_bytes;
using test::get;
using test::pages;
using test::TestRegion;

constexpr uint64_t kMiB = 1 << 20;

class RegionBudgetTest : public test::RegionFixture {};

// ---- budgets ------------------------------------------------------------------------------------

TEST_F(RegionBudgetTest, ABudgetSmallerThanOneRequest) {
  const auto region =
      open({.size = 8 * kMiB, .granule = kMiB, .preferred_request = 8 * kMiB},
           {.budget = 256 << 10});
  EXPECT_TRUE(region->matches({0, 8 * kMiB}));
  std::vector<std::byte> bytes(8 * kMiB);
  EXPECT_EQ(region->read(0, bytes), Code::ok);
  EXPECT_EQ(bytes, expected_bytes({0, 8 * kMiB}));
  EXPECT_LE(region->stats().resident, 256u << 10);
}

TEST_F(RegionBudgetTest, WithEverythingPinnedAFaultElsewhereIsAnswered) {
  const auto region = open({.size = 8 * kMiB}, {.budget = kMiB});
  const Range most{0, kMiB - kMiB / 8};
  EXPECT_EQ(region->pin(most), Code::ok);
  EXPECT_EQ(region->pin({4 * kMiB, kPage}), Code::no_memory);
  EXPECT_TRUE(region->matches({2 * kMiB, 4 * kMiB}));
  std::vector<std::byte> bytes(2 * kMiB);
  EXPECT_EQ(region->read(3 * kMiB, bytes), Code::ok) << "where a touch works";
  EXPECT_EQ(bytes, expected_bytes({3 * kMiB, 2 * kMiB}));
  EXPECT_EQ(region->read(5 * kMiB + 1, bytes), Code::ok) << "also across pages";
  EXPECT_TRUE(region->matches(most));
  EXPECT_LE(region->stats().resident, kMiB);
  EXPECT_EQ(region->stats().pinned, most.length);
  EXPECT_EQ(region->unpin(most), Code::ok);
  EXPECT_EQ(region->pin({4 * kMiB, kPage}), Code::ok);
}

TEST_F(RegionBudgetTest, WithTheCommonBudgetPinnedByAnotherAFaultIsAnswered) {
  const auto first = open({.size = 512 * kMiB}), second = open({.size = 8 * kMiB});
  EXPECT_EQ(first->pin({0, 224 * kMiB}), Code::ok);
  EXPECT_EQ(first->populate({224 * kMiB, 33 * kMiB}), Code::no_memory) << "beyond the budget";
  EXPECT_TRUE(second->matches({0, 8 * kMiB}));
  EXPECT_EQ(second->populate({0, 4 * kMiB}), Code::ok);
  EXPECT_LE(first->stats().resident + second->stats().resident, 256 * kMiB);
}

TEST_F(RegionBudgetTest, LastingPinsOfAllRegionsLeaveSomeOfTheCommonBudget) {
  const auto first = open({.size = 512 * kMiB}), second = open({.size = 512 * kMiB});
  EXPECT_EQ(first->pin({0, 200 * kMiB}), Code::ok);
  EXPECT_EQ(second->pin({0, 30 * kMiB}), Code::no_memory);
  EXPECT_EQ(second->pin({0, 20 * kMiB}), Code::ok);
  EXPECT_EQ(first->unpin({0, 200 * kMiB}), Code::ok);
  EXPECT_EQ(second->pin({0, 30 * kMiB}), Code::ok);
}

// Each alone fits the common budget, all together do not: they wait for one another.
TEST_F(RegionBudgetTest, CallsOfManyRegionsShareTheCommonBudget) {
  std::vector<std::unique_ptr<TestRegion>> regions;
  for (int i = 0; i < 6; ++i) regions.push_back(open({.size = 128 * kMiB}));
  std::vector<std::future<Code>> calls;
  for (auto& region : regions)
    for (int round = 0; round < 2; ++round)
      calls.push_back(std::async(std::launch::async,
                                 [&, round] { return region->populate({round * 60 * kMiB, 60 * kMiB}); }));
  for (auto& call : calls) EXPECT_EQ(get(call), Code::ok);
}

// The last request of the region ends, but leaves no room; and of what others give back later
// nobody tells.
TEST_F(RegionBudgetTest, ACallThatFoundNoRoomLooksForItOnceNothingElseIsUnderWay) {
  constexpr uint64_t kLarge = 16 * kMiB;
  const auto other = open({.size = 1024 * kMiB, .granule = kLarge, .preferred_request = kLarge});
  ASSERT_EQ(other->pin({0, 222 * kMiB}), Code::ok);
  const auto region = open({.size = 8 * kMiB});
  control_->add({.where = {4 * kMiB, kMiB}, .delay = 300ms});
  auto pin = std::async(std::launch::async, [&] { return region->pin({4 * kMiB, kMiB}); });
  ASSERT_TRUE(test::eventually([&] { return region->stats().in_flight > 0; }));
  control_->clear();
  control_->add({.where = {kMiB, kMiB}, .block = true});
  control_->add({.where = {512 * kMiB, 512 * kMiB}, .block = true});
  const auto third = open({.size = 8 * kMiB, .granule = kMiB});
  std::vector<std::future<bool>> touches;
  touches.push_back(other->touch_async(512 * kMiB));
  touches.push_back(other->touch_async(768 * kMiB));
  touches.push_back(third->touch_async(kMiB));
  ASSERT_TRUE(someone_is_blocked(3)) << "with the pins the whole common budget";
  auto call = std::async(std::launch::async, [&] { return region->populate({0, kPage}); });
  EXPECT_EQ(get(pin), Code::ok);
  control_->unblock();
  EXPECT_EQ(get(call), Code::ok);
  for (auto& touch : touches) EXPECT_TRUE(get(touch));
}

TEST_F(RegionBudgetTest, APrefetchWorksWhenTheBudgetIsFull) {
  const auto region = open({.size = 64 * kMiB}, {.budget = 4 * kMiB, .pull = Pull::none});
  EXPECT_EQ(region->populate({0, 3 * kMiB}), Code::ok);
  EXPECT_TRUE(region->matches({16 * kMiB, 4 * kMiB}));
  region->prefetch({{40 * kMiB, kMiB}});
  EXPECT_EQ(region->wait(), Code::ok);
  const uint64_t faults = region->stats().faults;
  EXPECT_TRUE(region->matches({40 * kMiB, kMiB}));
  EXPECT_EQ(region->stats().faults, faults);
}

TEST_F(RegionBudgetTest, AnUnpinTakesBackOnlyWhatWasPinned) {
  control_->add({.where = {kMiB, kPage}, .block = true});
  const auto region = open({.size = 4 * kMiB});
  std::vector<std::byte> bytes(kPage);
  auto reading = std::async(std::launch::async, [&] { return region->read(kMiB, bytes); });
  ASSERT_TRUE(someone_is_blocked());
  EXPECT_EQ(region->unpin({kMiB, kPage}), Code::invalid) << "this pin is the read's";
  control_->unblock();
  EXPECT_EQ(get(reading), Code::ok);
}

TEST_F(RegionBudgetTest, AWaitIsNotForOtherPeoplesReading) {
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
TEST_F(RegionBudgetTest, ARegionThatClosesIsNotEvictedFrom) {
  auto large = open({.size = 240 * kMiB});
  EXPECT_TRUE(large->matches({0, 240 * kMiB}));
  const auto small = open({.size = 64 * kMiB});
  std::thread closing([&] { large.reset(); });
  EXPECT_TRUE(small->matches({0, 64 * kMiB}));
  closing.join();
}

TEST_F(RegionBudgetTest, MoreThanTheBudgetCanNotBePopulatedOrPinned) {
  const auto region = open({.size = 8 * kMiB}, {.budget = 2 * kMiB});
  EXPECT_EQ(region->populate({0, 2 * kMiB + 1}), Code::no_memory);
  EXPECT_EQ(region->pin({0, 8 * kMiB}), Code::no_memory);
  EXPECT_EQ(region->stats().requests, 0u);
  EXPECT_EQ(region->populate({0, 7 * kMiB / 4}), Code::ok);
  EXPECT_LE(region->stats().resident, 2 * kMiB);
}

// Each alone fits; together they don't, and have to take turns.
TEST_F(RegionBudgetTest, CallsThatDoNotFitTogetherTakeTurns) {
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

TEST_F(RegionBudgetTest, RegionsShareTheCommonBudget) {
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

TEST_F(RegionBudgetTest, ATebibyteTouchedInAThousandPlaces) {
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

}  // namespace
}  // namespace r3map::region
