#include "region/readahead.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>

#include "region/fake_memory.hpp"
#include "support/random.hpp"

namespace r3map::region {
namespace {

using test::pages;

constexpr uint64_t kGranule = 16 << 10;
constexpr uint64_t kWindow = 1 << 20;
constexpr uint64_t kSize = uint64_t{1} << 30;

// What a forward reader is to get: one range.
Range only(const std::vector<Range>& ranges) {
  EXPECT_EQ(ranges.size(), 1u);
  return ranges.empty() ? Range{} : ranges[0];
}

bool contains(const std::vector<Range>& ranges, uint64_t offset) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](Range range) { return range.contains(offset); });
}

TEST(Readahead, ALoneFaultFetchesAGranule) {
  Readahead readahead(kSize, kGranule, kWindow);
  const Readahead::Plan plan = readahead.on_fault(pages(1000), 1);
  EXPECT_EQ(plan.demand, (Range{pages(1000), kGranule}));
  EXPECT_TRUE(plan.ahead.empty());
  EXPECT_FALSE(plan.trap);
}

TEST(Readahead, ASequentialReadersWindowsQuadrupleUpToTheLimit) {
  Readahead readahead(kSize, kGranule, kWindow);
  uint64_t at = 0;
  readahead.on_fault(at, 1);
  at += kGranule;
  for (const uint64_t window : {kGranule * 4, kGranule * 16, kWindow, kWindow, kWindow}) {
    const Readahead::Plan plan = readahead.on_fault(at, 1);
    EXPECT_EQ(plan.demand, (Range{at, kGranule}));
    EXPECT_EQ(only(plan.ahead), range_between(at + kGranule, at + window));
    ASSERT_TRUE(plan.trap);
    EXPECT_TRUE(contains(plan.ahead, *plan.trap));
    EXPECT_EQ(*plan.trap % kPage, 0u);
    at += window;
  }
}

TEST(Readahead, ATrapAsksForTheNextWindowAndSetsTheNextTrapAtItsBegin) {
  Readahead readahead(kSize, kGranule, kWindow);
  readahead.on_fault(0, 1);
  Readahead::Plan plan = readahead.on_fault(kGranule, 1);
  uint64_t end = only(plan.ahead).end();
  for (int i = 0; i < 6; ++i) {
    plan = readahead.on_trap(*plan.trap);
    EXPECT_TRUE(plan.demand.empty());
    EXPECT_EQ(only(plan.ahead).offset, end) << "a hole, or something twice";
    EXPECT_EQ(plan.trap, end);
    EXPECT_LE(only(plan.ahead).length, kWindow);
    end = only(plan.ahead).end();
  }
  EXPECT_EQ(only(plan.ahead).length, kWindow);
}

TEST(Readahead, AnUnknownTrapSaysNothing) {
  Readahead readahead(kSize, kGranule, kWindow);
  EXPECT_TRUE(readahead.on_trap(0).ahead.empty());
  readahead.on_fault(0, 1);
  const Readahead::Plan plan = readahead.on_fault(kGranule, 1);
  EXPECT_FALSE(readahead.on_trap(*plan.trap).ahead.empty());
  EXPECT_TRUE(readahead.on_trap(*plan.trap).ahead.empty()) << "a trap springs once";
}

TEST(Readahead, AReaderMaySkipALittle) {
  Readahead readahead(kSize, kGranule, kWindow);
  readahead.on_fault(0, 1);
  // A quarter of the window, and no more.
  const Readahead::Plan plan = readahead.on_fault(kGranule + kGranule / 4, 1);
  EXPECT_FALSE(plan.ahead.empty());
  const uint64_t end = only(plan.ahead).end(), window = kGranule * 4;
  EXPECT_TRUE(readahead.on_fault(end + window / 4 + kPage, 1).ahead.empty());
  EXPECT_FALSE(readahead.on_fault(end + window / 4, 1).ahead.empty());
}

