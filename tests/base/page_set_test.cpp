#include "base/page_set.hpp"

#include <gtest/gtest.h>

#include <malloc.h>

#include <algorithm>
#include <vector>

#include "support/random.hpp"
#include "support/subprocess.hpp"

namespace r3map {
namespace {

constexpr uint64_t kLeaf = uint64_t{4096} * kPage;  // what one leaf holds
constexpr uint64_t kTiB = uint64_t{1} << 40;

Range pages(uint64_t first, uint64_t count) { return {first * kPage, count * kPage}; }

TEST(PageSet, StartsEmpty) {
  const PageSet set;
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(set.bytes(), 0u);
  EXPECT_FALSE(set.contains(0));
  EXPECT_TRUE(set.first_run({0, kTiB}).empty());
  EXPECT_EQ(set.first_gap({kPage, kTiB}), (Range{kPage, kTiB}));
}

TEST(PageSet, CountsEachPageOnce) {
  PageSet set;
  set.add(pages(3, 4));
  set.add(pages(5, 4));
  EXPECT_EQ(set.bytes(), 6 * kPage);
  set.remove(pages(0, 4));
  EXPECT_EQ(set.bytes(), 5 * kPage);
  set.remove(pages(0, 4));
  EXPECT_EQ(set.bytes(), 5 * kPage);
  set.remove(pages(0, 100));
  EXPECT_TRUE(set.empty());
}

TEST(PageSet, EmptyRangesChangeNothing) {
  PageSet set;
  set.add(pages(7, 0));
  EXPECT_TRUE(set.empty());
  set.add(pages(7, 1));
  set.remove(pages(7, 0));
  EXPECT_TRUE(set.contains(7 * kPage));
  EXPECT_TRUE(set.first_run(pages(7, 0)).empty());
  EXPECT_TRUE(set.contains_all(pages(500, 0)));
}

TEST(PageSet, ContainsTakesAnyByteOfAPage) {
  PageSet set;
  set.add(pages(1, 1));
  EXPECT_FALSE(set.contains(kPage - 1));
  EXPECT_TRUE(set.contains(kPage));
  EXPECT_TRUE(set.contains(2 * kPage - 1));
  EXPECT_FALSE(set.contains(2 * kPage));
}

TEST(PageSet, RunsAndGapsCrossWordsAndLeaves) {
  PageSet set;
  // From the last page of leaf 0 over all of leaf 1 into leaf 2.
  set.add(pages(4095, 1 + 4096 + 1));
  EXPECT_EQ(set.first_run({0, 4 * kLeaf}), pages(4095, 4098));
  EXPECT_EQ(set.first_gap({0, 4 * kLeaf}), pages(0, 4095));
  EXPECT_EQ(set.first_gap(range_between(4095 * kPage, 4 * kLeaf)),
            range_between((4095 + 4098) * kPage, 4 * kLeaf));
  EXPECT_TRUE(set.contains_all(pages(4095, 4098)));
  EXPECT_FALSE(set.contains_all(pages(4094, 2)));
  // A run is cut by what was asked for.
  EXPECT_EQ(set.first_run(pages(5000, 10)), pages(5000, 10));
  EXPECT_EQ(set.first_run(pages(8000, 1000)), pages(8000, 193));

  set.remove(pages(4096, 4096));  // all of leaf 1
  EXPECT_EQ(set.bytes(), 2 * kPage);
  EXPECT_EQ(set.first_gap(pages(4095, 5000)), pages(4096, 4096));
  EXPECT_EQ(set.first_run(pages(4096, 8192)), pages(8192, 1));
}

TEST(PageSet, CountsTheBytesInARange) {
  PageSet set;
  EXPECT_EQ(set.bytes_in({0, kTiB}), 0u);
  set.add(pages(4095, 1 + 4096 + 1));
  EXPECT_EQ(set.bytes_in({0, kTiB}), 4098 * kPage);
  EXPECT_EQ(set.bytes_in(pages(4096, 4096)), 4096 * kPage);  // a whole leaf
  EXPECT_EQ(set.bytes_in(pages(4090, 10)), 5 * kPage);
  EXPECT_EQ(set.bytes_in(pages(8190, 10)), 3 * kPage);
  EXPECT_EQ(set.bytes_in(pages(5000, 0)), 0u);
}

TEST(PageSet, AdjacentRangesAreOneRun) {
  PageSet set;
  for (uint64_t page = 60; page < 70; ++page) set.add(pages(page, 1));
  EXPECT_EQ(set.first_run(pages(0, 200)), pages(60, 10));
}

TEST(PageSet, TheLastPageOfTheLargestRegion) {
  PageSet set;
  const uint64_t last = (uint64_t{1} << 46) - kPage;
  set.add({last, kPage});
  EXPECT_TRUE(set.contains(last));
  EXPECT_EQ(set.first_run({0, uint64_t{1} << 46}), (Range{last, kPage}));
  EXPECT_EQ(set.first_gap({0, uint64_t{1} << 46}), (Range{0, last}));
}

// A thousand places far apart: each must be found, each gap jumped over, not walked through.
TEST(PageSet, AThousandPlacesInATebibyte) {
  PageSet set;
  constexpr uint64_t kStep = kTiB / 1000 / kPage * kPage;
  const size_t heap_before = mallinfo2().uordblks;
  for (uint64_t i = 0; i < 1000; ++i) set.add({i * kStep, kPage});
  if (!test::kSanitizer) {
    EXPECT_LT(mallinfo2().uordblks - heap_before, 1u << 20);
  }
  EXPECT_EQ(set.bytes(), 1000 * kPage);
  EXPECT_EQ(set.bytes_in({kStep, 10 * kStep}), 10 * kPage);
  uint64_t found = 0;
  for (Range run = set.first_run({0, kTiB}); !run.empty();
       run = set.first_run(range_between(run.end(), kTiB))) {
    EXPECT_EQ(run, (Range{found * kStep, kPage}));
    ++found;
  }
  EXPECT_EQ(found, 1000u);
  // Millions of calls over the holes: a walk page by page would take hours.
  for (int i = 0; i < 100'000; ++i)
    ASSERT_EQ(set.first_run(range_between(kPage, kTiB)).offset, kStep);
  set.remove({0, kTiB});
  EXPECT_TRUE(set.empty());
}

// The same operations on the set and on a plain array.
TEST(PageSet, AgreesWithAPlainModel) {
  test::Random random;
  SCOPED_TRACE(random.trace());
  constexpr uint64_t kPages = 3 * 4096 + 100;  // four leaves, the last one in part
  PageSet set;
  std::vector<bool> model(kPages);
  // Short ranges around the edges of words and leaves are where mistakes hide.
  const auto some_range = [&] {
    uint64_t first = random.below(kPages);
    if (random.one_in(2)) {
      const uint64_t unit = random.one_in(2) ? 4096 : 64;
      const uint64_t edge = align_down(first, unit) + random.below(5);
      first = std::min(edge < 2 ? edge : edge - 2, kPages - 1);
    }
    const uint64_t rest = kPages - first;
    const uint64_t longest = random.one_in(4) ? rest : std::min(rest, uint64_t{130});
    return pages(first, random.below(longest + 1));
  };
  const auto model_run = [&](Range range, bool member) {
    uint64_t first = range.offset / kPage;
    const uint64_t end = range.end() / kPage;
    while (first < end && model[first] != member) ++first;
    uint64_t last = first;
    while (last < end && model[last] == member) ++last;
    return pages(first, last - first);
  };
  for (int step = 0; step < 4000; ++step) {
    const Range range = some_range();
    const bool add = random.one_in(2);
    add ? set.add(range) : set.remove(range);
    for (uint64_t page = range.offset / kPage; page < range.end() / kPage; ++page)
      model[page] = add;

    const Range asked = some_range();
    const Range run = set.first_run(asked), run_expected = model_run(asked, true);
    const Range gap = set.first_gap(asked), gap_expected = model_run(asked, false);
    ASSERT_EQ(run.length, run_expected.length) << "step " << step;
    ASSERT_EQ(gap.length, gap_expected.length) << "step " << step;
    if (!run.empty()) {
      ASSERT_EQ(run, run_expected) << "step " << step;
    }
    if (!gap.empty()) {
      ASSERT_EQ(gap, gap_expected) << "step " << step;
    }
    const auto from = model.begin() + static_cast<long>(asked.offset / kPage);
    const auto members_in = std::count(from, from + static_cast<long>(asked.length / kPage), true);
    ASSERT_EQ(set.bytes_in(asked), static_cast<uint64_t>(members_in) * kPage) << "step " << step;
    const uint64_t page = random.below(kPages);
    ASSERT_EQ(set.contains(page * kPage), model[page]) << "step " << step;
    ASSERT_EQ(set.contains_all(asked), gap_expected.empty()) << "step " << step;
    if (step % 100 == 0) {
      const auto members = std::count(model.begin(), model.end(), true);
      ASSERT_EQ(set.bytes(), static_cast<uint64_t>(members) * kPage) << "step " << step;
      ASSERT_EQ(set.empty(), set.bytes() == 0);
    }
  }
}

}  // namespace
}  // namespace r3map
