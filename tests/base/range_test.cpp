#include "base/range.hpp"

#include <gtest/gtest.h>

#include "base/limits.hpp"

namespace r3map {
namespace {

TEST(Range, ContainsItsFirstButNotItsEnd) {
  const Range range{100, 10};
  EXPECT_FALSE(range.contains(99));
  EXPECT_TRUE(range.contains(100));
  EXPECT_TRUE(range.contains(109));
  EXPECT_FALSE(range.contains(110));
  EXPECT_FALSE((Range{100, 0}).contains(100));
}

TEST(Range, ContainsAtTheEndOfTheNumbers) {
  const Range last{UINT64_MAX - 1, 1};
  EXPECT_TRUE(last.contains(UINT64_MAX - 1));
  EXPECT_FALSE(last.contains(UINT64_MAX));
  EXPECT_FALSE(last.contains(0));
}

TEST(Range, BetweenIsNeverNegative) {
  EXPECT_EQ(range_between(3, 7), (Range{3, 4}));
  EXPECT_EQ(range_between(7, 7), (Range{7, 0}));
  EXPECT_TRUE(range_between(7, 3).empty());
}

TEST(Range, Intersect) {
  EXPECT_EQ(intersect({0, 10}, {5, 10}), (Range{5, 5}));
  EXPECT_EQ(intersect({5, 10}, {0, 10}), (Range{5, 5}));
  EXPECT_EQ(intersect({0, 10}, {2, 3}), (Range{2, 3}));
  EXPECT_TRUE(intersect({0, 5}, {5, 5}).empty());
  EXPECT_TRUE(intersect({0, 5}, {50, 5}).empty());
}

TEST(Range, Align) {
  EXPECT_EQ(align_down(0, kPage), 0u);
  EXPECT_EQ(align_down(4095, kPage), 0u);
  EXPECT_EQ(align_down(4096, kPage), 4096u);
  EXPECT_EQ(align_up(0, kPage), 0u);
  EXPECT_EQ(align_up(1, kPage), 4096u);
  EXPECT_EQ(align_up(4096, kPage), 4096u);
  EXPECT_EQ(align_up(4097, kPage), 8192u);
  EXPECT_EQ(align_up(10, 7), 14u) << "a unit that is no power of two";
}

TEST(Range, AlignUpSaturatesSoThatALimitStillRefuses) {
  for (const uint64_t value : {UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 4094, UINT64_MAX - 4095,
                               UINT64_MAX - 4096, UINT64_MAX - 8191}) {
    EXPECT_GT(align_up(value, kPage), limits::kRegionSize) << value;
    EXPECT_EQ(align_up(value, kPage) % kPage, 0u) << value;
  }
  EXPECT_EQ(align_up(UINT64_MAX - 8191, kPage), UINT64_MAX - 8191) << "aligned already";
  EXPECT_EQ(align_up(UINT64_MAX - 8190, kPage), UINT64_MAX - 4095) << "the last page there is";
}

TEST(Range, PageAlignedIsTheSmallestAround) {
  EXPECT_EQ(page_aligned({0, 1}), (Range{0, 4096}));
  EXPECT_EQ(page_aligned({4095, 2}), (Range{0, 8192}));
  EXPECT_EQ(page_aligned({4096, 4096}), (Range{4096, 4096}));
  EXPECT_EQ(page_aligned({8191, 1}), (Range{4096, 4096}));
  EXPECT_TRUE(page_aligned({8192, 0}).empty());
}

TEST(Range, CheckedRangeAcceptsWhatIsInside) {
  struct {
    uint64_t offset, length, size;
  } const good[] = {
      {0, 0, 0}, {0, 10, 10}, {3, 7, 10}, {10, 0, 10}, {0, UINT64_MAX, UINT64_MAX},
      {UINT64_MAX, 0, UINT64_MAX}, {UINT64_MAX - 1, 1, UINT64_MAX},
  };
  for (const auto& row : good) {
    const Result<Range> range = checked_range(row.offset, row.length, row.size);
    ASSERT_TRUE(range) << row.offset << "+" << row.length << " of " << row.size;
    EXPECT_EQ(*range, (Range{row.offset, row.length}));
  }
}

TEST(Range, CheckedRangeRefusesWhatIsPastTheEndWithoutOverflow) {
  struct {
    uint64_t offset, length, size;
  } const bad[] = {
      {0, 1, 0},
      {0, 11, 10},
      {4, 7, 10},
      {11, 0, 10},
      {10, 1, 10},
      {UINT64_MAX, 1, 10},           // the sum wraps to 0
      {5, UINT64_MAX, 10},           // to 4
      {1, UINT64_MAX, UINT64_MAX},   // to 0
      {UINT64_MAX, UINT64_MAX, UINT64_MAX},
      {uint64_t{1} << 63, uint64_t{1} << 63, UINT64_MAX},
  };
  for (const auto& row : bad) {
    const Result<Range> range = checked_range(row.offset, row.length, row.size);
    ASSERT_FALSE(range) << row.offset << "+" << row.length << " of " << row.size;
    EXPECT_EQ(range.error().code, Code::out_of_range);
    EXPECT_NE(range.error().message.find(std::to_string(row.size)), std::string::npos)
        << range.error().message;
  }
}

}  // namespace
}  // namespace r3map