TEST(Readahead, InterleavedReadersAreToldApart) {
  Readahead readahead(kSize, kGranule, kWindow);
  constexpr int kReaders = 8;
  std::array<uint64_t, kReaders> at{};
  for (int reader = 0; reader < kReaders; ++reader)
    at[reader] = static_cast<uint64_t>(reader * reader) * (kSize / kReaders / kReaders);
  for (int round = 0; round < 5; ++round)
    for (int reader = 0; reader < kReaders; ++reader) {
      const Readahead::Plan plan = readahead.on_fault(at[reader], 1);
      EXPECT_EQ(plan.ahead.empty(), round == 0) << "reader " << reader << ", round " << round;
      at[reader] = plan.ahead.empty() ? plan.demand.end() : only(plan.ahead).end();
    }
}

TEST(Readahead, TheReaderThatWasNotSeenForLongestIsForgotten) {
  Readahead readahead(kSize, kGranule, kWindow);
  readahead.on_fault(0, 1);
  const Readahead::Plan plan = readahead.on_fault(kGranule, 1);
  for (uint64_t i = 1; i <= 32; ++i) {
    readahead.on_fault((i * i) << 19, 1);
    readahead.on_fault(((i * i) << 19) + kGranule, 1);
  }
  EXPECT_TRUE(readahead.on_fault(only(plan.ahead).end(), 1).ahead.empty());
  EXPECT_TRUE(readahead.on_trap(*plan.trap).ahead.empty());
}

TEST(Readahead, RandomFaultsDontMakeAReaderForgotten) {
  test::Random random;
  SCOPED_TRACE(random.trace());
  Readahead readahead(uint64_t{1} << 40, kGranule, kWindow);
  readahead.on_fault(0, 1);
  const Readahead::Plan plan = readahead.on_fault(kGranule, 1);
  for (int i = 0; i < 1000; ++i) readahead.on_fault(random.between(1 << 10, 1 << 24) << 16, 1);
  EXPECT_FALSE(readahead.on_trap(*plan.trap).ahead.empty());
}

TEST(Readahead, RandomReadsNeverReadAhead) {
  test::Random random;
  SCOPED_TRACE(random.trace());
  Readahead readahead(uint64_t{1} << 50, kGranule, kWindow);
  // Each place once, since next to one another they would be a sequence; and so many to choose from
  // that three at equal distances, which would be a stride, hardly ever come by chance.
  std::set<uint64_t> places;
  while (places.size() < 5000) places.insert(random.below(uint64_t{1} << 32) << 18);
  std::vector<uint64_t> order(places.begin(), places.end());
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  for (const uint64_t place : order) {
    const Readahead::Plan plan = readahead.on_fault(place, 1);
    ASSERT_TRUE(plan.ahead.empty());
    ASSERT_FALSE(plan.trap);
    ASSERT_EQ(plan.demand.offset, place);
    ASSERT_LE(plan.demand.length, kGranule);
  }
}

TEST(Readahead, WhoReadsAtRandomGetsLessAndLessUntilHeReadsOn) {
  Readahead readahead(uint64_t{1} << 40, kGranule, kWindow);
  // Squares lie at no equal distances.
  uint64_t at = 0;
  for (uint64_t i = 1; i <= 40; ++i) {
    at = (i * i) << 24;
    const uint64_t length = readahead.on_fault(at, 1).demand.length;
    ASSERT_EQ(length, std::max(kGranule >> ((i - 1) / 8), kPage)) << i;
    ASSERT_EQ(readahead.on_fault(at + (i << 40) / 64, 2).demand.offset, at + (i << 40) / 64);
  }
  EXPECT_FALSE(readahead.on_fault(at + kPage, 1).ahead.empty());
  EXPECT_EQ(readahead.on_fault(5 << 24, 1).demand.length, kGranule);
}

TEST(Readahead, AChunkSizeThatWasAskedForStays) {
  Readahead readahead(uint64_t{1} << 40, kGranule, kWindow, false);
  for (uint64_t i = 1; i <= 100; ++i)
    ASSERT_EQ(readahead.on_fault((i * i) << 24, 1).demand.length, kGranule);
}

