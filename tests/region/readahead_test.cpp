#include "region/readahead.hpp"

#include <gtest/gtest.h>

#include <set>

#include "region/fake_memory.hpp"
#include "support/random.hpp"

namespace r3map::region {
namespace {

using test::pages;

constexpr uint64_t kGranule = 16 << 10;
constexpr uint64_t kWindow = 1 << 20;
constexpr uint64_t kSize = uint64_t{1} << 30;

TEST(Readahead, ALoneFaultFetchesAGranule) {
  Readahead readahead(kSize, kGranule, kWindow);
  const Readahead::Plan plan = readahead.on_fault(pages(1000));
  EXPECT_EQ(plan.demand, (Range{pages(1000), kGranule}));
  EXPECT_TRUE(plan.ahead.empty());
  EXPECT_FALSE(plan.trap);
}

TEST(Readahead, ASequentialReadersWindowsQuadrupleUpToTheLimit) {
  Readahead readahead(kSize, kGranule, kWindow);
  uint64_t at = 0;
  readahead.on_fault(at);
  at += kGranule;
  for (const uint64_t window : {kGranule * 4, kGranule * 16, kWindow, kWindow, kWindow}) {
    const Readahead::Plan plan = readahead.on_fault(at);
    EXPECT_EQ(plan.demand, (Range{at, kGranule}));
    EXPECT_EQ(plan.ahead, range_between(at + kGranule, at + window));
    ASSERT_TRUE(plan.trap);
    EXPECT_TRUE(plan.ahead.contains(*plan.trap));
    EXPECT_EQ(*plan.trap % kPage, 0u);
    at += window;
  }
}

TEST(Readahead, ATrapAsksForTheNextWindowAndSetsTheNextTrapAtItsBegin) {
  Readahead readahead(kSize, kGranule, kWindow);
  readahead.on_fault(0);
  Readahead::Plan plan = readahead.on_fault(kGranule);
  uint64_t end = plan.ahead.end();
  for (int i = 0; i < 6; ++i) {
    plan = readahead.on_trap(*plan.trap);
    EXPECT_TRUE(plan.demand.empty());
    EXPECT_EQ(plan.ahead.offset, end) << "a hole, or something twice";
    EXPECT_EQ(plan.trap, plan.ahead.offset);
    EXPECT_LE(plan.ahead.length, kWindow);
    end = plan.ahead.end();
  }
  EXPECT_EQ(plan.ahead.length, kWindow);
}

TEST(Readahead, AnUnknownTrapSaysNothing) {
  Readahead readahead(kSize, kGranule, kWindow);
  EXPECT_TRUE(readahead.on_trap(0).ahead.empty());
  readahead.on_fault(0);
  const Readahead::Plan plan = readahead.on_fault(kGranule);
  EXPECT_FALSE(readahead.on_trap(*plan.trap).ahead.empty());
  EXPECT_TRUE(readahead.on_trap(*plan.trap).ahead.empty()) << "a trap springs once";
}

TEST(Readahead, AReaderMaySkipALittle) {
  Readahead readahead(kSize, kGranule, kWindow);
  readahead.on_fault(0);
  // A quarter of the window, and no more.
  const Readahead::Plan plan = readahead.on_fault(kGranule + kGranule / 4);
  EXPECT_FALSE(plan.ahead.empty());
  const uint64_t end = plan.ahead.end(), window = kGranule * 4;
  EXPECT_TRUE(readahead.on_fault(end + window / 4 + kPage).ahead.empty());
  EXPECT_FALSE(readahead.on_fault(end + window / 4).ahead.empty());
}

TEST(Readahead, InterleavedReadersAreToldApart) {
  Readahead readahead(kSize, kGranule, kWindow);
  constexpr int kReaders = 8;
  std::array<uint64_t, kReaders> at{};
  for (int reader = 0; reader < kReaders; ++reader)
    at[reader] = static_cast<uint64_t>(reader) * (kSize / kReaders);
  for (int round = 0; round < 5; ++round)
    for (int reader = 0; reader < kReaders; ++reader) {
      const Readahead::Plan plan = readahead.on_fault(at[reader]);
      EXPECT_EQ(plan.ahead.empty(), round == 0) << "reader " << reader << ", round " << round;
      at[reader] = std::max(plan.demand.end(), plan.ahead.end());
    }
}

TEST(Readahead, TheReaderThatWasNotSeenForLongestIsForgotten) {
  Readahead readahead(kSize, kGranule, kWindow);
  readahead.on_fault(0);
  const Readahead::Plan plan = readahead.on_fault(kGranule);
  for (uint64_t i = 1; i <= 16; ++i) readahead.on_fault(i << 24);
  EXPECT_TRUE(readahead.on_fault(plan.ahead.end()).ahead.empty());
  EXPECT_TRUE(readahead.on_trap(*plan.trap).ahead.empty());
}

TEST(Readahead, RandomReadsNeverReadAhead) {
  test::Random random;
  SCOPED_TRACE(random.trace());
  Readahead readahead(uint64_t{1} << 40, kGranule, kWindow);
  // Each place once: next to one another they would be a sequence.
  std::set<uint64_t> places;
  while (places.size() < 5000) places.insert(random.below(uint64_t{1} << 22) << 18);
  std::vector<uint64_t> order(places.begin(), places.end());
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  for (const uint64_t place : order) {
    const Readahead::Plan plan = readahead.on_fault(place);
    ASSERT_TRUE(plan.ahead.empty());
    ASSERT_FALSE(plan.trap);
    ASSERT_EQ(plan.demand, (Range{place, kGranule}));
  }
}

TEST(Readahead, NothingIsPlannedPastTheEnd) {
  // Its last page is a short one.
  constexpr uint64_t kShort = pages(10) - 100;
  Readahead readahead(kShort, kGranule, kWindow);
  EXPECT_EQ(readahead.on_fault(0).demand, (Range{0, pages(4)}));
  Readahead::Plan plan = readahead.on_fault(pages(4));
  EXPECT_EQ(plan.demand, (Range{pages(4), pages(4)}));
  EXPECT_EQ(plan.ahead, (Range{pages(8), pages(2)}));
  if (plan.trap) {
    EXPECT_TRUE(plan.ahead.contains(*plan.trap));
  }
  plan = readahead.on_fault(pages(9));
  EXPECT_EQ(plan.demand, (Range{pages(9), pages(1)}));
}

TEST(Readahead, AnyPlanOfAnyFaultsStaysInsideAndBeginsWithTheFault) {
  test::Random random;
  SCOPED_TRACE(random.trace());
  for (int round = 0; round < 200; ++round) {
    const uint64_t size = random.between(1, pages(300));
    const uint64_t granule = pages(random.between(1, 40));
    Readahead readahead(size, granule, pages(random.between(1, 64)));
    const Range all{0, align_up(size, kPage)};
    std::vector<uint64_t> traps;
    uint64_t next = 0;
    for (int step = 0; step < 60; ++step) {
      Readahead::Plan plan;
      if (!traps.empty() && random.one_in(3)) {
        plan = readahead.on_trap(traps[random.below(traps.size())]);
      } else {
        const uint64_t at = random.one_in(2) && next < all.length
                                ? next
                                : pages(random.below(all.length / kPage));
        plan = readahead.on_fault(at);
        ASSERT_EQ(plan.demand.offset, at);
        ASSERT_GE(plan.demand.length, kPage);
        if (!plan.ahead.empty()) {
          ASSERT_EQ(plan.ahead.offset, plan.demand.end());
        }
      }
      for (const Range range : {plan.demand, plan.ahead}) {
        ASSERT_EQ(intersect(range, all).length, range.length);
        ASSERT_EQ(range.offset % kPage + range.length % kPage, 0u);
      }
      if (plan.trap) {
        ASSERT_TRUE(plan.ahead.contains(*plan.trap));
        traps.push_back(*plan.trap);
      }
      next = std::max(plan.demand.end(), plan.ahead.end());
    }
  }
}

}  // namespace
}  // namespace r3map::region
