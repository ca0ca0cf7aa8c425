#include "region/pins.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "region/fake_memory.hpp"
#include "support/random.hpp"

namespace r3map::region {
namespace {

using test::pages;

TEST(Pins, OverlappingPinsCountOnce) {
  Pins pins;
  pins.add({0, pages(4)});
  pins.add({pages(2), pages(4)});
  EXPECT_EQ(pins.bytes(), pages(6));
  EXPECT_EQ(pins.bytes_with({pages(5), pages(2)}), pages(7));
  EXPECT_EQ(pins.bytes_with({0, pages(6)}), pages(6));
}

TEST(Pins, EachPinNeedsItsOwnUnpin) {
  Pins pins;
  const Range range{pages(1), pages(1)};
  pins.add(range);
  pins.add(range);
  EXPECT_TRUE(pins.remove(range));
  EXPECT_EQ(pins.bytes(), pages(1));
  EXPECT_TRUE(pins.remove(range));
  EXPECT_EQ(pins.bytes(), 0u);
  EXPECT_FALSE(pins.remove(range));
}

TEST(Pins, APartOfAPinIsNotAPin) {
  Pins pins;
  pins.add({0, pages(4)});
  EXPECT_FALSE(pins.remove({0, pages(2)}));
  EXPECT_FALSE(pins.remove({0, pages(5)}));
  EXPECT_FALSE(pins.remove({pages(1), pages(3)}));
  EXPECT_EQ(pins.bytes(), pages(4));
}

TEST(Pins, AnEmptyRangeIsAlwaysPinned) {
  Pins pins;
  pins.add({pages(3), 0});
  EXPECT_EQ(pins.bytes(), 0u);
  EXPECT_TRUE(pins.remove({pages(3), 0}));
  EXPECT_TRUE(pins.remove({pages(9), 0}));
  EXPECT_TRUE(pins.pinned({pages(3), 0}).empty());
}

TEST(Pins, SelectsPinnedAndUnpinnedParts) {
  Pins pins;
  pins.add({pages(2), pages(2)});
  pins.add({pages(6), pages(1)});
  EXPECT_EQ(pins.pinned({0, pages(10)}),
            (std::vector<Range>{{pages(2), pages(2)}, {pages(6), pages(1)}}));
  EXPECT_EQ(pins.unpinned({pages(3), pages(5)}),
            (std::vector<Range>{{pages(4), pages(2)}, {pages(7), pages(1)}}));
}

uint64_t total(const std::vector<Range>& ranges) {
  uint64_t sum = 0;
  for (Range range : ranges) sum += range.length;
  return sum;
}

// Neighbouring parts may or may not be one; what they cover must be right.
bool covers(const std::vector<Range>& ranges, uint64_t offset) {
  return std::any_of(ranges.begin(), ranges.end(), [&](Range r) { return r.contains(offset); });
}

TEST(Pins, RandomOperationsAgreeWithAnArray) {
  test::Random random;
  SCOPED_TRACE(random.trace());
  constexpr uint64_t kPages = 48;
  Pins pins;
  std::vector<int> model(kPages, 0);
  std::vector<Range> added;
  for (int step = 0; step < 4000; ++step) {
    const uint64_t first = random.below(kPages);
    const Range range{pages(first), pages(random.below(kPages - first + 1))};
    if (random.below(5) < 2) {
      pins.add(range);
      if (!range.empty()) added.push_back(range);
      for (uint64_t at = range.offset; at < range.end(); at += kPage) ++model[at / kPage];
    } else if (!added.empty() && random.below(3) > 0) {
      const size_t which = random.below(added.size());
      const Range gone = added[which];
      ASSERT_TRUE(pins.remove(gone)) << "step " << step;
      added.erase(added.begin() + static_cast<long>(which));
      for (uint64_t at = gone.offset; at < gone.end(); at += kPage) --model[at / kPage];
    } else {
      const bool known =
          range.empty() || std::find(added.begin(), added.end(), range) != added.end();
      if (!known) {
        ASSERT_FALSE(pins.remove(range)) << "step " << step;
      }
    }
    const auto pinned_in = [&](Range in) {
      return pages(static_cast<uint64_t>(
          std::count_if(model.begin() + static_cast<long>(in.offset / kPage),
                        model.begin() + static_cast<long>(in.end() / kPage),
                        [](int count) { return count > 0; })));
    };
    ASSERT_EQ(pins.bytes(), pinned_in({0, pages(kPages)})) << "step " << step;
    const std::vector<Range> pinned = pins.pinned(range), unpinned = pins.unpinned(range);
    ASSERT_EQ(total(pinned), pinned_in(range)) << "step " << step;
    ASSERT_EQ(total(pinned) + total(unpinned), range.length) << "step " << step;
    ASSERT_EQ(pins.bytes_with(range), pins.bytes() + total(unpinned)) << "step " << step;
    for (uint64_t at = range.offset; at < range.end(); at += kPage) {
      ASSERT_EQ(covers(pinned, at), model[at / kPage] > 0) << "step " << step << ", " << at;
      ASSERT_EQ(covers(unpinned, at), model[at / kPage] == 0) << "step " << step << ", " << at;
    }
  }
}

}  // namespace
}  // namespace r3map::region