TEST(Readahead, ABackwardReaderGetsWhatLiesBelowTheNearestFirst) {
  Readahead readahead(kSize, kGranule, kWindow);
  uint64_t at = kSize - kPage;
  readahead.on_fault(at, 1);
  at -= kPage;
  Readahead::Plan plan = readahead.on_fault(at, 1);
  uint64_t low = at;
  for (int i = 0; i < 8; ++i) {
    ASSERT_FALSE(plan.ahead.empty());
    ASSERT_TRUE(plan.trap);
    EXPECT_TRUE(contains(plan.ahead, *plan.trap));
    for (const Range piece : plan.ahead) {
      EXPECT_EQ(piece.end(), low) << "a hole, something twice, or out of order";
      low = piece.offset;
    }
    plan = readahead.on_trap(*plan.trap);
  }
  EXPECT_GE(kSize - low, 4 * kWindow) << "windows grow";
}

TEST(Readahead, ABackwardReaderEndsAtTheBegin) {
  Readahead readahead(kSize, kGranule, kWindow);
  readahead.on_fault(pages(6), 1);
  Readahead::Plan plan = readahead.on_fault(pages(5), 1);
  EXPECT_TRUE(contains(plan.ahead, 0));
  ASSERT_TRUE(plan.trap);
  plan = readahead.on_trap(*plan.trap);
  EXPECT_TRUE(plan.ahead.empty());
  EXPECT_FALSE(plan.trap);
}

// Follows a reader of `places` as the pages would: absent ones fault, traps spring. Answers how
// many times he had to wait.
int waits(Readahead& readahead, const std::vector<uint64_t>& places, uint32_t thread = 1) {
  std::vector<Range> here;
  std::optional<uint64_t> trap;
  int waits = 0;
  const auto take = [&](const Readahead::Plan& plan) {
    here.push_back(plan.demand);
    here.insert(here.end(), plan.ahead.begin(), plan.ahead.end());
    trap = plan.trap;
  };
  for (const uint64_t place : places) {
    const uint64_t page = align_down(place, kPage);
    if (trap == page) {
      take(readahead.on_trap(page));
    } else if (!contains(here, page)) {
      ++waits;
      take(readahead.on_fault(page, thread));
    }
  }
  return waits;
}

TEST(Readahead, AStridedReaderIsFollowed) {
  for (const int64_t step : {int64_t{1000}, int64_t{30}, int64_t{-1000}, int64_t{-77}}) {
    Readahead readahead(kSize, kGranule, kWindow);
    std::vector<uint64_t> places;
    uint64_t at = step > 0 ? 0 : kSize - kPage;
    for (int i = 0; i < 250; ++i, at += static_cast<uint64_t>(step) * kPage) places.push_back(at);
    EXPECT_LE(waits(readahead, places), 4) << step;
  }
}

