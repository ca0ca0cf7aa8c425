#include "region/pace.hpp"

#include <gtest/gtest.h>

#include "support/random.hpp"

namespace r3map::region {
namespace {

using namespace std::chrono_literals;

constexpr uint64_t kMiB = 1 << 20;
constexpr Pace::Limits kRemote{8 * kMiB, 128 * kMiB, 4, 48};

// A line of `bandwidth` bytes per second on which requests always wait; a stream of its own gets
// no more than `each`.
class Line {
 public:
  Line(Pace& pace, double bandwidth, Pace::Duration latency, double each = 1e12)
      : pace_(pace), bandwidth_(bandwidth), latency_(latency), each_(each) {}

  void busy_for(Pace::Duration time, bool limited = true) {
    for (const Pace::Time end = now_ + time; now_ < end; now_ += 10ms) {
      const double streams =
          static_cast<double>(pace_.bulk()) / static_cast<double>(pace_.request());
      const double rate = std::min(bandwidth_, each_ * streams);
      // No more than what is under way arrives in a round trip.
      const double under_way =
          static_cast<double>(pace_.bulk()) / std::chrono::duration<double>(latency_ + 1ms).count();
      bytes_ += std::min(rate, under_way) * 0.01;
      pace_.received(static_cast<uint64_t>(bytes_), now_);
      pace_.first_byte(latency_);
      if (limited) pace_.limited();
    }
  }

 private:
  Pace& pace_;
  const double bandwidth_;
  const Pace::Duration latency_;
  const double each_;
  Pace::Time now_{};
  double bytes_ = 0;
};

TEST(Pace, BeforeAnythingIsKnownItIsCareful) {
  const Pace pace(kRemote);
  EXPECT_EQ(pace.request(), 2 * kMiB);
  EXPECT_EQ(pace.bulk(), 8 * kMiB);
  EXPECT_FALSE(pace.late());
  EXPECT_EQ(pace.busy(), 0u);
  EXPECT_GT(pace.gap(), 0u);
}

TEST(Pace, ItNeverExceedsItsLimits) {
  test::Random random;
  SCOPED_TRACE(random.trace());
  for (int round = 0; round < 200; ++round) {
    const Pace::Limits limits{random.between(1, 2048) * kPage, random.between(1, 4096) * kPage,
                              static_cast<unsigned>(random.between(1, 40)), random.between(1, 100)};
    Pace pace(limits);
    Line line(pace, static_cast<double>(random.between(1000, 4'000'000'000)),
              std::chrono::microseconds(random.between(10, 300'000)));
    for (int i = 0; i < 20; ++i) {
      line.busy_for(std::chrono::milliseconds(random.between(10, 1000)), random.one_in(2));
      ASSERT_GE(pace.request(), kPage);
      ASSERT_EQ(pace.request() % kPage, 0u);
      ASSERT_LE(pace.request(), limits.request);
      ASSERT_LE(pace.bulk(), std::max(limits.bulk, pace.request()));
    }
  }
}

TEST(Pace, AFastStoreGetsLargeRequests) {
  Pace pace(kRemote);
  Line(pace, 1e9, 1ms).busy_for(2s);
  EXPECT_EQ(pace.request(), 8 * kMiB);
  EXPECT_GE(pace.bandwidth(), 0.8e9);
}

TEST(Pace, ASlowLineIsNotBlockedByBulkForLong) {
  Pace pace(kRemote);
  Line(pace, 1.25e6, 100ms).busy_for(5s);  // 10 Mbit/s
  EXPECT_LE(pace.request(), 256u << 10);
  EXPECT_LE(pace.bulk(), 2 * kMiB);
}

TEST(Pace, WhereEachConnectionIsLimitedThereWillBeMore) {
  Pace pace(kRemote);
  Line(pace, 2e9, 20ms, 100e6).busy_for(20s);
  EXPECT_GE(pace.bulk(), 12 * pace.request());
}

TEST(Pace, WhereMoreConnectionsBringNothingThereAreNotMore) {
  Pace pace(kRemote);
  Line line(pace, 1e9, 1ms);
  uint64_t most = 0, sum = 0;
  for (int i = 0; i < 100; ++i) {
    line.busy_for(100ms);
    most = std::max(most, pace.bulk() / pace.request());
    sum += pace.bulk() / pace.request();
  }
  EXPECT_LE(most, 6u) << "one try at a time";
  EXPECT_LT(sum, 480u) << "mostly four";
}

TEST(Pace, WhoAsksForLittleLearnsNothingOfHowMuchThereIs) {
  Pace pace(kRemote);
  Line line(pace, 1e9, 1ms);
  line.busy_for(2s);
  const double known = pace.bandwidth();
  Line(pace, 1e6, 1ms).busy_for(2s, false);
  EXPECT_EQ(pace.bandwidth(), known);
}

TEST(Pace, LateIsWhatTheOthersRarelyAre) {
  Pace pace(kRemote);
  test::Random random;
  SCOPED_TRACE(random.trace());
  for (int i = 0; i < 200; ++i) pace.first_byte(std::chrono::milliseconds(random.between(15, 25)));
  ASSERT_TRUE(pace.late());
  EXPECT_GE(*pace.late(), 25ms);
  EXPECT_LE(*pace.late(), 100ms);
  for (int i = 0; i < 200; ++i) pace.first_byte(10us);
  EXPECT_EQ(*pace.late(), 20ms) << "never less";
}

TEST(Pace, BeforeOthersAreKnownTheOpenTellsWhatIsLate) {
  Pace::Limits limits = kRemote;
  limits.opening = 50ms;
  EXPECT_EQ(Pace(limits).late(), 1s);
  limits.opening = 300ms;
  EXPECT_EQ(Pace(limits).late(), 2400ms) << "it may take as long again";
}

TEST(Pace, AGapIsWorthWhatARequestCosts) {
  Pace near(kRemote), far(kRemote);
  Line(near, 1e9, 100us).busy_for(2s);
  Line(far, 1e9, 50ms).busy_for(2s);
  EXPECT_GT(far.gap(), near.gap());
  EXPECT_LE(far.gap(), kMiB);
}

}  // namespace
}  // namespace r3map::region
