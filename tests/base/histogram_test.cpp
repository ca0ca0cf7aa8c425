#include "base/histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "support/random.hpp"

namespace r3map {
namespace {

using us = Histogram::Duration;

TEST(Histogram, IsEmptyAtFirst) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.percentile(0.5), us(0));
  EXPECT_EQ(histogram.max(), us(0));
  EXPECT_EQ(histogram.below_power(30), 0u);
}

TEST(Histogram, OfOneDurationIsThatDuration) {
  Histogram histogram;
  histogram.add(us(1000));
  for (const double share : {0.0, 0.5, 0.99, 1.0}) EXPECT_EQ(histogram.percentile(share), us(1000));
  EXPECT_EQ(histogram.sum(), us(1000));
}

TEST(Histogram, TakesWhatNoClockShouldTell) {
  Histogram histogram;
  histogram.add(us(-5));
  histogram.add(us::max());
  EXPECT_EQ(histogram.count(), 2u);
  EXPECT_EQ(histogram.percentile(0.5), us(0));
  histogram.add(us::max());
  EXPECT_EQ(histogram.percentile(1), Histogram::kLongest);
  EXPECT_EQ(histogram.sum(), 2 * Histogram::kLongest);
}

TEST(Histogram, CountsBelowAPowerOfTwoExactly) {
  Histogram histogram;
  for (int i = 0; i < 1024; ++i) histogram.add(us(i));
  for (unsigned power = 0; power <= 10; ++power)
    EXPECT_EQ(histogram.below_power(power), uint64_t{1} << power) << power;
  EXPECT_EQ(histogram.below_power(20), 1024u);
}

// Never less than the true percentile, and at most a quarter more.
TEST(Histogram, PercentilesAreRightToAQuarter) {
  test::Random random;
  SCOPED_TRACE(random.trace());
  Histogram histogram;
  std::vector<int64_t> all;
  for (int i = 0; i < 5000; ++i) {
    all.push_back(static_cast<int64_t>(random.below(uint64_t{1} << (1 + random.below(35)))));
    histogram.add(us(all.back()));
  }
  std::sort(all.begin(), all.end());
  for (const double share : {0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<size_t>(std::ceil(share * 5000)) - 1;
    const int64_t right = all[rank], told = histogram.percentile(share).count();
    EXPECT_GE(told, right) << share;
    EXPECT_LE(told, right + right / 4) << share;
  }
  EXPECT_EQ(histogram.max().count(), all.back());
}

}  // namespace
}  // namespace r3map