TEST(Readahead, AStrideOfBytesIsNoneOfWholePages) {
  test::Random random;
  SCOPED_TRACE(random.trace());
  for (int round = 0; round < 20; ++round) {
    Readahead readahead(kSize, kGranule, kWindow);
    const uint64_t step = random.between(100'000, 4'000'000);
    std::vector<uint64_t> places;
    for (int i = 0; i < 250; ++i) places.push_back(step * static_cast<uint64_t>(i));
    EXPECT_LE(waits(readahead, places), 60) << step;
  }
}

TEST(Readahead, StridesAreFoundByThreadAndInTurn) {
  // Two threads at random moments, and one that reads two columns in turn.
  test::Random random;
  SCOPED_TRACE(random.trace());
  Readahead readahead(kSize, kGranule, kWindow);
  const uint64_t step = pages(500);
  uint64_t at = 0;
  for (int i = 0; i < 3; ++i) {
    const bool known = !readahead.on_fault(at, 1).ahead.empty();
    EXPECT_EQ(known, i >= 2) << i;
    readahead.on_fault(random.below(kSize / 2 / kPage) * kPage + kSize / 2, 9);
    at += step;
  }
  Readahead columns(kSize, kGranule, kWindow);
  const uint64_t other = pages(150'003);
  for (uint64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(columns.on_fault(i * step, 1).ahead.empty(), i < 2);
    EXPECT_EQ(columns.on_fault(other + i * step, 1).ahead.empty(), i < 2);
  }
}

TEST(Readahead, ASteadyReaderGetsAtOnceWhatKeepsTheStoreBusy) {
  Readahead readahead(kSize, kGranule, uint64_t{32} << 20);
  readahead.aim(16 << 20);
  readahead.on_fault(0, 1);
  Readahead::Plan plan = readahead.on_fault(kGranule, 1);
  EXPECT_LE(plan.ahead[0].length, kGranule * 4) << "two faults may be chance";
  plan = readahead.on_trap(*plan.trap);
  plan = readahead.on_trap(*plan.trap);
  EXPECT_EQ(only(plan.ahead).length, uint64_t{16} << 20);
}

TEST(Readahead, WhereRoundTripsTakeLongWindowsGrowInFewer) {
  Readahead readahead(kSize, kGranule, uint64_t{32} << 20);
  readahead.hasten(true);
  readahead.on_fault(0, 1);
  Readahead::Plan plan = readahead.on_fault(kGranule, 1);
  EXPECT_EQ(only(plan.ahead).end(), kGranule * 33);
  plan = readahead.on_trap(*plan.trap);
  EXPECT_EQ(only(plan.ahead).length, kGranule * 1024);
}

TEST(Readahead, WindowsAreNeverLessThanTheGranule) {
  for (const uint64_t granule : {uint64_t{32} << 20, uint64_t{64} << 20, uint64_t{1} << 30}) {
    Readahead readahead(uint64_t{1} << 40, granule, uint64_t{4} << 30, false);
    readahead.on_fault(0, 1);
    Readahead::Plan plan = readahead.on_fault(granule, 1);
    EXPECT_EQ(plan.demand.length, granule);
    EXPECT_FALSE(plan.ahead.empty());
    ASSERT_TRUE(plan.trap);
  }
}

TEST(Readahead, AStrideOfLargeChunksStaysInTheWindow) {
  constexpr uint64_t kChunk = uint64_t{1} << 30;
  Readahead readahead(uint64_t{1} << 44, kChunk, 2 * kChunk, false);
  Readahead::Plan plan;
  for (uint64_t i = 0; i < 3; ++i) plan = readahead.on_fault(i << 34, 1);
  EXPECT_EQ(plan.ahead.size(), 2u);
}

TEST(Readahead, NothingIsPlannedPastTheEnd) {
  // Its last page is a short one.
  constexpr uint64_t kShort = pages(10) - 100;
  Readahead readahead(kShort, kGranule, kWindow);
  EXPECT_EQ(readahead.on_fault(0, 1).demand, (Range{0, pages(4)}));
  Readahead::Plan plan = readahead.on_fault(pages(4), 1);
  EXPECT_EQ(plan.demand, (Range{pages(4), pages(4)}));
  EXPECT_EQ(only(plan.ahead), (Range{pages(8), pages(2)}));
  if (plan.trap) {
    EXPECT_TRUE(contains(plan.ahead, *plan.trap));
  }
  plan = readahead.on_fault(pages(9), 1);
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
        plan = readahead.on_fault(at, 1);
        ASSERT_EQ(plan.demand.offset, at);
        ASSERT_GE(plan.demand.length, kPage);
      }
      std::vector<Range> all_of_it = plan.ahead;
      all_of_it.push_back(plan.demand);
      for (const Range range : all_of_it) {
        ASSERT_EQ(intersect(range, all).length, range.length);
        ASSERT_EQ(range.offset % kPage + range.length % kPage, 0u);
      }
      if (plan.trap) {
        ASSERT_TRUE(contains(plan.ahead, *plan.trap));
        traps.push_back(*plan.trap);
      }
      next = plan.ahead.empty() ? plan.demand.end() : plan.ahead.back().end();
    }
  }
}

}  // namespace
}  // namespace r3map::region
